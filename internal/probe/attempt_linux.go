package probe

import (
	"os"
	"os/exec"
	"syscall"
	"unsafe"

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
	try("a program in the kernel", mapped())
	try("handling page faults", opened(unix.SYS_USERFAULTFD, nil)) // UFFD_USER_MODE_ONLY: what a user without privileges may ask for
	try("an AF_ALG socket", socket(unix.AF_ALG, unix.SOCK_SEQPACKET, 0))
	try("an AF_VSOCK socket", socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0))
	var ring [120]byte // struct io_uring_params
	try("io_uring", opened(unix.SYS_IO_URING_SETUP, unsafe.Pointer(&ring)))
	try("a mount", unix.Mount("none", "/dev/shm", "tmpfs", 0, ""))
	try("a user namespace", namespaced())
	if os.Getuid() != 0 {
		try("change to root", syscall.Setuid(0)) // last: it would change what the others show
	}
	return out
}

func socket(domain, kind, protocol int) error {
	s, err := unix.Socket(domain, kind, protocol)
	if err != nil {
		return err
	}
	return unix.Close(s)
}

// opened makes a system call whose first argument is 1 and that returns a descriptor, and closes that.
func opened(call uintptr, with unsafe.Pointer) error {
	fd, _, errno := unix.Syscall(call, 1, uintptr(with), 0)
	if errno != 0 {
		return errno
	}
	return unix.Close(int(fd))
}

// mapped makes what programs in the kernel need first (bpf(2), BPF_MAP_CREATE): an array of one number.
func mapped() error {
	attributes := [18]uint32{2, 4, 4, 1} // BPF_MAP_TYPE_ARRAY, sizes of key and value, entries
	fd, _, errno := unix.Syscall(unix.SYS_BPF, 0, uintptr(unsafe.Pointer(&attributes)), unsafe.Sizeof(attributes))
	if errno != 0 {
		return errno
	}
	return unix.Close(int(fd))
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
