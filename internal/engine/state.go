package engine

import (
	"cmp"
	"fmt"
	"regexp"
	"time"

	"github.com/moby/moby/api/types/container"
)

// defaultPeriod is the period of a quota of processor time where none is said, in microseconds, as the kernel has it.
const defaultPeriod = 100_000

// CPUs returns how many processors a container may use, or 0 where that has no bound.
func CPUs(h *container.HostConfig) float64 {
	if h.NanoCPUs > 0 {
		return float64(h.NanoCPUs) / 1e9
	}
	if h.CPUQuota > 0 {
		return float64(h.CPUQuota) / float64(cmp.Or(h.CPUPeriod, defaultPeriod))
	}
	return 0
}

// StartOf returns when a container was last started. What the engine does not say counts as long ago.
func StartOf(c Container) time.Time {
	t, _ := time.Parse(time.RFC3339Nano, c.State.StartedAt)
	return t
}

// Well means healthy, running where there is no test, or ended well where that is the end. What is paused does nothing, and a service
// whose ports are published has no end.
func Well(c Container) bool {
	s := c.State
	if s.Status == container.StateExited {
		return Done(c)
	}
	return s.Running && !s.Restarting && !s.Paused && (s.Health == nil || s.Health.Status == container.Healthy || s.Health.Status == container.NoHealthcheck)
}

// Tested tells whether the engine runs a health test in a container. Only what has one can be healthy.
func Tested(c Container) bool {
	if h := c.State.Health; h != nil {
		return h.Status != container.NoHealthcheck
	}
	test := c.Config.Healthcheck
	return test != nil && len(test.Test) > 0 && test.Test[0] != "NONE"
}

// Done tells whether a container ended with 0 where the engine does not start it again then. One that publishes ports is never done.
func Done(c Container) bool {
	switch c.HostConfig.RestartPolicy.Name {
	case container.RestartPolicyAlways, container.RestartPolicyUnlessStopped:
		return false
	}
	return c.State.Status == container.StateExited && c.State.ExitCode == 0 && len(c.HostConfig.PortBindings) == 0
}

// Restarts tells whether the engine starts a container again when it ends with an error.
func Restarts(c Container) bool {
	switch c.HostConfig.RestartPolicy.Name {
	case container.RestartPolicyAlways, container.RestartPolicyUnlessStopped, container.RestartPolicyOnFailure:
		return true
	}
	return false
}

// State says in words how a container stands.
func State(c Container) string {
	switch {
	case c.State.OOMKilled:
		return "killed for memory"
	case c.State.Paused:
		return "paused"
	case c.RestartCount > 0 && !Well(c):
		return fmt.Sprintf("exited with code %d, restarted %d times", c.State.ExitCode, c.RestartCount)
	case Done(c):
		return "completed"
	case c.State.Status == container.StateExited:
		return fmt.Sprintf("exited with code %d", c.State.ExitCode)
	case c.State.Health != nil && Tested(c) && c.State.Running && !c.State.Restarting:
		return string(c.State.Health.Status)
	}
	return string(c.State.Status)
}

// replacing matches the name that Compose gives a container while it takes the place of another one.
var replacing = regexp.MustCompile(`^/?[0-9a-f]{12}_(.+)$`)

// FinalName returns the name that a container gets once it has taken the place of another one, while it is doing that.
func FinalName(name string) (string, bool) {
	if m := replacing.FindStringSubmatch(name); m != nil {
		return m[1], true
	}
	return "", false
}
