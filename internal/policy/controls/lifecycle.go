package controls

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/signals"
)

// stopReaches accepts a signal that the programs of the container get, and PID 1 that waits for what it is left with. A program that
// gets the signal and has no handler for it is ended by the kernel in the middle of its work: that is said, and stops nothing.
func stopReaches(f policy.Facts, in policy.Intent) policy.Verdict {
	if !f.Processes.Known() {
		return policy.Unknown(f.Processes, "the processes")
	}
	if !slices.ContainsFunc(f.Processes.Value, func(p policy.Process) bool { return p.PID == 1 }) {
		return policy.Undetermined("PID 1 was not seen")
	}
	if in.Stop.Signal == "" && f.Stop.Known() { // the profile leaves it to the image
		in.Stop.Signal = f.Stop.Value.Signal
	}
	if f.Unheld != "" {
		return policy.Undetermined("which programs listen: " + f.Unheld)
	}
	name, number := in.Stop.Signal, signals.Number(in.Stop.Signal)
	zombies := 0
	for _, p := range f.Processes.Value {
		if p.State == "Z" && p.Parent == 1 { // what a health test leaves is waited for outside
			zombies++
		}
	}
	switch {
	case zombies > 0:
		return policy.Fail(f.Processes.Tier, "%d zombies that PID 1 does not wait for", zombies)
	case number == 0:
		return policy.Undetermined("the signal " + name + " has no known number")
	}
	whole := slices.ContainsFunc(f.Environment.Value, func(v policy.Variable) bool { return v.Name == signals.GroupVariable })
	var ways, bare []string
	for _, p := range signals.Programs(f.Processes.Value, whole) {
		if why := p.Lost(number, name); why != "" {
			return policy.Fail(f.Processes.Tier, "%s", why)
		}
		if !p.Handles(number) {
			bare = append(bare, fmt.Sprintf("%s gets %s and has no handler for it: the kernel ends it in the middle of its work", p, name))
			continue
		}
		way := p.Way(name)
		if doubt := p.Doubt(number); doubt != "" {
			way += "; hsectl drill shutdown proves that " + doubt + " does not keep it"
		}
		ways = append(ways, way)
	}
	if len(bare) > 0 {
		return policy.Advise(f.Processes.Tier, strings.Join(bare, "; "))
	}
	return policy.Pass(f.Processes.Tier, "%s", strings.Join(ways, "; "))
}

// counted compares with the number that the profile grants, so what is wrong is always drift.
func counted(f policy.Facts, in policy.Intent) policy.Verdict {
	if !f.Containers.Known() {
		return policy.Unknown(f.Containers, "the containers of the service")
	}
	have, want := len(f.Containers.Value), max(in.Replicas, 1)
	if have != want {
		text := fmt.Sprintf("%d of %d containers", have, want)
		if have > want {
			text = fmt.Sprintf("%d containers, not %d", have, want)
		}
		return policy.Verdict{Status: finding.Drift, Tier: f.Containers.Tier, Detail: text + ": " + strings.Join(f.Containers.Value, ", ")}
	}
	return policy.Pass(f.Containers.Tier, "%d of %d containers", have, want)
}

func stop(f policy.Facts, in policy.Intent) policy.Verdict {
	switch {
	case !f.Stop.Known():
		return policy.Unknown(f.Stop, "the stop settings")
	case in.Stop.Signal != "" && f.Stop.Value.Signal != in.Stop.Signal:
		return policy.Fail(f.Stop.Tier, "stopped by %s, not by %s", f.Stop.Value.Signal, in.Stop.Signal)
	case f.Stop.Value.Grace < in.Stop.Grace:
		return policy.Fail(f.Stop.Tier, "killed after %s, not after %s", f.Stop.Value.Grace, in.Stop.Grace)
	case f.Stop.Value.Init != in.Stop.Init:
		return policy.Fail(f.Stop.Tier, "the engine's init is %s", map[bool]string{true: "on but not declared", false: "declared but off"}[f.Stop.Value.Init])
	}
	return policy.Pass(f.Stop.Tier, "%s, then %s of grace", cmp.Or(in.Stop.Signal, f.Stop.Value.Signal, "the image's signal"), in.Stop.Grace)
}

func restart(f policy.Facts, _ policy.Intent) policy.Verdict {
	if !f.Restart.Known() {
		return policy.Unknown(f.Restart, "the restart policy")
	}
	r := f.Restart.Value
	switch {
	case r.Policy == "on-failure" && r.Retries > 0 && r.Retries <= 5:
		return policy.Pass(f.Restart.Tier, "at most %d restarts", r.Retries)
	case r.Policy == "" || r.Policy == "no":
		return policy.Pass(f.Restart.Tier, "no restart")
	case !f.Health.Known():
		return policy.Unknown(f.Health, "the health test")
	case r.Policy == "on-failure":
		return policy.Fail(f.Restart.Tier, "restarts on failure more than 5 times")
	case len(f.Health.Value.Test) == 0:
		return policy.Fail(f.Restart.Tier, "restarts %s without a health test", r.Policy)
	}
	return policy.Pass(f.Restart.Tier, "%s, with a health test", r.Policy)
}

