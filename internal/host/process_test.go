package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestEnded(t *testing.T) {
	stat := func(state string, threads int, started string) string {
		return fmt.Sprintf("7 (a) b (c) %s 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 %d 0 %s 1 1 1", state, threads, started)
	}
	refused := &fs.PathError{Op: "open", Path: "/proc/7/stat", Err: syscall.EACCES}
	hidden := &fs.PathError{Op: "open", Path: "/proc/7/stat", Err: syscall.ENOENT}
	for name, c := range map[string]struct {
		signal  error
		stat    string
		statErr error
		want    bool
	}{
		"the pid is free":                            {os.ErrProcessDone, "", hidden, true},
		"the pid is free, says the system call":      {syscall.ESRCH, "", hidden, true},
		"another process has the pid":                {nil, stat("S", 1, "200"), nil, true},
		"another user's process has the pid":         {syscall.EPERM, stat("S", 1, "200"), nil, true},
		"it waits for its parent":                    {nil, stat("Z", 1, "100"), nil, true},
		"its first thread has ended, and others run": {nil, stat("Z", 4, "100"), nil, false},
		"it runs":                       {nil, stat("R", 9, "100"), nil, false},
		"it runs as another user":       {syscall.EPERM, stat("S", 1, "100"), nil, false},
		"hidepid=1":                     {syscall.EPERM, "", refused, false},
		"hidepid=2":                     {syscall.EPERM, "", hidden, false},
		"hidepid, and the same user":    {nil, "", hidden, false},
		"no /proc":                      {nil, "", hidden, false},
		"a file that cannot be read":    {nil, "", errors.New("input/output error"), false},
		"a file that says nothing":      {nil, "", nil, false},
		"a file that is cut off":        {nil, "7 (a) S 1 7", nil, false},
		"a signal that cannot be asked": {errors.New("not supported by windows"), "", hidden, false},
	} {
		if got := ended("100", c.signal, c.stat, c.statErr); got != c.want {
			t.Errorf("%s: ended is %v", name, got)
		}
	}
}

func TestGone(t *testing.T) {
	self := Process()
	if self == "" {
		t.Skip("the system does not name processes")
	}
	child := exec.Command("true")
	if err := child.Run(); err != nil {
		t.Fatal(err)
	}
	here, rest, _ := strings.Cut(self, " ")
	pid, started, _ := strings.Cut(rest, " ")
	for name, want := range map[string]bool{
		self: false,
		fmt.Sprintf("%s %d %s", here, child.Process.Pid, started): true,
		here + " " + pid + " 1":                                   true,
		"0000-another-boot/pid:[1] " + pid + " 1":                 false,
		here + " ":     false,
		here + " -1 1": false,
		here + " 0 1":  false,
		"":             false,
		fmt.Sprintf("another-boot/pid:[1] %d %s", child.Process.Pid, started) + " and more": false,
	} {
		if got := Gone(name); got != want {
			t.Errorf("%q: gone is %v", name, got)
		}
	}
}

// Where /proc hides the processes of other users, a holder that another user looks for does not count as gone.
func TestGoneWhereProcessesAreHidden(t *testing.T) {
	const ask = "HSECTL_TEST_GONE"
	if name := os.Getenv(ask); name != "" {
		stat := filepath.Join("/proc", strings.Fields(name)[1], "stat")
		_, err := os.ReadFile(stat)
		fmt.Fprintf(os.Stdout, "user %d, hidden %v, gone %v\n", os.Getuid(), err != nil, Gone(name))
		return
	}
	if os.Getuid() != 0 {
		t.Skip("mounting /proc with hidepid needs root")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir() // that the other user may enter
	program := filepath.Join(dir, "program")
	if err := errors.Join(os.WriteFile(program, data, 0o755), os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	for _, hide := range []string{"1", "2"} {
		cmd := exec.Command("unshare", "--mount", "sh", "-ec", `mount -t proc -o hidepid=$0 proc /proc || exit 77
exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"`, hide, program, "-test.run=^TestGoneWhereProcessesAreHidden$")
		cmd.Env, cmd.Dir = append(os.Environ(), ask+"="+Process()), "/"
		out, err := cmd.CombinedOutput()
		if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 77 || errors.Is(err, exec.ErrNotFound) {
			t.Skipf("this machine mounts no /proc with hidepid: %s", out)
		}
		if err != nil || !strings.Contains(string(out), "user 65534, hidden true, gone false\n") {
			t.Errorf("hidepid=%s: %v\n%s", hide, err, out)
		}
	}
}
