package controls

import (
	"math"
	"strconv"

	"github.com/docker/go-units"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

func diskBounded(f policy.Facts, _ policy.Intent) policy.Verdict {
	switch {
	case !f.Log.Known():
		return policy.Unknown(f.Log, "the log settings")
	case !f.Mounts.Known():
		return policy.Unknown(f.Mounts, "the mounts")
	case !f.Log.Value.Bounded:
		return policy.Fail(f.Log.Tier, "logs grow without a bound")
	}
	for _, m := range f.Mounts.Value {
		if m.Kind == "tmpfs" && m.Writable && m.Size == 0 {
			return policy.Fail(f.Mounts.Tier, "%s grows without a bound", m.Path)
		}
	}
	return policy.Pass(f.Mounts.Tier, "logs and tmpfs are bounded")
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// spared fails what the kernel may not kill for memory, or only after others.
func spared(f policy.Facts) policy.Verdict {
	switch o := f.OOM.Value; {
	case o.Disabled:
		return policy.Fail(f.OOM.Tier, "the kernel may not kill the service, and stops the host instead")
	case o.Score < 0:
		return policy.Fail(f.OOM.Tier, "others are killed before the service: oom_score_adj is %d", o.Score)
	}
	return policy.Verdict{}
}

// Amounts above which a limit is none: no machine has as much memory or as many processors, and a kernel gives few more processes
// than that to all containers together (kernel.pid_max is at most 4,194,304).
const (
	mostMemory = 64 << 40
	mostCPUs   = 512
	mostPIDs   = 1 << 20
	mostFiles  = 1 << 30
)

func bounded(got policy.Fact[int64], want, most int64, what string, text func(int64) string) policy.Verdict {
	switch {
	case !got.Known():
		return policy.Unknown(got, "the limit of "+what)
	case got.Value <= 0:
		return policy.Fail(got.Tier, "%s is unlimited", what)
	case got.Value > most:
		return policy.Fail(got.Tier, "limited to %s, which is no limit", text(got.Value))
	case want > 0 && got.Value != want:
		return policy.Fail(got.Tier, "limited to %s, not to %s", text(got.Value), text(want))
	}
	return policy.Pass(got.Tier, "limited to %s", text(got.Value))
}

func swap(f policy.Facts, in policy.Intent) policy.Verdict {
	switch {
	case !f.MemorySwap.Known():
		return policy.Unknown(f.MemorySwap, "the limit of swap")
	case f.MemorySwap.Value <= 0:
		return policy.Fail(f.MemorySwap.Tier, "swap is unlimited")
	case in.Memory > 0 && f.MemorySwap.Value > in.Memory:
		return policy.Fail(f.MemorySwap.Tier, "%s of swap beyond the memory limit", units.BytesSize(float64(f.MemorySwap.Value-in.Memory)))
	}
	return policy.Pass(f.MemorySwap.Tier, "no swap beyond the memory limit")
}

func cpus(f policy.Facts, in policy.Intent) policy.Verdict {
	switch {
	case !f.CPUs.Known():
		return policy.Unknown(f.CPUs, "the limit of cpu")
	case f.CPUs.Value <= 0:
		return policy.Fail(f.CPUs.Tier, "cpu is unlimited")
	case f.CPUs.Value > mostCPUs:
		return policy.Fail(f.CPUs.Tier, "limited to %g cpus, which is no limit", f.CPUs.Value)
	case in.CPUs > 0 && math.Abs(f.CPUs.Value-in.CPUs) > 0.001:
		return policy.Fail(f.CPUs.Tier, "limited to %g cpus, not to %g", f.CPUs.Value, in.CPUs)
	}
	return policy.Pass(f.CPUs.Tier, "limited to %g cpus", f.CPUs.Value)
}

func ulimits(f policy.Facts, _ policy.Intent) policy.Verdict {
	switch {
	case !f.OpenFiles.Known():
		return policy.Unknown(f.OpenFiles, "the limit of open files")
	case f.OpenFiles.Value <= 0:
		return policy.Fail(f.OpenFiles.Tier, "open files are unlimited")
	case f.OpenFiles.Value > mostFiles:
		return policy.Fail(f.OpenFiles.Tier, "%d open files, which is no limit", f.OpenFiles.Value)
	case !f.CoreSize.Known():
		return policy.Unknown(f.CoreSize, "the limit of core dumps")
	case f.CoreSize.Value != 0:
		return policy.Fail(f.CoreSize.Tier, "core dumps are on")
	}
	return policy.Pass(f.OpenFiles.Tier, "%d open files, no core dumps", f.OpenFiles.Value)
}

func resources() []policy.Control {
	return []policy.Control{
		{ID: "HSE-RES-001", Title: "Memory is limited as declared", Severity: finding.High, Key: "limits",
			Rationale:  "Without a limit one service takes the memory of all.",
			References: []string{"CIS 5.11", "KICS bb9ac4f7", "OWASP Docker rule 7"},
			Remedy:     "set limits.memory",
			Predicate: func(f policy.Facts, in policy.Intent) policy.Verdict {
				return bounded(f.Memory, in.Memory, mostMemory, "memory", func(n int64) string { return units.BytesSize(float64(n)) })
			}},
		{ID: "HSE-RES-002", Title: "No swap beyond the memory limit", Severity: finding.Medium, Key: "limits",
			Rationale:  "A memory limit alone allows as much swap again.",
			References: []string{"OWASP Docker rule 7"},
			Remedy:     "always rendered; enable swap accounting on the host if it cannot be seen",
			Predicate:  swap},
		{ID: "HSE-RES-003", Title: "CPU is limited as declared", Severity: finding.Medium, Key: "limits",
			Rationale:  "A busy loop in one service must not stop the others.",
			References: []string{"CIS 5.12", "KICS 6b610c50", "OWASP Docker rule 7"},
			Remedy:     "set limits.cpus",
			Predicate:  cpus},
		{ID: "HSE-RES-004", Title: "The number of processes is limited as declared", Severity: finding.High, Key: "limits",
			Rationale:  "A fork bomb in one container takes the host's process table.",
			References: []string{"CIS 5.29", "KICS 221e0658", "OWASP Docker rule 7"},
			Remedy:     "set limits.pids",
			Predicate: func(f policy.Facts, in policy.Intent) policy.Verdict {
				return bounded(f.PIDs, in.PIDs, mostPIDs, "the number of processes", func(n int64) string { return itoa(n) + " processes" })
			}},
		{ID: "HSE-RES-005", Title: "Open files are bounded and core dumps are off", Severity: finding.Low, Key: "open_files",
			Rationale:  "A core dump writes secrets to disk; some servers reserve memory for each descriptor they may open.",
			References: []string{"CIS 5.19", "CIS 2.8", "OWASP Docker rule 7"},
			Remedy:     "set open_files; core dumps are always off",
			Predicate:  ulimits},
		{ID: "HSE-RES-006", Title: "The service was not killed for memory", Severity: finding.Medium, Key: "limits", Runtime: true,
			Rationale:  "A limit below the need makes a service die at its busiest hour.",
			References: []string{"CIS 5.11"},
			Remedy:     "raise limits.memory, or lower the runtime's own heap limit",
			Text:       spared,
			Predicate: func(f policy.Facts, _ policy.Intent) policy.Verdict {
				if !f.OOMKilled.Known() {
					return policy.Unknown(f.OOMKilled, "the kernel's record")
				}
				if f.OOMKilled.Value {
					return policy.Fail(f.OOMKilled.Tier, "the kernel killed a process of the service for memory")
				}
				if v := spared(f); v.Status == finding.Fail {
					return v
				}
				return policy.Pass(f.OOMKilled.Tier, "no kill for memory")
			}},
		{ID: "HSE-RES-007", Title: "The service cannot fill the disk", Severity: finding.Low, Key: "logging",
			Rationale:  "Logs and memory file systems grow until something stops them.",
			References: []string{"OWASP Docker rule 7"},
			Remedy:     "rotate logs, and give every tmpfs a size",
			Predicate:  diskBounded},
	}
}
