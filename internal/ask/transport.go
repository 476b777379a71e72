package ask

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/hsectl/hsectl/internal/verify"
)

// holdTime is how long a connection must stay open, and how long a datagram may take to be refused.
const holdTime = 250 * time.Millisecond

// connect opens a connection. One that is to hold must not be closed at once: a proxy before the service accepts for a port on
// which nothing listens, and closes when it notices. A service that speaks first is fine.
func (d dial) connect(ctx context.Context, c verify.Check, u *url.URL) (verify.Answer, error) {
	connection, err := d(ctx, "tcp", withPort(u, ""))
	if err != nil {
		return verify.Answer{}, err
	}
	defer connection.Close()
	good := verify.Answer{OK: true, Text: "accepts connections"}
	if !c.Hold {
		return good, nil
	}
	if err := connection.SetDeadline(within(ctx, holdTime)); err != nil {
		return verify.Answer{}, err
	}
	switch _, err := connection.Read(make([]byte, 1)); {
	case err == nil, errors.Is(err, os.ErrDeadlineExceeded):
		return good, nil
	case errors.Is(err, io.EOF):
		return verify.Answer{Text: "accepts a connection and closes it at once"}, nil
	default:
		return verify.Answer{}, err
	}
}

// askUDP sends an empty datagram. Where nothing takes it the kernel says so; silence means that something has it.
func (d dial) askUDP(ctx context.Context, u *url.URL) (verify.Answer, error) {
	connection, err := d(ctx, "udp", u.Host)
	if err != nil {
		return verify.Answer{}, err
	}
	defer connection.Close()
	if err := connection.SetDeadline(within(ctx, holdTime)); err != nil {
		return verify.Answer{}, err
	}
	if _, err := connection.Write(nil); err != nil {
		return verify.Answer{}, err
	}
	_, err = connection.Read(make([]byte, 1))
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return verify.Answer{}, err
	}
	return verify.Answer{OK: true, Text: "takes datagrams"}, nil
}

const (
	// quicDatagram is the least size of a first datagram (RFC 9000, section 14.1).
	quicDatagram = 1200
	// quicTries is how often it is sent: datagrams may be lost.
	quicTries = 3
)

// askQUIC asks for a version that is reserved so that no server has it: each must answer which it has (RFC 9000, section 6).
func (d dial) askQUIC(ctx context.Context, u *url.URL) (verify.Answer, error) {
	connection, err := d(ctx, "udp", withPort(u, "443"))
	if err != nil {
		return verify.Answer{}, err
	}
	defer connection.Close()
	hello := make([]byte, quicDatagram)
	copy(hello, []byte{0xC0, 0x1A, 0x2A, 0x3A, 0x4A, 8, 0, 0, 0, 0, 0, 0, 0, 0, 8})
	_, _ = rand.Read(hello[6:14])  // where it goes; never fails: crypto/rand
	_, _ = rand.Read(hello[15:23]) // where it comes from
	answer := make([]byte, 2048)
	for range quicTries {
		if err := connection.SetDeadline(within(ctx, time.Second)); err != nil {
			return verify.Answer{}, err
		}
		if _, err = connection.Write(hello); err != nil {
			return verify.Answer{}, err
		}
		var n int
		n, err = connection.Read(answer)
		switch {
		case err == nil && n > 5 && answer[0]&0x80 != 0 && string(answer[1:5]) == "\x00\x00\x00\x00":
			return verify.Answer{OK: true, Text: "speaks QUIC"}, nil
		case err == nil:
			return verify.Answer{Text: "does not speak QUIC"}, nil
		case ctx.Err() != nil, !errors.Is(err, os.ErrDeadlineExceeded):
			return verify.Answer{}, err
		}
	}
	return verify.Answer{}, err
}

// within is a time from now, or the end of the context when that is sooner.
func within(ctx context.Context, d time.Duration) time.Time {
	until := time.Now().Add(d)
	if end, ok := ctx.Deadline(); ok && end.Before(until) {
		return end
	}
	return until
}

// single hands out one connection that is there already.
func single(connection net.Conn) dial {
	return func(context.Context, string, string) (net.Conn, error) {
		if connection == nil {
			return nil, net.ErrClosed
		}
		c := connection
		connection = nil
		return c, nil
	}
}
