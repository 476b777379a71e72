package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/docker/go-units"

	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/stack"
)

// Condition is how one container of a service lives, whatever its health test says, and how the service ended last.
type Condition struct {
	Service     string
	MemoryKills int64    // processes that the kernel killed for memory while the container lived on
	Zombies     []Zombie // that stay
	Exit        Exit
	Lost        string // why the stop signal does not reach the program; empty when it does
	Bare        bool   // PID 1 is the program, and has no handler for the stop signal
	Signal      string // by which the engine stops it
	Unseen      string // why its processes could not be looked at
}

// Zombie is a process that does not wait for those that it started.
type Zombie struct {
	Parent string
	First  bool // the parent is PID 1
	Count  int
}

// Exit is how a container of the service ended when it was asked to stop. The zero Exit is none that is known of.
type Exit struct {
	Took   time.Duration
	Killed bool // it did not end by itself
}

// slow reports whether a container needed nearly all of the time that it has.
func (e Exit) slow(grace time.Duration) bool { return grace > 0 && e.Took >= grace*slowShare/100 }

// slowShare is the part of the grace period, in percent, from which on the next stop may be too late.
const slowShare = 80

// Living adds to diagnoses what is wrong with services that run: what their health tests do not see.
func Living(s stack.Stack, conditions []Condition, known []Diagnosis) []Diagnosis {
	out := slices.Clone(known)
	for _, c := range conditions {
		service, ok := s.Service(c.Service)
		if !ok {
			continue
		}
		for _, d := range living(service, c) {
			d.Service, d.Evidence = service.Name, masked(display.Name(d.Evidence))
			if !slices.ContainsFunc(out, func(o Diagnosis) bool { return o.Service == d.Service && o.Cause == d.Cause }) {
				out = append(out, d)
			}
		}
	}
	return out
}

func living(s stack.Service, c Condition) []Diagnosis {
	var out []Diagnosis
	if c.MemoryKills > 0 {
		out = append(out, Diagnosis{Cause: "the kernel killed " + processes(c.MemoryKills) + " of it for memory, and it runs on",
			Evidence: fmt.Sprintf("oom_kill %d in its control group; limit %s", c.MemoryKills, units.BytesSize(float64(s.Limits.Memory.Bytes))),
			Patch:    Patch{Path: at(s, "limits.memory"), Value: mib(2 * s.Limits.Memory.Bytes)}})
	}
	for _, z := range c.Zombies {
		d := Diagnosis{Cause: display.Name(z.Parent) + " leaves zombies", Evidence: processes(int64(z.Count)) + " ended and not waited for"}
		switch {
		case z.First && !s.Init:
			d.Cause, d.Patch = "PID 1 ("+display.Name(z.Parent)+") leaves zombies", Patch{Path: at(s, "init"), Value: "true"}
		default:
			d.Advice, d.Patch = "let "+display.Name(z.Parent)+" wait for the processes that it starts: they count toward limits.pids", Patch{Path: at(s, "limits.pids")}
		}
		out = append(out, d)
	}
	s.Shutdown.Signal = cmp.Or(s.Shutdown.Signal, c.Signal)
	if c.Exit.slow(s.Shutdown.Grace) {
		out = append(out, slowExit(s, c))
	}
	return out
}

// slowExit says why a service that was asked to stop took too long, as far as its processes show it.
func slowExit(s stack.Service, c Condition) Diagnosis {
	d := Diagnosis{Cause: "it takes nearly all of its grace period to stop", Evidence: fmt.Sprintf("%.1fs of %s after %s, when it was last stopped", c.Exit.Took.Seconds(), s.Shutdown.Grace, s.Shutdown.Signal),
		Advice: "shorten the shutdown, or raise shutdown.grace: hsectl drill shutdown " + s.Name + " shows how long it takes", Patch: Patch{Path: at(s, "shutdown.grace")}}
	if !c.Exit.Killed {
		return d
	}
	d.Cause, d.Evidence = "it was killed because it did not stop on "+s.Shutdown.Signal, d.Evidence+"; then SIGKILL"
	switch {
	case c.Bare && !s.Init:
		d.Advice, d.Patch = "", Patch{Path: at(s, "init"), Value: "true"}
	case c.Lost != "":
		d.Advice, d.Patch = display.Name(c.Lost)+"; hsectl drill shutdown "+s.Name+" proves the fix", Patch{Path: at(s, "command")}
	default:
		d.Advice = "let the program end sooner when it gets " + s.Shutdown.Signal + ", or raise shutdown.grace: hsectl drill shutdown " + s.Name + " shows how long it takes"
	}
	return d
}

func processes(n int64) string {
	if n == 1 {
		return "1 process"
	}
	return fmt.Sprintf("%d processes", n)
}
