package host

import "os/exec"

// together leaves it to the system what becomes of the processes that a program has started.
func together(cmd *exec.Cmd) (ask, end func()) {
	return func() { _ = cmd.Process.Kill() }, func() {} // it may have ended
}
