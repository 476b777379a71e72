// Package resources says how much of the machine a service of a Compose file may take, however that is written.
package resources

import (
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

// Limits returns the limits under deploy, or none.
func Limits(s types.ServiceConfig) types.Resource {
	if s.Deploy == nil || s.Deploy.Resources.Limits == nil {
		return types.Resource{}
	}
	return *s.Deploy.Resources.Limits
}

// Reservations returns the reservations under deploy, or none.
func Reservations(s types.ServiceConfig) types.Resource {
	if s.Deploy == nil || s.Deploy.Resources.Reservations == nil {
		return types.Resource{}
	}
	return *s.Deploy.Resources.Reservations
}

// Memory returns the limit in bytes, or 0.
func Memory(s types.ServiceConfig) int64 {
	if n := Limits(s).MemoryBytes; n > 0 {
		return int64(n)
	}
	return max(0, int64(s.MemLimit))
}

// Swap returns the limit of memory and swap together: the engine allows as much swap as memory when nothing is written.
func Swap(s types.ServiceConfig) int64 {
	switch {
	case s.MemSwapLimit > 0:
		return int64(s.MemSwapLimit)
	case s.MemSwapLimit < 0:
		return 0
	}
	return 2 * Memory(s)
}

// CPUs returns the limit in processors, or 0.
func CPUs(s types.ServiceConfig) float64 {
	switch {
	case Limits(s).NanoCPUs > 0:
		return float64(Limits(s).NanoCPUs)
	case s.CPUS > 0:
		return float64(s.CPUS)
	case s.CPUQuota > 0:
		period := s.CPUPeriod
		if period == 0 {
			period = 100_000 // the kernel's default, in microseconds
		}
		return float64(s.CPUQuota) / float64(period)
	}
	return 0
}

// PIDs returns the limit of processes: 0 where none is written, and -1 for unlimited.
func PIDs(s types.ServiceConfig) int64 {
	if n := Limits(s).Pids; n > 0 {
		return n
	}
	return s.PidsLimit
}

// Ulimits returns the limits of open files and of the size of a core file.
func Ulimits(s types.ServiceConfig) (files, core policy.Fact[int64]) {
	files = policy.Unseen[int64]("ulimits.nofile is not set: the engine's own default counts")
	core = policy.Unseen[int64]("ulimits.core is not set: the engine's own default counts")
	if u := s.Ulimits["nofile"]; u != nil {
		files = seen(int64(SoftLimit(u)))
	}
	if u := s.Ulimits["core"]; u != nil {
		core = seen(int64(max(u.Single, u.Hard)))
	}
	return files, core
}

// SoftLimit returns what a process begins with; one number means both limits.
func SoftLimit(u *types.UlimitsConfig) int {
	if u.Single != 0 {
		return u.Single
	}
	return u.Soft
}

func seen(n int64) policy.Fact[int64] { return policy.Seen(n, finding.Declared) }
