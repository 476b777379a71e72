package probe

import (
	"errors"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hsectl/hsectl/internal/verify"
)

const (
	// reachTimeout is how long a peer on the same machine may take to answer; a firewall answers never.
	reachTimeout = 700 * time.Millisecond
	// reachParallel bounds the connections that are tried at once.
	reachParallel = 64
)

// reach tries to connect to each target from the network namespace that this very thread is in: sockets are made and
// waited for here, not by the network poller, which belongs to the whole program.
func reach(targets []verify.Target) []verify.Reached {
	out := make([]verify.Reached, 0, len(targets))
	for len(targets) > 0 {
		n := min(len(targets), reachParallel)
		out = append(out, reachTogether(targets[:n])...)
		targets = targets[n:]
	}
	return out
}

func reachTogether(targets []verify.Target) []verify.Reached {
	out := make([]verify.Reached, len(targets))
	var waiting []unix.PollFd
	var whose []int
	for i, t := range targets {
		fd, err := begin(t)
		if fd >= 0 {
			defer func() { _ = unix.Close(fd) }() // nothing was sent
		}
		out[i] = verify.Reached{Target: t, Error: errnoName(err)}
		if errors.Is(err, unix.EINPROGRESS) {
			out[i].Error = "ETIMEDOUT"
			waiting, whose = append(waiting, unix.PollFd{Fd: int32(fd), Events: unix.POLLOUT}), append(whose, i)
		}
	}
	for until := time.Now().Add(reachTimeout); len(waiting) > 0; {
		left := time.Until(until)
		if left <= 0 {
			break
		}
		if _, err := unix.Poll(waiting, int(left.Milliseconds())+1); err != nil && !errors.Is(err, unix.EINTR) {
			break // what was not seen stays as if it did not answer
		}
		for k := len(waiting) - 1; k >= 0; k-- {
			if waiting[k].Revents == 0 {
				continue
			}
			out[whose[k]].Error = ended(int(waiting[k].Fd))
			waiting, whose = append(waiting[:k], waiting[k+1:]...), append(whose[:k], whose[k+1:]...)
		}
	}
	return out
}

// begin starts a connection; EINPROGRESS means that the answer is still to come.
func begin(t verify.Target) (int, error) {
	address, err := netip.ParseAddr(t.Address)
	if err != nil {
		return -1, err
	}
	family, to := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: t.Port, Addr: address.As16()})
	if address.Is4() {
		family, to = unix.AF_INET, &unix.SockaddrInet4{Port: t.Port, Addr: address.As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	return fd, unix.Connect(fd, to)
}

// ended returns how a connection ended: the kernel's name for the refusal, or nothing.
func ended(fd int) string {
	code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	return errnoName(err)
}
