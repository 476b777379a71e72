package place

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hsectl/hsectl/internal/verify/kernel"
)

// Bounds on one answer of the kernel.
const (
	wireTime     = 2 * time.Second
	maxWireBytes = 1 << 20
)

// Wires puts all questions to the network namespace that this very thread is in. An answer that is too long is none.
func Wires() (map[string][]byte, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(fd) }() // nothing was changed by it
	wait := unix.NsecToTimeval(wireTime.Nanoseconds())
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}), unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait)); err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	number, buffer := uint32(0), make([]byte, 32<<10) // a kernel fills no more at once (netlink(7), since Linux 4.15)
	for name, q := range kernel.Questions() {
		number++
		answer, err := wire(fd, q, number, buffer)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[name] = answer
	}
	return out, nil
}

// wire puts one question, and returns the messages of the answer, without the one that ends it.
func wire(fd int, q kernel.Question, number uint32, buffer []byte) ([]byte, error) {
	ask := make([]byte, unix.NLMSG_HDRLEN+4) // and one byte of family, with its padding
	binary.LittleEndian.PutUint32(ask, uint32(len(ask)))
	binary.LittleEndian.PutUint16(ask[4:], q.Type)
	binary.LittleEndian.PutUint16(ask[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	binary.LittleEndian.PutUint32(ask[8:], number)
	ask[unix.NLMSG_HDRLEN] = q.Family
	if err := unix.Sendto(fd, ask, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	out := []byte{}
	for {
		n, _, err := unix.Recvfrom(fd, buffer, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for data := buffer[:n]; len(data) >= unix.NLMSG_HDRLEN; {
			size := int(binary.LittleEndian.Uint32(data))
			if size < unix.NLMSG_HDRLEN || size > len(data) {
				return nil, errors.New("the answer is cut off")
			}
			message, kind := data[:size], binary.LittleEndian.Uint16(data[4:])
			data = data[min((size+3)&^3, len(data)):]
			switch {
			case binary.LittleEndian.Uint32(message[8:]) != number:
				continue // to an earlier question
			case kind == unix.NLMSG_DONE:
				return out, nil
			case kind == unix.NLMSG_ERROR:
				return refused(message)
			case len(out)+size > maxWireBytes:
				return nil, fmt.Errorf("the answer is longer than %d bytes", maxWireBytes)
			}
			for out = append(out, message...); len(out)%4 != 0; {
				out = append(out, 0)
			}
		}
	}
}

// refused reads why there is no answer. A kernel without a family of addresses has nothing of it.
func refused(message []byte) ([]byte, error) {
	if len(message) < unix.NLMSG_HDRLEN+4 {
		return nil, errors.New("the answer is cut off")
	}
	errno := unix.Errno(-int32(binary.LittleEndian.Uint32(message[unix.NLMSG_HDRLEN:])))
	if errors.Is(errno, unix.EAFNOSUPPORT) || errors.Is(errno, unix.EOPNOTSUPP) {
		return []byte{}, nil
	}
	return nil, errno
}
