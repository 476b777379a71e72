package drills

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/signals"
	"github.com/hsectl/hsectl/internal/stack"
)

// Stopped is how a container ended after it was asked to stop.
type Stopped struct {
	Signal   string        // that it was stopped by, and
	Grace    time.Duration // the time that it had, where the profile leaves them to others
	Took     time.Duration // without the time for which programs were held
	ExitCode int
	Killed   bool // SIGKILL was needed
	OOM      bool
	Logs     []string // everything it printed, without terminal escapes
	Programs policy.Fact[[]Program]
}

// Program is a program of the container, as it was before the stop, and what was seen of it when it was held.
type Program struct {
	signals.Program
	Held     bool
	Passed   bool // the signal came while it was held
	Waited   bool // the container was there for as long as it was held
	Released bool // it was let go because no signal came
}

// Held is what was seen of a program that a probe holds.
type Held struct {
	PID  int           `json:"pid"`
	Seen string        `json:"seen"`
	For  time.Duration `json:"for,omitempty"` // how long it was held after the signal had come
}

// What is seen of a program that is held, in this order.
const (
	HoldBegun    = "held"
	HoldRefused  = "not held"
	HoldPassed   = "signal came"
	HoldWaited   = "waited for"
	HoldReleased = "no signal came"
)

// JudgeShutdown compares an observed stop with what the profile declares: no SIGKILL, an exit within the grace period
// with a clean code, the program itself as the one that was told to stop, and the expected log lines in their order.
func JudgeShutdown(s stack.Service, o Stopped) []finding.Finding {
	find := func(control, title string, sev finding.Severity, status finding.Status, detail, remedy string) finding.Finding {
		tier := finding.Behaved
		if status == finding.Unknown {
			tier = finding.None
		}
		return finding.Finding{Subject: s.Name, Control: control, Title: title, Severity: sev, Status: status,
			Tier: tier, Detail: detail, Remedy: remedy, Where: "shutdown"}
	}
	s.Shutdown.Signal, s.Shutdown.Grace = cmp.Or(s.Shutdown.Signal, o.Signal), cmp.Or(s.Shutdown.Grace, o.Grace)
	grace, name := s.Shutdown.Grace, s.Shutdown.Signal
	logged := len(s.Shutdown.Logs) > 0 && firstMissing(s.Shutdown.Logs, o.Logs) < 0
	told, why := toldToStop(s, o, logged)
	ended, how := exit(s, o, told)
	out := []finding.Finding{
		find("HSE-LIF-010", "The service stops by itself", finding.High, holds(!o.Killed && !o.OOM),
			fmt.Sprintf("%s was sent; SIGKILL was %s", name, map[bool]string{true: "needed", false: "not needed"}[o.Killed]),
			"handle "+name+" in the program; if PID 1 does not pass it on, set init: true"),
		find("HSE-LIF-011", "The service stops within its grace period", finding.Medium, holds(o.Took < grace),
			fmt.Sprintf("took %.1fs of %s", o.Took.Seconds(), grace), "shorten the shutdown, or raise shutdown.grace"),
		find("HSE-LIF-012", "The service ends with a clean exit code", finding.Medium, ended, how, "end with 0 after a clean shutdown"),
		find("HSE-LIF-016", "The program itself gets the stop signal and ends by itself", finding.High, told, why,
			"start the program with exec and without npm or a shell before it, handle "+name+" in it, and let what starts it wait for its end"),
	}
	if len(s.Shutdown.Logs) > 0 {
		missing := firstMissing(s.Shutdown.Logs, o.Logs)
		detail := fmt.Sprintf("%d lines seen in order", len(s.Shutdown.Logs))
		if missing >= 0 {
			detail = fmt.Sprintf("line %d of %d was not seen in its place: %q", missing+1, len(s.Shutdown.Logs), s.Shutdown.Logs[missing])
		}
		out = append(out, find("HSE-LIF-013", "The expected log lines come in order", finding.Medium, holds(logged), detail,
			"let the program log each step of its shutdown, or change shutdown.logs"))
	}
	return out
}

func holds(ok bool) finding.Status {
	if ok {
		return finding.Pass
	}
	return finding.Fail
}

