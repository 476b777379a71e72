package policy

import (
	"slices"
	"strconv"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
)

func endurance() []Control {
	return []Control{
		{ID: "HSE-RES-007", Title: "The service cannot fill the disk", Severity: finding.Low, Key: "logging",
			Rationale:  "Logs and memory file systems grow until something stops them.",
			References: []string{"OWASP Docker rule 7"},
			Remedy:     "rotate logs, and give every tmpfs a size",
			judge:      diskBounded},
		{ID: "HSE-LIF-001", Title: "PID 1 handles the stop signal and leaves no zombies", Severity: finding.Medium, Key: "init", Runtime: true,
			Rationale:  "The kernel does not deliver a signal to PID 1 that it does not handle; children that nobody waits for fill the process table.",
			References: []string{"hadolint DL3025", "KICS b86987e1"},
			Remedy:     "set init: true, or handle the signal in the program",
			judge:      firstProcess},
		{ID: "HSE-LIF-003", Title: "The stop signal is the image's own", Severity: finding.Info, Key: "shutdown.signal", Runtime: true,
			Rationale:  "The image's authors know which signal stops it cleanly.",
			References: []string{"NIST SP 800-190 4.4.3"},
			Remedy:     "use the image's signal, unless another one is meant",
			judge: func(f Facts, _ Intent) Verdict {
				switch {
				case !f.Stop.Known():
					return unknown(f.Stop, "the stop signal")
				case !f.Origin.Known():
					return unknown(f.Origin, "the image")
				case f.Origin.Value.StopSignal != "" && signalNumber(f.Origin.Value.StopSignal) != signalNumber(f.Stop.Value.Signal):
					return fail(f.Origin.Tier, "the image asks for %s, the profile for %s", f.Origin.Value.StopSignal, f.Stop.Value.Signal)
				}
				return pass(f.Origin.Tier, "%s", f.Stop.Value.Signal)
			}},
		{ID: "HSE-LIF-006", Title: "The start order waits for health", Severity: finding.Low, Key: "depends_on",
			Rationale:  "A dependency that has started is not one that answers.",
			References: []string{"NIST SP 800-190 4.4.3"},
			Remedy:     "wait for healthy, or for completed",
			judge: func(f Facts, _ Intent) Verdict {
				if !f.DependsOn.Known() {
					return unknown(f.DependsOn, "the dependencies")
				}
				for _, d := range f.DependsOn.Value {
					if d.Condition == "started" {
						return fail(f.DependsOn.Tier, "%s need only have started", d.Service)
					}
				}
				return pass(f.DependsOn.Tier, "%d dependencies, each waited for", len(f.DependsOn.Value))
			}},
		{ID: "HSE-HLT-003", Title: "The health test can run in the image", Severity: finding.Medium, Key: "health", Runtime: true,
			Rationale:  "curl and the shell are missing from many images; the test then fails for ever.",
			References: []string{"CIS 5.27"},
			Remedy:     "use a program of the image in health:",
			judge: func(f Facts, in Intent) Verdict {
				switch {
				case !f.Health.Known():
					return unknown(f.Health, "the health test")
				case untested(f, in):
					return notApplicable(f.Health.Tier, "the image cannot test itself: %s", in.Untested)
				case f.Health.Value.Missing:
					return fail(f.Health.Tier, "the program of the test is not in the image")
				case !f.Health.Value.Proven && f.Health.Value.Streak == 0:
					return Verdict{finding.Unknown, finding.None, "the test has not run yet"}
				}
				return pass(f.Health.Tier, "the test runs")
			}},
	}
}

func diskBounded(f Facts, _ Intent) Verdict {
	switch {
	case !f.Log.Known():
		return unknown(f.Log, "the log settings")
	case !f.Mounts.Known():
		return unknown(f.Mounts, "the mounts")
	case !f.Log.Value.Bounded:
		return fail(f.Log.Tier, "logs grow without a bound")
	}
	for _, m := range f.Mounts.Value {
		if m.Kind == "tmpfs" && m.Writable && m.Size == 0 {
			return fail(f.Mounts.Tier, "%s grows without a bound", m.Path)
		}
	}
	return pass(f.Mounts.Tier, "logs and tmpfs are bounded")
}

// inits are those that engines start as PID 1. While they wait they show neither a caught nor a blocked signal.
func inits() []string { return []string{"docker-init", "tini", "catatonit"} }

// firstProcess accepts a signal that PID 1 catches, or blocks to wait for it as small inits do. The engine's own init passes
// it on, so that its child counts.
func firstProcess(f Facts, in Intent) Verdict {
	if !f.Processes.Known() {
		return unknown(f.Processes, "the processes")
	}
	i := slices.IndexFunc(f.Processes.Value, func(p Process) bool { return p.PID == 1 })
	if i < 0 {
		return Verdict{finding.Unknown, finding.None, "PID 1 was not seen"}
	}
	first := f.Processes.Value[i]
	signal := signalNumber(in.Stop.Signal)
	zombies := 0
	for _, p := range f.Processes.Value {
		if p.State == "Z" && p.Parent == 1 { // what a health test leaves is waited for outside
			zombies++
		}
	}
	switch {
	case zombies > 0:
		return fail(f.Processes.Tier, "%d zombies that PID 1 does not wait for", zombies)
	case signal == 0:
		return Verdict{finding.Unknown, finding.None, "the signal " + in.Stop.Signal + " has no known number"}
	case f.Stop.Value.Init && slices.Contains(inits(), first.Name):
		for _, p := range f.Processes.Value {
			if p.Parent == 1 && p.Ignored&(1<<(signal-1)) != 0 {
				return fail(f.Processes.Tier, "the init passes %s on to %s, which ignores it", in.Stop.Signal, p.Name)
			}
		}
		return pass(f.Processes.Tier, "the init (%s) passes %s on", first.Name, in.Stop.Signal)
	case (first.Caught|first.Blocked)&(1<<(signal-1)) == 0:
		return fail(f.Processes.Tier, "PID 1 (%s) does not handle %s", first.Name, in.Stop.Signal)
	}
	return pass(f.Processes.Tier, "PID 1 (%s) handles %s", first.Name, in.Stop.Signal)
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
