package review

import (
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/stack"
)

// A path of the host that is new is the worst that a change can bring; one that goes is the best.
func TestPathsOfTheHost(t *testing.T) {
	with := func(paths ...stack.HostPath) stack.Stack {
		return stack.Stack{Name: "x", Services: []stack.Service{{Name: "a", Image: "example/a:1", HostPaths: paths}}}
	}
	logs, other := stack.HostPath{Host: "/srv/logs", Path: "/logs", Why: "logs"}, stack.HostPath{Host: "/srv/logs", Path: "/logs", Why: "another reason"}
	for _, c := range []struct {
		name     string
		old, now stack.Stack
		want     []Direction
	}{
		{"added", with(), with(logs), []Direction{Weaker}},
		{"gone", with(logs), with(), []Direction{Stronger}},
		{"for another reason", with(logs), with(other), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []Direction
			for _, change := range Compare(Side{Stack: c.old}, Side{Stack: c.now}, time.Time{}).Changes {
				if change.Control == "HSE-FS-003" {
					got = append(got, change.Direction)
					if change.Severity != finding.Critical {
						t.Errorf("its severity is %v", change.Severity)
					}
				}
			}
			if len(got) != len(c.want) || len(got) == 1 && got[0] != c.want[0] {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
