package drills

import (
	"fmt"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/stack"
)

// Stopped is how a container ended after it was asked to stop.
type Stopped struct {
	Took     time.Duration
	ExitCode int
	Killed   bool // SIGKILL was needed
	OOM      bool
	Logs     []string // everything it printed, without terminal escapes
}

// JudgeShutdown compares an observed stop with what the profile declares: no SIGKILL, an exit within the grace period
// with a clean code, and the expected log lines in their order.
func JudgeShutdown(s stack.Service, o Stopped) []finding.Finding {
	find := func(control, title string, sev finding.Severity, ok bool, detail, remedy string) finding.Finding {
		status := finding.Fail
		if ok {
			status = finding.Pass
		}
		return finding.Finding{Subject: s.Name, Control: control, Title: title, Severity: sev, Status: status,
			Tier: finding.Behaved, Detail: detail, Remedy: remedy, Where: "shutdown"}
	}
	grace := s.Shutdown.Grace
	out := []finding.Finding{
		find("HSE-LIF-010", "The service stops by itself", finding.High, !o.Killed && !o.OOM,
			fmt.Sprintf("%s was sent; SIGKILL was %s", s.Shutdown.Signal, map[bool]string{true: "needed", false: "not needed"}[o.Killed]),
			"handle "+s.Shutdown.Signal+" in the program; if PID 1 does not pass it on, set init: true"),
		find("HSE-LIF-011", "The service stops within its grace period", finding.Medium, o.Took < grace,
			fmt.Sprintf("took %.1fs of %s", o.Took.Seconds(), grace), "shorten the shutdown, or raise shutdown.grace"),
		exit(s, o, find),
	}
	if len(s.Shutdown.Logs) > 0 {
		missing := firstMissing(s.Shutdown.Logs, o.Logs)
		detail := fmt.Sprintf("%d lines seen in order", len(s.Shutdown.Logs))
		if missing >= 0 {
			detail = fmt.Sprintf("line %d of %d was not seen in its place: %q", missing+1, len(s.Shutdown.Logs), s.Shutdown.Logs[missing])
		}
		out = append(out, find("HSE-LIF-013", "The expected log lines come in order", finding.Medium, missing < 0, detail,
			"let the program log each step of its shutdown, or change shutdown.logs"))
	}
	return out
}

// exit accepts 0, and death by the stop signal itself for services that promise no log lines: such a service has no
// handler, and nothing to lose.
func exit(s stack.Service, o Stopped, find func(string, string, finding.Severity, bool, string, string) finding.Finding) finding.Finding {
	signals := map[string]int{"SIGHUP": 1, "SIGINT": 2, "SIGQUIT": 3, "SIGUSR1": 10, "SIGUSR2": 12, "SIGTERM": 15, "SIGWINCH": 28}
	bySignal := o.ExitCode == 128+signals[s.Shutdown.Signal] && len(s.Shutdown.Logs) == 0
	return find("HSE-LIF-012", "The service ends with a clean exit code", finding.Medium, o.ExitCode == 0 || bySignal,
		fmt.Sprintf("exit code %d", o.ExitCode), "end with 0 after a clean shutdown")
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
