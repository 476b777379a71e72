package drills

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/signals"
	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/profiles"
)

func parse(t *testing.T, text string) stack.Stack {
	t.Helper()
	p, err := parser.Parse([]byte(text), parser.Options{File: "test.yaml", Library: profiles.Library{}})
	if err != nil {
		t.Fatal(err)
	}
	return stack.New(p)
}

func TestJudgeShutdown(t *testing.T) {
	data, err := os.ReadFile("../../../profiles/hse-digital.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s := parse(t, string(data))
	app, _ := s.Service("app")
	cache, _ := s.Service("redis")
	var logs []string
	for _, line := range app.Shutdown.Logs {
		logs = append(logs, "2026-06-15T10:00:00Z info "+line, "something else")
	}
	swapped := slices.Clone(logs)
	swapped[0], swapped[2] = swapped[2], swapped[0]
	process := func(pid, parent int, name string, caught uint64) policy.Process {
		return policy.Process{PID: pid, Parent: parent, Name: name, State: "S", Caught: caught}
	}
	// runs are the programs of a container, and what was seen of them while they were held.
	runs := func(saw Program, all ...policy.Process) policy.Fact[[]Program] {
		var out []Program
		for _, p := range signals.Programs(all, false) {
			saw.Program = p
			out = append(out, saw)
		}
		return policy.Seen(out, finding.Effective)
	}
	const term, every = 1 << 14, 0xfffffffd7fc1feff
	direct := runs(Program{}, process(1, 0, "app", term))
	through := func(saw Program) policy.Fact[[]Program] {
		return runs(saw, process(1, 0, "sh", term), process(7, 1, "app", term))
	}
	bare := runs(Program{}, process(1, 0, "docker-init", 0), process(7, 1, "app", 0))
	for _, c := range []struct {
		name    string
		service stack.Service
		stopped Stopped
		failed  string
	}{
		{"clean", app, Stopped{Took: 2 * time.Second, Logs: logs, Programs: direct}, ""},
		{"killed", app, Stopped{Took: 30 * time.Second, ExitCode: 137, Killed: true, Logs: logs, Programs: direct}, "HSE-LIF-010 HSE-LIF-011 HSE-LIF-012"},
		{"out of memory", app, Stopped{Took: time.Second, ExitCode: 137, OOM: true, Logs: logs, Programs: direct}, "HSE-LIF-010 HSE-LIF-012"},
		{"at the last moment", app, Stopped{Took: 30 * time.Second, Logs: logs, Programs: direct}, "HSE-LIF-011"},
		{"a bad exit code", app, Stopped{Took: time.Second, ExitCode: 1, Logs: logs, Programs: direct}, "HSE-LIF-012"},
		{"by the signal, with a promise", app, Stopped{Took: time.Second, ExitCode: 143, Logs: logs, Programs: direct}, "HSE-LIF-012"},
		{"by the signal, with a handler that chose so", cache, Stopped{Took: time.Second, ExitCode: 143, Programs: direct}, ""},
		{"by the signal, without a handler", cache, Stopped{Took: time.Second, ExitCode: 143, Programs: bare}, "HSE-LIF-012 HSE-LIF-016"},
		{"by the signal, in a runtime that catches all", cache, Stopped{Took: time.Second, ExitCode: 143,
			Programs: runs(Program{Held: true, Passed: true, Waited: true}, process(1, 0, "docker-init", 0), process(7, 1, "app", every))}, "HSE-LIF-012 HSE-LIF-016"},
		{"by the signal, and nothing was seen", cache, Stopped{Took: time.Second, ExitCode: 143, Programs: policy.Unseen[[]Program]("no probe could run")}, "HSE-LIF-012? HSE-LIF-016?"},
		{"by another signal", cache, Stopped{Took: time.Second, ExitCode: 130, Programs: direct}, "HSE-LIF-012"},
		{"a line is missing", app, Stopped{Took: time.Second, Logs: logs[:len(logs)-2], Programs: direct}, "HSE-LIF-013"},
		{"out of order", app, Stopped{Took: time.Second, Logs: swapped, Programs: direct}, "HSE-LIF-013"},
		{"silent", app, Stopped{Took: time.Second, Programs: direct}, "HSE-LIF-013"},

		{"a shell", cache, Stopped{Took: 61 * time.Second, ExitCode: 137, Killed: true, Programs: runs(Program{}, process(1, 0, "sh", 0), process(7, 1, "app", term))},
			"HSE-LIF-010 HSE-LIF-011 HSE-LIF-012 HSE-LIF-016"},
		{"npm and a shell", cache, Stopped{Took: time.Second, Programs: runs(Program{}, process(1, 0, "npm start", term), process(7, 1, "sh", 0), process(8, 7, "app", term))}, "HSE-LIF-016"},
		{"npm and a shell, and the program's own log", app, Stopped{Took: time.Second, Logs: logs, Programs: runs(Program{}, process(1, 0, "npm start", term), process(7, 1, "sh", 0), process(8, 7, "app", term))}, ""},
		{"a script that passes it on and waits", cache, Stopped{Took: time.Second, Programs: through(Program{Held: true, Passed: true, Waited: true})}, ""},
		{"a script that passes it on and ends", cache, Stopped{Took: time.Second, Programs: through(Program{Held: true, Passed: true})}, "HSE-LIF-016"},
		{"a script that keeps it", cache, Stopped{Took: time.Second, Programs: through(Program{Held: true})}, "HSE-LIF-016"},
		{"a script that asks in another way", cache, Stopped{Took: time.Second, Programs: through(Program{Held: true, Released: true})}, "HSE-LIF-016?"},
		{"a script, live", cache, Stopped{Took: time.Second, Programs: through(Program{})}, "HSE-LIF-016?"},
		{"an init, live", cache, Stopped{Took: time.Second, Programs: runs(Program{}, process(1, 0, "tini", 0), process(7, 1, "app", term))}, ""},
		{"deaf", cache, Stopped{Took: time.Second, Programs: runs(Program{}, process(1, 0, "app", 0))}, "HSE-LIF-016"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var failed []string
			findings := JudgeShutdown(c.service, c.stopped)
			slices.SortFunc(findings, func(a, b finding.Finding) int { return strings.Compare(a.Control, b.Control) })
			for _, f := range findings {
				switch f.Status {
				case finding.Pass:
				case finding.Unknown:
					failed = append(failed, f.Control+"?")
				default:
					failed = append(failed, f.Control)
				}
				if (f.Tier != finding.Behaved) != (f.Status == finding.Unknown) || f.Where != "shutdown" || f.Remedy == "" || f.Detail == "" {
					t.Errorf("%+v", f)
				}
			}
			if got := strings.Join(failed, " "); got != c.failed {
				t.Errorf("failed %q, want %q: %+v", got, c.failed, findings)
			}
		})
	}
	if n := len(JudgeShutdown(cache, Stopped{})); n != 4 {
		t.Errorf("a service without log lines is judged %d times", n)
	}
}

func TestFirstMissing(t *testing.T) {
	for _, c := range []struct {
		wanted, logs []string
		want         int
	}{
		{nil, nil, -1},
		{[]string{"a"}, nil, 0},
		{[]string{"a", "b"}, []string{"xax", "b"}, -1},
		{[]string{"a", "b"}, []string{"b", "a"}, 1},
		{[]string{"a", "a"}, []string{"a"}, 1},
		{[]string{"a", "b"}, []string{"ab"}, 1},
	} {
		if got := firstMissing(c.wanted, c.logs); got != c.want {
			t.Errorf("%q in %q: %d, want %d", c.wanted, c.logs, got, c.want)
		}
	}
}
