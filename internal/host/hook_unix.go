//go:build unix

package host

import (
	"os/exec"
	"syscall"
)

// together gives a program and all that it starts a process group of their own, so that they end together: what is
// returned is for a program that has been started, and asks them to end, or ends whatever is left of them.
func together(cmd *exec.Cmd) (ask, end func()) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	send := func(s syscall.Signal) {
		_ = syscall.Kill(-cmd.Process.Pid, s) // mostly nothing is left
	}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return func() { send(syscall.SIGTERM) }, func() { send(syscall.SIGKILL) }
}