// exit accepts 0, and the code of the stop signal where a handler of the program has chosen it, as Java does: by the kernel it is
// the death of a program that was not asked.
func exit(s stack.Service, o Stopped, told finding.Status) (finding.Status, string) {
	code := fmt.Sprintf("exit code %d", o.ExitCode)
	switch {
	case o.ExitCode == 0:
		return finding.Pass, code
	case o.ExitCode != 128+signals.Number(s.Shutdown.Signal):
		return finding.Fail, code
	case len(s.Shutdown.Logs) > 0:
		return finding.Fail, code + ", that of a death by the signal"
	case told == finding.Pass:
		return finding.Pass, code + ", chosen by a handler of the program"
	case told == finding.Unknown:
		return finding.Unknown, code + ", that of a death by the signal: whether the program has a handler is not known"
	}
	return finding.Fail, code + ": the kernel ended the program, which is no graceful stop"
}

// toldToStop says whether each program of the service got the signal and had the time to act on it. Its own words prove that best.
func toldToStop(s stack.Service, o Stopped, logged bool) (finding.Status, string) {
	if logged {
		return finding.Pass, "the program logged its shutdown"
	}
	if !o.Programs.Known() {
		return finding.Unknown, "the programs of the container: " + o.Programs.Why
	}
	name, number := s.Shutdown.Signal, signals.Number(s.Shutdown.Signal)
	switch {
	case number == 0:
		return finding.Unknown, "the signal " + name + " has no known number"
	case len(o.Programs.Value) == 0:
		return finding.Unknown, "PID 1 was not seen"
	}
	var ways, blind []string
	for _, p := range o.Programs.Value {
		status, why := p.told(number, name, o)
		switch status {
		case finding.Fail:
			return status, why
		case finding.Unknown:
			blind = append(blind, why)
		default:
			ways = append(ways, why)
		}
	}
	if len(blind) > 0 {
		return finding.Unknown, strings.Join(blind, "; ")
	}
	return finding.Pass, strings.Join(ways, "; ")
}

// told says of one program what is known of it: what was seen while it was held comes before what its processes look like.
func (p Program) told(number int, name string, o Stopped) (finding.Status, string) {
	through := signals.Names(p.Through)
	switch {
	case p.Passed && !p.Waited:
		return finding.Fail, fmt.Sprintf("%s got %s, but %s ended without waiting for it, and the kernel killed it", p, name, through)
	case p.Lost(number, name) != "":
		return finding.Fail, p.Lost(number, name)
	case p.PID != 1 && p.GivesUp() && o.ExitCode == 128+number:
		return finding.Fail, fmt.Sprintf("%s has no handler of its own for %s: its runtime ended it in the middle of its work", p, name)
	case p.Waited:
		return finding.Pass, fmt.Sprintf("%s got %s through %s, which waited for it", p, name, through)
	case !p.Handles(number):
		return finding.Fail, fmt.Sprintf("%s has no handler for %s: the kernel ended it in the middle of its work", p, name)
	case p.Held && !p.Passed && !p.Released:
		return finding.Fail, fmt.Sprintf("%s had no time to act on %s: %s ended without passing it on, or without waiting", p, name, through)
	case o.Killed && len(p.Through) > 0:
		return finding.Fail, fmt.Sprintf("%s did not get %s: %s did not pass it on", p, name, through)
	case p.Released:
		return finding.Unknown, fmt.Sprintf("%s got no %s from %s; whether it was asked to stop in another way is shown by shutdown.logs", p, name, through)
	case slices.ContainsFunc(p.Through, func(hop policy.Process) bool { return !signals.IsInit(hop.Name) }):
		return finding.Unknown, fmt.Sprintf("whether %s passed %s on to %s was not seen: run it on a copy, without --live, or declare shutdown.logs", through, name, p)
	}
	return finding.Pass, p.Way(name)
}

// firstMissing returns the index of the first wanted line that does not follow the ones before it, or -1.
func firstMissing(wanted, logs []string) int {
	i := 0
	for _, line := range logs {
		if i < len(wanted) && strings.Contains(line, wanted[i]) {
			i++
		}
	}
	if i == len(wanted) {
		return -1
	}
	return i
}