func running(f policy.Facts, _ policy.Intent) policy.Verdict {
	if !f.State.Known() {
		return policy.Unknown(f.State, "the state")
	}
	s := f.State.Value
	switch {
	case s.Done:
		return policy.Pass(f.State.Tier, "it ended with 0 and is done")
	case s.Restarting:
		return policy.Fail(f.State.Tier, "the container is restarting, %d times so far", s.Restarts)
	case !s.Running:
		return policy.Fail(f.State.Tier, "the container does not run")
	case s.Paused:
		return policy.Fail(f.State.Tier, "the container is paused")
	case s.Restarts > 0:
		return policy.Fail(f.State.Tier, "the container restarted %d times", s.Restarts)
	}
	return policy.Pass(f.State.Tier, "runs, never restarted")
}

func lifecycles() []policy.Control {
	return []policy.Control{
		{ID: "HSE-LIF-001", Title: "The stop signal reaches the program, and PID 1 leaves no zombies", Severity: finding.Medium, Key: "init", Runtime: true,
			Rationale:  "The kernel does not deliver a signal to PID 1 that it does not handle, and a shell does not pass it on: the program is killed in the middle of its work. The program is the process that listens; where none does, what inits, shells and npm have started. Zombie processes that are not reaped fill the process table.",
			References: []string{"hadolint DL3025", "KICS b86987e1"},
			Remedy:     "start the program with exec and without a shell, set init: true, or handle the signal in the program",
			Predicate:  stopReaches},
		{ID: "HSE-LIF-002", Title: "Signal and grace period are the declared ones", Severity: finding.Medium, Key: "shutdown",
			Rationale:  "The engine's 10 s are too short for a database, and a wrong signal loses what is in flight.",
			References: []string{"NIST SP 800-190 4.4.3"},
			Remedy:     "set shutdown.signal and shutdown.grace; prove it with: hsectl drill shutdown",
			Predicate:  stop},
		{ID: "HSE-LIF-003", Title: "The stop signal is the image's own", Severity: finding.Info, Key: "shutdown.signal", Runtime: true,
			Rationale:  "The image's authors know which signal stops it cleanly.",
			References: []string{"NIST SP 800-190 4.4.3"},
			Remedy:     "use the image's stop signal, unless a different one is intended",
			Predicate: func(f policy.Facts, _ policy.Intent) policy.Verdict {
				switch {
				case !f.Stop.Known():
					return policy.Unknown(f.Stop, "the stop signal")
				case !f.Origin.Known():
					return policy.Unknown(f.Origin, "the image")
				case f.Origin.Value.StopSignal != "" && signals.Number(f.Origin.Value.StopSignal) != signals.Number(f.Stop.Value.Signal):
					return policy.Fail(f.Origin.Tier, "the image asks for %s, the profile for %s", f.Origin.Value.StopSignal, f.Stop.Value.Signal)
				}
				return policy.Pass(f.Origin.Tier, "%s", f.Stop.Value.Signal)
			}},
		{ID: "HSE-LIF-004", Title: "Restarts are bounded or watched", Severity: finding.Medium, Key: "restart",
			Rationale:  "A service that restarts for ever without a health test hides its failure.",
			References: []string{"CIS 5.15", "KICS 2fc99041"},
			Remedy:     "write a health test; without one restart: on-failure:5 limits the restarts, and the service stays down when the engine restarts",
			Predicate:  restart},
		{ID: "HSE-LIF-005", Title: "The service runs and does not restart", Severity: finding.High, Runtime: true,
			Rationale:  "A crash loop is an outage that looks alive.",
			References: []string{"NIST SP 800-190 4.4.5"},
			Remedy:     "read its log: docker compose logs SERVICE",
			Predicate:  running},
		{ID: "HSE-LIF-006", Title: "The start order waits for health", Severity: finding.Low, Key: "depends_on",
			Rationale:  "A dependency that has started is not one that answers.",
			References: []string{"NIST SP 800-190 4.4.3"},
			Remedy:     "wait for healthy, or for completed",
			Predicate: func(f policy.Facts, _ policy.Intent) policy.Verdict {
				if !f.DependsOn.Known() {
					return policy.Unknown(f.DependsOn, "the dependencies")
				}
				for _, d := range f.DependsOn.Value {
					if d.Condition == "started" {
						return policy.Fail(f.DependsOn.Tier, "%s need only have started", d.Service)
					}
				}
				return policy.Pass(f.DependsOn.Tier, "%d dependencies, each waited for", len(f.DependsOn.Value))
			}},
		{ID: "HSE-LIF-007", Title: "The service has as many containers as declared", Severity: finding.High, Key: "replicas", Runtime: true,
			Rationale:  "A missing replica puts its load on the others, and an extra one runs an undeclared configuration.",
			References: []string{"NIST SP 800-190 4.4.5"},
			Remedy:     "the profile is right and the engine is not: hsectl deploy",
			Predicate:  counted},
	}
}
