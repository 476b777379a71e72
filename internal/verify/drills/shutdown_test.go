package drills

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
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
	for _, c := range []struct {
		name    string
		service stack.Service
		stopped Stopped
		failed  string
	}{
		{"clean", app, Stopped{Took: 2 * time.Second, Logs: logs}, ""},
		{"killed", app, Stopped{Took: 30 * time.Second, ExitCode: 137, Killed: true, Logs: logs}, "HSE-LIF-010 HSE-LIF-011 HSE-LIF-012"},
		{"out of memory", app, Stopped{Took: time.Second, ExitCode: 137, OOM: true, Logs: logs}, "HSE-LIF-010 HSE-LIF-012"},
		{"at the last moment", app, Stopped{Took: 30 * time.Second, Logs: logs}, "HSE-LIF-011"},
		{"a bad exit code", app, Stopped{Took: time.Second, ExitCode: 1, Logs: logs}, "HSE-LIF-012"},
		{"by the signal, with a promise", app, Stopped{Took: time.Second, ExitCode: 143, Logs: logs}, "HSE-LIF-012"},
		{"by the signal, without one", cache, Stopped{Took: time.Second, ExitCode: 143}, ""},
		{"by another signal", cache, Stopped{Took: time.Second, ExitCode: 130}, "HSE-LIF-012"},
		{"a line is missing", app, Stopped{Took: time.Second, Logs: logs[:len(logs)-2]}, "HSE-LIF-013"},
		{"out of order", app, Stopped{Took: time.Second, Logs: swapped}, "HSE-LIF-013"},
		{"silent", app, Stopped{Took: time.Second}, "HSE-LIF-013"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var failed []string
			findings := JudgeShutdown(c.service, c.stopped)
			for _, f := range findings {
				if f.Status != finding.Pass {
					failed = append(failed, f.Control)
				}
				if f.Tier != finding.Behaved || f.Where != "shutdown" || f.Remedy == "" {
					t.Errorf("%+v", f)
				}
			}
			if got := strings.Join(failed, " "); got != c.failed {
				t.Errorf("failed %q, want %q: %+v", got, c.failed, findings)
			}
		})
	}
	if n := len(JudgeShutdown(cache, Stopped{})); n != 3 {
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
