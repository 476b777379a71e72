package ask

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/hsectl/hsectl/internal/verify"
)

const (
	// nameServer is where an engine answers for the names of containers, in the network of each.
	nameServer = "127.0.0.11:53"
	// peerTimeout is how long a peer on the same machine may take to take a connection; a firewall answers never.
	peerTimeout = time.Second
	// mostAddresses bounds the containers that one name may lead to.
	mostAddresses = 32
)

// Within puts questions from the network namespace of the thread that it is called on, by the names that an engine gives there.
// Connections are made one after the other on this thread, because sockets belong to the namespace in which they are made;
// answers are waited for together. A name that leads to several containers is asked at each of them.
func Within(ctx context.Context, checks []verify.Check) []verify.Answer {
	out := make([]verify.Answer, len(checks))
	var answers sync.WaitGroup
	var mu sync.Mutex // guards out
	keep := func(i int, a verify.Answer) {
		mu.Lock()
		defer mu.Unlock()
		if before := out[i]; before.Text == "" || before.OK && (!a.OK || a.Took > before.Took) {
			out[i] = a
		}
	}
	names := map[string][]netip.Addr{}
	for i, c := range checks {
		if name, found := strings.CutPrefix(c.URL, "dns://"); found {
			keep(i, resolved(ctx, name))
			continue
		}
		network, addresses, err := places(ctx, c, names)
		if err != nil {
			keep(i, verify.Answer{Text: err.Error()})
			continue
		}
		c.Address = ""
		for _, address := range addresses {
			dialing, cancel := context.WithTimeout(ctx, peerTimeout)
			connection, err := (&net.Dialer{}).DialContext(dialing, network, address)
			cancel()
			if err != nil {
				keep(i, verify.Answer{Text: err.Error()})
				continue
			}
			answers.Go(func() { keep(i, single(connection).check(ctx, c)) })
		}
	}
	answers.Wait()
	return out
}

// resolved asks for a name alone.
func resolved(ctx context.Context, name string) verify.Answer {
	found, err := lookup(ctx, strings.TrimSuffix(name, "/"))
	if err != nil {
		return verify.Answer{Text: err.Error()}
	}
	return verify.Answer{OK: len(found) > 0, Text: fmt.Sprintf("%d addresses", len(found))}
}

// defaultPorts are those of protocols whose URL need not have one.
func defaultPorts() map[string]string {
	return map[string]string{"http": "80", "https": "443", "tls": "443", "postgres": "5432", "mysql": "3306", "redis": "6379", "quic": "443"}
}

// places are the addresses, with ports, at which a question is to be put.
func places(ctx context.Context, c verify.Check, names map[string][]netip.Addr) (network string, addresses []string, err error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return "", nil, fmt.Errorf("reading the address: %w", err)
	}
	network = "tcp"
	if u.Scheme == "udp" || u.Scheme == "quic" {
		network = "udp"
	}
	if c.Address != "" {
		return network, []string{c.Address}, nil
	}
	host, port := u.Hostname(), u.Port()
	if port == "" {
		port = defaultPorts()[u.Scheme]
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return network, []string{net.JoinHostPort(a.String(), port)}, nil
	}
	if _, asked := names[host]; !asked {
		if names[host], err = lookup(ctx, host); err != nil {
			return "", nil, err
		}
	}
	for _, a := range names[host] {
		addresses = append(addresses, net.JoinHostPort(a.String(), port))
	}
	if len(addresses) == 0 {
		return "", nil, fmt.Errorf("the name %s leads nowhere", host)
	}
	return network, addresses, nil
}

// lookup asks the engine's name server for the addresses of IPv4 of a name, or else for those of IPv6. The resolver of the
// library would ask that of this program's own network.
func lookup(ctx context.Context, name string) ([]netip.Addr, error) {
	for _, kind := range []uint16{typeA, typeAAAA} {
		found, err := query(ctx, name, kind)
		if err != nil {
			return nil, fmt.Errorf("looking for %s: %w", name, err)
		}
		if len(found) > 0 {
			return found, nil
		}
	}
	return nil, nil
}

// Types of records (RFC 1035, RFC 3596).
const (
	typeA    = 1
	typeAAAA = 28
)

func query(ctx context.Context, name string, kind uint16) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	connection, err := (&net.Dialer{}).DialContext(ctx, "udp", nameServer)
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	if err := connection.SetDeadline(within(ctx, 2*time.Second)); err != nil {
		return nil, err
	}
	question, err := packQuery(name, kind)
	if err != nil {
		return nil, err
	}
	if _, err := connection.Write(question); err != nil {
		return nil, err
	}
	answer := make([]byte, 4096)
	n, err := connection.Read(answer)
	if err != nil {
		return nil, err
	}
	return readAnswer(answer[:n], len(question), kind)
}

// queryID marks the question; it comes back on a connected socket of its own.
const queryID = 0x6873

// packQuery is one question for records of the Internet, with recursion (RFC 1035, section 4.1).
func packQuery(name string, kind uint16) ([]byte, error) {
	b := binary.BigEndian.AppendUint16(nil, queryID)
	b = append(b, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0)
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		if label == "" || len(label) > 63 {
			return nil, fmt.Errorf("%q is no name", name)
		}
		b = append(append(b, byte(len(label))), label...)
	}
	b = append(b, 0)
	b = binary.BigEndian.AppendUint16(b, kind)
	return binary.BigEndian.AppendUint16(b, 1), nil
}

var errAnswer = errors.New("the answer of the name server cannot be read")

// readAnswer returns the addresses of an answer, which repeats the question first.
func readAnswer(b []byte, question int, kind uint16) ([]netip.Addr, error) {
	if len(b) < question || binary.BigEndian.Uint16(b) != queryID {
		return nil, errAnswer
	}
	switch code := b[3] & 0x0F; code {
	case 0:
	case 3: // there is no such name
		return nil, nil
	default:
		return nil, fmt.Errorf("the name server answers with code %d", code)
	}
	count, rest := binary.BigEndian.Uint16(b[6:]), b[question:]
	var out []netip.Addr
	for range min(int(count), mostAddresses) {
		end := nameEnd(rest)
		if end < 0 || len(rest) < end+10 {
			return nil, errAnswer
		}
		record, size := binary.BigEndian.Uint16(rest[end:]), int(binary.BigEndian.Uint16(rest[end+8:]))
		if len(rest) < end+10+size {
			return nil, errAnswer
		}
		if a, ok := netip.AddrFromSlice(rest[end+10 : end+10+size]); ok && record == kind {
			out = append(out, a)
		}
		rest = rest[end+10+size:]
	}
	return out, nil
}

// nameEnd is where a name ends: after an empty label or a pointer. -1 when it does not.
func nameEnd(b []byte) int {
	for i := 0; i < len(b); i += int(b[i]) + 1 {
		switch {
		case b[i] == 0:
			return i + 1
		case b[i]&0xC0 == 0xC0:
			return i + 2
		}
	}
	return -1
}
