package verify

import (
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

// Directories are the places to make writable: few, the outermost, and never more than was written.
func TestDirectories(t *testing.T) {
	for _, c := range []struct {
		name        string
		paths, want []string
	}{
		{"nothing", nil, nil},
		{"a file", []string{"/app", "/app/state.json"}, []string{"/app"}},
		{"deep files", []string{"/var", "/var/cache", "/var/cache/nginx", "/var/cache/nginx/a", "/var/cache/nginx/a/1"}, []string{"/var/cache/nginx/a"}},
		{"what holds another holds both", []string{"/srv", "/srv/x", "/srv/d", "/srv/d/y"}, []string{"/srv"}},
		{
			"three side by side", []string{"/var", "/var/cache", "/var/cache/nginx", "/var/cache/nginx/a", "/var/cache/nginx/a/1", "/var/cache/nginx/b", "/var/cache/nginx/b/1", "/var/cache/nginx/c", "/var/cache/nginx/c/1"},
			[]string{"/var/cache/nginx"},
		},
		{"three at the top stay apart", []string{"/run", "/run/a", "/tmp", "/tmp/a", "/srv", "/srv/a"}, []string{"/run", "/srv", "/tmp"}},
		{"a file in the root", []string{"/core"}, []string{"/"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := directories(c.paths); !slices.Equal(got, c.want) {
				t.Errorf("%v, wanted %v", got, c.want)
			}
		})
	}
}

// What the kernel and the engine say becomes needs; what was not seen stays empty, and who only entered does not count.
func TestNeedsOf(t *testing.T) {
	process := func(pid int, uid, parent string) RawProcess {
		four := strings.Repeat("\t"+uid, 4)
		return RawProcess{PID: pid, Files: map[string]string{"status": "Name:\tapp\nPPid:\t" + parent + "\nUid:" + four + "\nGid:" + four +
			"\nNoNewPrivs:\t0\nSeccomp:\t2\nCapInh:\t0\nCapPrm:\t0\nCapEff:\t0\nCapBnd:\t0\nCapAmb:\t0\n"}}
	}
	c := Container{Service: "app", Dump: &Dump{
		Processes: []RawProcess{process(1, "0", "0"), process(7, "101", "1"), process(8, "101", "1"), process(9, "33", "0")},
		Cgroup:    map[string]string{"memory.peak": "4096\n", "memory.max": "max\n"},
	}}
	c.Engine.Changes = policy.Seen([]string{"/run", "/run/app.pid"}, finding.Effective)
	c.Engine.Health = policy.Seen(policy.Health{Test: []string{"CMD", "true"}}, finding.Applied)
	n := NeedsOf(c)
	if !slices.Equal(n.Users, []string{"0:0", "101:101"}) || n.Memory != 4096 || !slices.Equal(n.Written, []string{"/run"}) || !slices.Equal(n.Test, []string{"CMD", "true"}) {
		t.Errorf("%+v", n)
	}
	if n := NeedsOf(Container{Service: "gone", Error: "the container is exited"}); len(n.Users)+len(n.Written)+len(n.Listening)+int(n.Memory) != 0 {
		t.Errorf("needs of a container that was not inspected: %+v", n)
	}
}
