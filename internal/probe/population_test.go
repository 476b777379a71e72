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
	m, cut := strangers(all, home, id, nil, func(time.Duration) { waited++ })
	if m == nil || cut != "" || len(m.Strangers) != 1 || m.Strangers[0].PID != guest || waited != strangerTries {
		t.Fatalf("waited %d times: %+v", waited, m)
	}
	if kinds, group, strange := m.Home.Shares(m.Strangers[0]); !strange || group || !slices.Equal(kinds, []string{"uts"}) {
		t.Errorf("it shares %v, %v, %v", kinds, group, strange)
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
