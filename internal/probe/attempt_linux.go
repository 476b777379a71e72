package probe

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/hsectl/hsectl/internal/verify"
)

// attempts tries what a hardened container must refuse. It runs in a throw-away copy of the container; what it makes goes
// with the copy.
func attempts() []verify.Trial {
	var out []verify.Trial
	try := func(what string, err error) { out = append(out, verify.Trial{Path: what, Error: errnoName(err)}) }
	try("a packet socket", socket(unix.AF_PACKET, unix.SOCK_RAW, 0))
	try("a raw socket", socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP))
	_, err := unix.AddKey("user", "hsectl", []byte("x"), unix.KEY_SPEC_PROCESS_KEYRING)
	try("a key in the kernel", err)
	events, err := unix.PerfEventOpen(&unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_CPU_CLOCK}, 0, -1, -1, 0)
	if err == nil {
		err = unix.Close(events)
	}
	try("watching the kernel", err)
	try("a device", unix.Mknod("/dev/shm/hsectl-null", unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))))
	try("reaching bpf", reached(unix.SYS_BPF, 0))
	try("handling page faults", reached(unix.SYS_USERFAULTFD, 1)) // UFFD_USER_MODE_ONLY: what a user without privileges may ask for
	try("an AF_ALG socket", socket(unix.AF_ALG, unix.SOCK_SEQPACKET, 0))
	try("an AF_VSOCK socket", socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0))
	try("io_uring", reached(unix.SYS_IO_URING_SETUP, 1))
	out = append(out, traced()...)
	try("a mount", unix.Mount("none", "/dev/shm", "tmpfs", 0, ""))
	try("a user namespace", namespaced())
	if os.Getuid() != 0 {
		try("change to root", syscall.Setuid(0)) // last: it would change what the others show
	}
	return out
}

const traceTrial = "tracing a protected process"

// traced lets a child attach to this process, which gives up being traceable by its own user, as it is by none for processes of others:
// only CAP_SYS_PTRACE lets it then. Where the child could not try there is no trial.
func traced() []verify.Trial {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return nil
	}
	said, err := exec.Command("/proc/self/exe", "probe-container", `{"attempt":true,"trace":true}`).Output()
	var dump verify.Dump
	if err = errors.Join(err, unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)); err != nil || json.Unmarshal(said, &dump) != nil {
		return nil
	}
	return dump.Attempts
}

// trace attaches to the parent of this process. What is attached is let go when this process ends.
func trace() []verify.Trial {
	return []verify.Trial{{Path: traceTrial, Error: errnoName(unix.PtraceSeize(os.Getppid()))}}
}

func socket(domain, kind, protocol int) error {
	s, err := unix.Socket(domain, kind, protocol)
	if err != nil {
		return err
	}
	return unix.Close(s)
}

// reached makes a system call that may return a descriptor, with no structure where it wants one. A filter refuses it before
// the kernel looks at that; what fails for the structure has passed the filter.
func reached(call, first uintptr) error {
	fd, _, errno := unix.Syscall(call, first, 0, 0)
	switch errno {
	case 0:
		return unix.Close(int(fd))
	case unix.EFAULT, unix.EINVAL:
		return nil
	}
	return errno
}

// namespaced starts this program in a user namespace of its own. Only starting it counts.
func namespaced() error {
	c := exec.Command("/proc/self/exe", "version")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER}
	if err := c.Start(); err != nil {
		return err
	}
	_ = c.Wait() // how it ends says nothing about whether it might begin
	return nil
}
