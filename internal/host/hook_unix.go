//go:build unix

package host

import (
	"os/exec"
	"syscall"
)

// together gives a program and all that it starts a process group of their own, so that they end together. What is
// returned ends whoever is left when the program is done.
func together(cmd *exec.Cmd) (end func()) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	return func() {
		if cmd.Process != nil {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // mostly nobody is left
		}
	}
}
