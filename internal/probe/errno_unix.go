//go:build unix

package probe

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// errnoName returns the kernel's name for an error, such as EROFS.
func errnoName(err error) string {
	if err == nil {
		return ""
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		if name := unix.ErrnoName(errno); name != "" {
			return name
		}
	}
	return err.Error()
}

// nonblock opens a pipe without a reader without waiting for a reader.
const nonblock = syscall.O_NONBLOCK
