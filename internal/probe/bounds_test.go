//go:build linux && (amd64 || arm64)

package probe

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hsectl/hsectl/internal/verify"
)

// lay writes a file of a fake machine.
func lay(t *testing.T, root, name, text string) {
	t.Helper()
	at := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func status(name, state string, parent int) string {
	return fmt.Sprintf("Name:\t%s\nState:\t%s\nPPid:\t%d\nUid:\t0\t0\t0\t0\n", name, state, parent)
}

// looked returns what a probe sees of the fake processes, and how often it waited. While it waits, meanwhile happens.
func looked(root string, meanwhile func(waited int)) (verify.Dump, int) {
	waited := 0
	p := prober{root: root, pause: func(time.Duration) {
		waited++
		if meanwhile != nil {
			meanwhile(waited)
		}
	}}
	p.processes()
	return p.dump, waited
}

// However many processes call themselves after the runtime, or stay zombies, a probe waits once for all of them.
func TestWaitDoesNotGrow(t *testing.T) {
	t.Parallel()
	for _, many := range []int{1, 8, 300} {
		root := t.TempDir()
		lay(t, root, "proc/1/status", status("init", "S (sleeping)", 0))
		for i := range many {
			lay(t, root, fmt.Sprintf("proc/%d/status", 10+i), status("runc:[2:INIT]", "S (sleeping)", 1))
		}
		if dump, waited := looked(root, nil); waited != 0 || dump.Hidden != "" || len(dump.Processes) != many+1 {
			t.Errorf("%d that only call themselves so: waited %d times, %d seen, %s", many, waited, len(dump.Processes), dump.Hidden)
		}
		for i := range many {
			lay(t, root, fmt.Sprintf("proc/%d/status", 10+i), status("child", "Z (zombie)", 1))
		}
		if dump, waited := looked(root, nil); waited != reapTries || dump.Hidden != "" || len(dump.Processes) != many+1 {
			t.Errorf("%d zombies: waited %d times, %d seen, %s", many, waited, len(dump.Processes), dump.Hidden)
		}
		for i := range many {
			lay(t, root, fmt.Sprintf("proc/%d/status", 10+i), status("runc:[2:INIT]", "S (sleeping)", 0))
		}
		if dump, waited := looked(root, nil); waited != settleTries || !strings.Contains(dump.Hidden, "not become a program") || len(dump.Processes) != many+1 {
			t.Errorf("%d that never become a program: waited %d times, %d seen, %q", many, waited, len(dump.Processes), dump.Hidden)
		}
	}
}

// A process that is brought in is judged by what it becomes.
func TestWaitsForTheProgram(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	lay(t, root, "proc/1/status", status("init", "S (sleeping)", 0))
	lay(t, root, "proc/9/status", status("runc:[2:INIT]", "R (running)", 0))
	dump, waited := looked(root, func(n int) {
		if n == 3 {
			lay(t, root, "proc/9/status", status("curl", "R (running)", 0))
		}
	})
	if waited != 3 || dump.Hidden != "" || !strings.HasPrefix(dump.Processes[1].Files["status"], "Name:\tcurl") {
		t.Errorf("waited %d times, %q: %+v", waited, dump.Hidden, dump.Processes)
	}
}

// The first process is always seen, and more than can be looked at is said.
func TestManyProcesses(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for i := range maxProcesses + 5 {
		lay(t, root, fmt.Sprintf("proc/%d/status", 1+i), status("x", "S (sleeping)", 1))
	}
	dump, _ := looked(root, nil)
	if len(dump.Processes) != maxProcesses || dump.Processes[0].PID != 1 || !strings.Contains(dump.Hidden, "more than") {
		t.Errorf("%d seen, %q", len(dump.Processes), dump.Hidden)
	}
}

// Files that are too long are not taken for whole ones.
func TestHugeFiles(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	lay(t, root, "proc/1/status", status("init", "S (sleeping)", 0))
	for _, name := range []string{"mountinfo", "net/tcp6", "net/route", "net/ipv6_route"} {
		lay(t, root, "proc/1/"+name, strings.Repeat("x", maxFileBytes+1))
	}
	row := "   1: 0100007F:1F90 00000000:0000 %s 0\n"
	lay(t, root, "proc/1/net/tcp", "  sl\n"+fmt.Sprintf(row, "0A")+strings.Repeat(fmt.Sprintf(row, "01"), maxFileBytes/len(row)+1))
	dump, _ := looked(root, nil)
	first := dump.Processes[0]
	if !slices.Equal(first.Unread, []string{"mountinfo", "net/tcp6", "net/route", "net/ipv6_route"}) {
		t.Errorf("not read to the end: %v", first.Unread)
	}
	if first.Files["net/tcp"] == "" || first.Files["net/tcp6"] != "" {
		t.Error("a table of sockets counts when all that listen are at its beginning, and only then")
	}
}

// Environments and command lines are read within a bound for the whole container.
func TestHugeEnvironments(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for i := range 20 {
		lay(t, root, fmt.Sprintf("proc/%d/status", 1+i), status("x", "S (sleeping)", 0))
		lay(t, root, fmt.Sprintf("proc/%d/environ", 1+i), strings.Repeat("A", maxFileBytes))
	}
	p := prober{root: root}
	p.processes()
	if p.text > maxTextBytes+maxFileBytes || p.dump.Unfinished[verify.LookExposed] == "" || p.dump.EnvironRead >= 20 {
		t.Errorf("read %d bytes of %d processes: %v", p.text, p.dump.EnvironRead, p.dump.Unfinished)
	}
	lay(t, root, "proc/1/environ", strings.Repeat("DB_PASSWORD=hunter2hunter2\x00", 10000))
	p = prober{root: root}
	p.processes()
	if len(p.dump.Exposed) != maxExposed {
		t.Errorf("names %d variables", len(p.dump.Exposed))
	}
}

// More files among the secrets than a profile declares are not a finding of none.
func TestManySecrets(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for i := range maxSecrets + 1 {
		lay(t, root, fmt.Sprintf("run/secrets/%d", i), "x")
	}
	p := prober{root: "/"}
	p.secrets(root, "/run/secrets")
	if len(p.dump.Secrets) != maxSecrets || p.dump.Unfinished[verify.LookSecrets] == "" {
		t.Errorf("%d seen, %v", len(p.dump.Secrets), p.dump.Unfinished)
	}
}

// A layer is listed within a bound, however deep or wide it is, and no link leads out of it.
func TestLayerIsBounded(t *testing.T) {
	t.Parallel()
	mounts := "1 0 0:1 / / ro - overlay overlay rw,upperdir=/upper"
	root := t.TempDir()
	lay(t, root, "upper/a/b", "x")
	lay(t, root, "outside/secret", "x")
	if err := os.Symlink("../outside", filepath.Join(root, "upper/link")); err != nil {
		t.Fatal(err)
	}
	if out, whole, ok := layer(mounts, root); !ok || !whole || !slices.Equal(out, []string{"/a", "/a/b", "/link"}) {
		t.Errorf("got %v %t %t", out, whole, ok)
	}
	for i := range maxChanged {
		lay(t, root, fmt.Sprintf("upper/wide/%d", i), "")
	}
	if out, whole, ok := layer(mounts, root); !ok || whole || len(out) != maxChanged {
		t.Errorf("wide: %d paths, %t %t", len(out), whole, ok)
	}
	deep := t.TempDir()
	dir, err := os.OpenRoot(deep)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := dir.MkdirAll("upper/"+strings.Repeat("d/", maxChanged+1), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, whole, ok := layer(mounts, deep); !ok || whole || len(out) != maxChanged {
		t.Errorf("deep: %d paths, %t %t", len(out), whole, ok)
	}
}

// A chain of namespaces and of parents within them is followed without walking it.
func TestWithinLongChains(t *testing.T) {
	t.Parallel()
	all := map[int]machineProcess{1: {parent: 0, namespace: "host", numbers: []int{1}}, 20: {parent: 1, namespace: "box", numbers: []int{20, 1}}, 30: {parent: 20, namespace: "nested", numbers: []int{30, 3, 1}}}
	want := map[int]int{20: 1, 30: 3}
	for i := 31; i < 31+2*maxProcesses; i++ {
		all[i] = machineProcess{parent: i - 1, namespace: "nested", numbers: []int{i, i, i}}
		want[i] = i
	}
	if got := within(all, 20); !maps.Equal(got, want) {
		t.Errorf("%d of %d are seen", len(got), len(want))
	}
}

// A look that the kernel lets wait for ever ends as one that was not finished.
func TestLookEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		never := make(chan struct{})
		dump, err := inTime(t.Context(), func() (*verify.Dump, error) { <-never; return &verify.Dump{}, nil })
		if dump != nil || err == nil || !strings.Contains(err.Error(), "took longer") {
			t.Errorf("got %v, %v", dump, err)
		}
		close(never)
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := inTime(ctx, func() (*verify.Dump, error) { return &verify.Dump{}, nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if dump, err := inTime(t.Context(), func() (*verify.Dump, error) { return &verify.Dump{}, nil }); err != nil || dump == nil {
		t.Errorf("got %v, %v", dump, err)
	}
}
