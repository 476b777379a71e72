package controls

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

// inits are those that engines and images start as PID 1. While they wait they show neither a caught nor a blocked signal, and
// pass on to their children what they get.
func inits() []string {
	return []string{"docker-init", "tini", "tini-static", "catatonit", "dumb-init"}
}

// shells do not pass a signal on to what they wait for, unless their script traps it.
func shells() []string { return []string{"sh", "bash", "dash", "ash", "busybox"} }

// runners catch every signal and pass it on to the command that they run, by a shell.
func runners() []string { return []string{"npm", "yarn", "pnpm"} }

// unheard says why a signal that reaches a process does not reach the program behind it, through inits, shells and runners;
// empty when it does. PID 1 is not killed by a signal that it does not handle, so for it that counts too.
func unheard(all []policy.Process, p policy.Process, signal int, name string) string {
	bit := uint64(1) << (signal - 1)
	var children []policy.Process
	for _, c := range all {
		if c.Parent == p.PID && c.PID != p.PID && c.State != "Z" {
			children = append(children, c)
		}
	}
	command, _, _ := strings.Cut(p.Name, " ") // npm calls itself "npm start"
	passes, handled := slices.Contains(inits(), p.Name), (p.Caught|p.Blocked)&bit != 0
	switch {
	case !passes && p.Ignored&bit != 0:
		return fmt.Sprintf("%s ignores %s", p.Name, name)
	case !passes && !handled && slices.Contains(shells(), p.Name) && len(children) > 0:
		return fmt.Sprintf("the shell %s does not pass %s on to %s: start the program with exec", p.Name, name, children[0].Name)
	case !passes && !handled && p.PID == 1:
		return fmt.Sprintf("PID 1 (%s) does not handle %s", p.Name, name)
	case !passes && !slices.Contains(runners(), command):
		return ""
	}
	others := slices.DeleteFunc(slices.Clone(all), func(o policy.Process) bool { return o.PID == p.PID })
	for _, c := range children {
		if why := unheard(others, c, signal, name); why != "" {
			return fmt.Sprintf("%s passes %s on, but %s", p.Name, name, why)
		}
	}
	return ""
}

// firstProcess accepts a signal that the program behind PID 1 gets: one that PID 1 catches, or blocks to wait for it, or that
// it passes on as inits and runners of commands do.
func firstProcess(f policy.Facts, in policy.Intent) policy.Verdict {
	if !f.Processes.Known() {
		return policy.Unknown(f.Processes, "the processes")
	}
	i := slices.IndexFunc(f.Processes.Value, func(p policy.Process) bool { return p.PID == 1 })
	if i < 0 {
		return policy.Undetermined("PID 1 was not seen")
	}
	first := f.Processes.Value[i]
	if in.Stop.Signal == "" && f.Stop.Known() { // the profile leaves it to the image
		in.Stop.Signal = f.Stop.Value.Signal
	}
	signal := signalNumber(in.Stop.Signal)
	zombies := 0
	for _, p := range f.Processes.Value {
		if p.State == "Z" && p.Parent == 1 { // what a health test leaves is waited for outside
			zombies++
		}
	}
	switch {
	case zombies > 0:
		return policy.Fail(f.Processes.Tier, "%d zombies that PID 1 does not wait for", zombies)
	case signal == 0:
		return policy.Undetermined("the signal " + in.Stop.Signal + " has no known number")
	}
	if why := unheard(f.Processes.Value, first, signal, in.Stop.Signal); why != "" {
		return policy.Fail(f.Processes.Tier, "%s", why)
	}
	if slices.Contains(inits(), first.Name) {
		return policy.Pass(f.Processes.Tier, "the init (%s) passes %s on", first.Name, in.Stop.Signal)
	}
	return policy.Pass(f.Processes.Tier, "PID 1 (%s) handles %s", first.Name, in.Stop.Signal)
}

// signalNumber knows the signals that stop programs (signal(7), x86 and ARM); 0 is another one.
func signalNumber(name string) int {
	name = strings.TrimPrefix(strings.ToUpper(name), "SIG")
	if n, err := strconv.Atoi(name); err == nil && n > 0 && n < 65 {
		return n
	}
	if rest, ok := strings.CutPrefix(name, "RTMIN"); ok {
		n, _ := strconv.Atoi(strings.TrimPrefix(rest, "+")) // RTMIN itself has no number after it
		return 34 + n
	}
	return map[string]int{"HUP": 1, "INT": 2, "QUIT": 3, "KILL": 9, "USR1": 10, "USR2": 12, "TERM": 15, "WINCH": 28, "PWR": 30}[name]
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
			Rationale:  "The kernel does not deliver a signal to PID 1 that it does not handle, and a shell does not pass it on: the program is killed in the middle of its work. Zombie processes that are not reaped fill the process table.",
			References: []string{"hadolint DL3025", "KICS b86987e1"},
			Remedy:     "start the program with exec and without a shell, set init: true, or handle the signal in the program",
			Predicate:  firstProcess},
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
				case f.Origin.Value.StopSignal != "" && signalNumber(f.Origin.Value.StopSignal) != signalNumber(f.Stop.Value.Signal):
					return policy.Fail(f.Origin.Tier, "the image asks for %s, the profile for %s", f.Origin.Value.StopSignal, f.Stop.Value.Signal)
				}
				return policy.Pass(f.Origin.Tier, "%s", f.Stop.Value.Signal)
			}},
		{ID: "HSE-LIF-004", Title: "Restarts are bounded or watched", Severity: finding.Medium, Key: "restart",
			Rationale:  "A service that restarts for ever without a health test hides its failure.",
			References: []string{"CIS 5.15", "KICS 2fc99041"},
			Remedy:     "use restart: on-failure:5, or keep the health test",
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
