//go:build linux && (amd64 || arm64)

package probe

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/verify/kernel"
)

// sleeping starts a program that does nothing, and ends it with the test.
func sleeping(t *testing.T, flags uintptr, words ...string) int {
	t.Helper()
	c := exec.Command(words[0], words[1:]...)
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	if err := c.Start(); err != nil {
		t.Skipf("%v: %v", words, err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait() // it was killed
	})
	return c.Process.Pid
}

// A process that has joined a namespace is found by what it shares, whatever it is called.
func TestStrangersAreFound(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("namespaces are root's to make")
	}
	home := sleeping(t, syscall.CLONE_NEWNET|syscall.CLONE_NEWUTS, "sleep", "600")
	guest := sleeping(t, 0, "nsenter", "-t", fmt.Sprint(home), "-u", "sleep", "601")
	id := strings.Repeat("c0ffee00", 8)
	joined := func() bool {
		a, errA := os.Readlink(filepath.Join(procDir(home), "ns/uts"))
		b, errB := os.Readlink(filepath.Join(procDir(guest), "ns/uts"))
		return errA == nil && errB == nil && a == b
	}
	for !joined() {
		select {
		case <-t.Context().Done():
			t.Fatal("it never joined")
		default:
			syscall.Sync()
		}
	}
	all, err := populate()
	if err != nil || all.cut != "" {
		t.Fatal(err, all.cut)
	}
	if own := all.processes[os.Getpid()]; len(own.place.Namespaces) != len(kernel.Kinds()) || own.place.Groups == "" {
		t.Errorf("this process: %+v", own)
	}
	waited := 0
	p := prober{root: "/", members: map[int]int{}, pause: func(time.Duration) { waited++ }}
	p.strangers(all, home, id)
	m := p.dump.Machine
	if m == nil || len(m.Strangers) != 1 || m.Strangers[0].PID != guest || waited != strangerTries {
		t.Fatalf("waited %d times: %+v", waited, m)
	}
	if kinds, group, strange := m.Home.Shares(m.Strangers[0]); !strange || group || !slices.Equal(kinds, []string{"uts"}) {
		t.Errorf("it shares %v, %v, %v", kinds, group, strange)
	}
}

// The files of names leave without what is no name, and a file that is too long not at all.
func TestNamesAreReduced(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	lay(t, root, "etc/hosts", "127.0.0.1 localhost # hunter2\npassword hunter2\n")
	lay(t, root, "etc/resolv.conf", "nameserver 127.0.0.11\n")
	lay(t, root, "etc/hostname", strings.Repeat("x", maxNamesBytes+1))
	lay(t, root, "proc/7/root/engine/resolv.conf.hash", "sha256:b2b38e4d2e2a0a6a1e2d0a0a6b2a3d1f\n")
	p := prober{root: root}
	p.names(root)
	if _, ok := p.dump.Names.Files[kernel.HostnameFile]; ok || p.dump.Names.Files[kernel.HostsFile] != "127.0.0.1 localhost\n?\n" {
		t.Errorf("%+v", p.dump.Names)
	}
	p.recorded(7, "/engine/resolv.conf")
	if p.dump.Names.Written {
		t.Error("another file is taken for the engine's own")
	}
	lay(t, root, "proc/7/root/engine/resolv.conf.hash", p.sum+"\n")
	p.recorded(7, "/engine/resolv.conf")
	if !p.dump.Names.Written {
		t.Error("the engine's own file is not recognised")
	}
}

// A pipe without a reader does not block the probe.
func TestTryWritePipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := tryWrite(pipe); got != "ENXIO" {
		t.Errorf("got %q, want ENXIO", got)
	}
}
