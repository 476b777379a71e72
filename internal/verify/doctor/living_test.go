package doctor

import (
	"strings"
	"testing"
	"time"
)

// What lives is not always well: each condition is named with what to do.
func TestLiving(t *testing.T) {
	s := sickStack()
	s.Services[0].Shutdown.Grace = 10 * time.Second
	slow, killed := Exit{Took: 9 * time.Second}, Exit{Took: 10 * time.Second, Killed: true}
	for name, c := range map[string]struct {
		condition Condition
		cause     string
		patch     Patch
		advice    string
	}{
		"children killed for memory":     {Condition{MemoryKills: 3}, "the kernel killed 3 processes of it for memory, and it runs on", Patch{Path: "services.app.limits.memory", Value: "128M"}, ""},
		"zombies of PID 1":               {Condition{Zombies: []Zombie{{Parent: "node", First: true, Count: 4}}}, "PID 1 (node) leaves zombies", Patch{Path: "services.app.init", Value: "true"}, ""},
		"zombies of another":             {Condition{Zombies: []Zombie{{Parent: "worker", Count: 1}}}, "worker leaves zombies", Patch{Path: "services.app.limits.pids"}, "let worker wait"},
		"slow":                           {Condition{Exit: slow}, "nearly all of its grace period", Patch{Path: "services.app.shutdown.grace"}, "raise shutdown.grace"},
		"killed, no handler":             {Condition{Exit: killed, Lost: "PID 1 (app) does not handle SIGTERM", Bare: true}, "did not stop on SIGTERM", Patch{Path: "services.app.init", Value: "true"}, ""},
		"killed, a shell":                {Condition{Exit: killed, Lost: "the shell sh does not pass SIGTERM on to app: start the program with exec"}, "did not stop on SIGTERM", Patch{Path: "services.app.command"}, "start the program with exec"},
		"killed, a handler that is slow": {Condition{Exit: killed}, "did not stop on SIGTERM", Patch{Path: "services.app.shutdown.grace"}, "end sooner"},
	} {
		c.condition.Service = "app"
		got := Living(s, []Condition{c.condition, c.condition}, nil)
		if len(got) != 1 || !strings.Contains(got[0].Cause, c.cause) || got[0].Patch != c.patch || !strings.Contains(got[0].Advice, c.advice) || got[0].Evidence == "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	said := []Diagnosis{{Service: "app", Cause: "it was killed because it did not stop on SIGTERM"}}
	if got := Living(s, []Condition{{Service: "app", Exit: killed}}, said); len(got) != 1 {
		t.Errorf("said twice: %+v", got)
	}
	if got := Living(s, []Condition{{Service: "app", Exit: Exit{Took: time.Second}}, {Service: "gone", MemoryKills: 1}, {Service: "cache", Unseen: "no probe"}}, nil); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}
