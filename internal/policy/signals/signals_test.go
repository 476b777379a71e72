package signals_test

import (
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/signals"
)

const term = 1 << 14

func process(pid, parent int, name string, change func(*policy.Process)) policy.Process {
	p := policy.Process{PID: pid, Parent: parent, Name: name, State: "S", Caught: term, Group: pid}
	if change != nil {
		change(&p)
	}
	return p
}

func bare(p *policy.Process)    { p.Caught = 0 }
func listens(p *policy.Process) { p.Listens = []int{80} }

func grouped(with int, caught uint64) func(*policy.Process) {
	return func(p *policy.Process) { p.Group, p.Caught = with, caught }
}

// The programs of a container are those that listen, or what stands behind inits, shells and runners.
func TestPrograms(t *testing.T) {
	for _, c := range []struct {
		name      string
		processes []policy.Process
		want      string
	}{
		{"one", []policy.Process{process(1, 0, "app", nil)}, "app"},
		{"a worker behind a shell", []policy.Process{process(1, 0, "tini", bare), process(7, 1, "sh", bare), process(8, 7, "worker", nil)}, "worker"},
		{"what listens behind a wrapper", []policy.Process{process(1, 0, "run.py", nil), process(8, 1, "app", listens)}, "app (port 80)"},
		{"a helper that does not listen", []policy.Process{process(1, 0, "sh", nil), process(8, 1, "app", listens), process(9, 1, "cron", nil)}, "app (port 80)"},
		{"workers of a server", []policy.Process{process(1, 0, "nginx", listens), process(8, 1, "nginx", listens), process(9, 1, "nginx", listens)}, "nginx (port 80)"},
		{"two servers behind a supervisor", []policy.Process{process(1, 0, "supervisord", nil), process(8, 1, "nginx", listens), process(9, 1, "app", listens)}, "nginx (port 80), app (port 80)"},
		{"what docker exec started", []policy.Process{process(1, 0, "app", nil), process(8, 0, "nc", listens)}, "app"},
		{"what has ended", []policy.Process{process(1, 0, "tini", bare), process(8, 1, "app", func(p *policy.Process) { p.State = "Z" })}, "tini"},
		{"Erlang's port mapper", []policy.Process{process(1, 0, "tini", bare), process(8, 1, "epmd", listens), process(9, 1, "beam.smp", listens)}, "beam.smp (port 80)"},
		{"nothing", nil, ""},
	} {
		var names []string
		for _, p := range signals.Programs(c.processes, false) {
			names = append(names, p.String())
		}
		if got := strings.Join(names, ", "); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// Some inits signal the whole group of their child: then a shell in between hides nothing.
func TestGroups(t *testing.T) {
	below := func(name string, group bool, options ...string) string {
		all := []policy.Process{process(1, 0, name, func(p *policy.Process) { p.Caught, p.Options = 0, options }),
			process(7, 1, "sh", grouped(7, 0)), process(8, 7, "app", grouped(7, term))}
		return signals.Programs(all, group)[0].Lost(15, "SIGTERM")
	}
	for _, c := range []struct {
		name    string
		group   bool
		options []string
		lost    bool
	}{
		{"tini", false, nil, true},
		{"tini", false, []string{"-v"}, true},
		{"tini", false, []string{"-vg"}, false},
		{"docker-init", true, nil, false},
		{"catatonit", true, nil, true},
		{"dumb-init", false, nil, false},
		{"dumb-init", false, []string{"-c"}, true},
		{"dumb-init", false, []string{"--single-child"}, true},
	} {
		if got := below(c.name, c.group, c.options...); (got != "") != c.lost {
			t.Errorf("%s %v: %q", c.name, c.options, got)
		}
	}
	left := []policy.Process{process(1, 0, "dumb-init", bare), process(7, 1, "sh", grouped(7, 0)), process(8, 7, "app", nil)}
	if why := signals.Programs(left, false)[0].Lost(15, "SIGTERM"); !strings.Contains(why, "the shell sh") {
		t.Errorf("a program that left the group: %q", why)
	}
	aside := []policy.Process{process(1, 0, "tini", bare), process(7, 1, "log", nil), process(9, 1, "app", listens)}
	if why := signals.Programs(aside, false)[0].Lost(15, "SIGTERM"); !strings.Contains(why, "tini passes signals on to log only, not to app") {
		t.Errorf("a second child of an init: %q", why)
	}
}

func TestHandlers(t *testing.T) {
	program := func(change func(*policy.Process)) signals.Program {
		return signals.Programs([]policy.Process{process(1, 0, "app", change)}, false)[0]
	}
	golang := program(func(p *policy.Process) { p.Caught = 0xfffffffd7fc1feff })
	java := program(func(p *policy.Process) { p.Caught = 0x2000000181005ccf })
	waits := program(func(p *policy.Process) { p.Caught, p.Blocked = 0, term })
	if !golang.GivesUp() || !golang.Handles(15) || java.GivesUp() || !java.Handles(15) || !waits.Handles(15) || waits.Handles(2) {
		t.Errorf("%v %v %v", golang, java, waits)
	}
	deaf := program(func(p *policy.Process) { p.Ignored, p.Caught = term, 0 })
	if why := deaf.Lost(15, "SIGTERM"); why != "app ignores SIGTERM" {
		t.Error(why)
	}
}

func TestNumber(t *testing.T) {
	for name, want := range map[string]int{"SIGTERM": 15, "term": 15, "SIGQUIT": 3, "RTMIN+3": 37, "SIGRTMIN": 34, "2": 2, "nothing": 0, "99": 0} {
		if got := signals.Number(name); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
}
