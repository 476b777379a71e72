package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Questions are what a network namespace is asked, by name, as types of messages of rtnetlink(7), and the family that is asked for.
func Questions() map[string]Question {
	return map[string]Question{
		"links":     {18, 0},  // RTM_GETLINK
		"addresses": {22, 0},  // RTM_GETADDR, of all families
		"routes":    {26, 2},  // RTM_GETROUTE, AF_INET
		"routes6":   {26, 10}, // AF_INET6
		"rules":     {34, 2},  // RTM_GETRULE
		"rules6":    {34, 10},
	}
}

// Question is a request for all objects of a kind.
type Question struct {
	Type   uint16
	Family uint8
}

// Types of the answers (rtnetlink(7)).
const (
	newLink    = 16
	newAddress = 20
	newRoute   = 24
	newRule    = 32
)

// headerSize is that of a message of netlink(7): length, type, flags, number, process.
const headerSize = 16

// attributes are those of one object, by number; Flags that a kernel may set on a number are taken off.
type attributes map[uint16][]byte

// errMessage is an answer that ends in the middle of a message.
var errMessage = errors.New("a message of netlink is cut off")

// messages calls f for each message of a type: with its fixed part, and its attributes.
func messages(data []byte, kind uint16, fixed int, f func(head []byte, a attributes) error) error {
	for len(data) > 0 {
		if len(data) < headerSize {
			return errMessage
		}
		size := int(binary.LittleEndian.Uint32(data))
		if size < headerSize || size > len(data) {
			return errMessage
		}
		if is := binary.LittleEndian.Uint16(data[4:]); is == kind {
			body := data[headerSize:size]
			if len(body) < fixed {
				return errMessage
			}
			found, err := attributesOf(body[fixed:])
			if err != nil {
				return err
			}
			if err := f(body[:fixed], found); err != nil {
				return err
			}
		}
		data = data[min(aligned(size), len(data)):]
	}
	return nil
}

func attributesOf(data []byte) (attributes, error) {
	out := attributes{}
	for len(data) >= 4 {
		size := int(binary.LittleEndian.Uint16(data))
		if size < 4 || size > len(data) {
			return nil, errMessage
		}
		out[binary.LittleEndian.Uint16(data[2:])&0x3fff] = data[4:size]
		data = data[min(aligned(size), len(data)):]
	}
	return out, nil
}

// aligned is the next multiple of four.
func aligned(size int) int { return (size + 3) &^ 3 }

func (a attributes) number(of uint16) (int, bool) {
	if len(a[of]) != 4 {
		return 0, false
	}
	return int(binary.LittleEndian.Uint32(a[of])), true
}

func (a attributes) address(of uint16) (netip.Addr, bool) {
	addr, ok := netip.AddrFromSlice(a[of])
	return addr, ok
}

// Link is a network interface.
type Link struct {
	Index    int
	Name     string
	Up       bool
	Loopback bool
}

func links(data []byte) ([]Link, error) {
	var out []Link
	err := messages(data, newLink, 16, func(head []byte, a attributes) error {
		flags := binary.LittleEndian.Uint32(head[8:])
		out = append(out, Link{Index: int(binary.LittleEndian.Uint32(head[4:])), Name: strings.TrimRight(string(a[3]), "\x00"), Up: flags&1 != 0, Loopback: flags&8 != 0})
		return nil
	})
	return out, err
}

// Address is an address of an interface.
type Address struct {
	Link   int
	Prefix netip.Prefix
}

func addresses(data []byte) ([]Address, error) {
	var out []Address
	err := messages(data, newAddress, 8, func(head []byte, a attributes) error {
		if head[0] != 2 && head[0] != 10 {
			return fmt.Errorf("an address has the unknown family %d", head[0])
		}
		addr, ok := a.address(2) // IFA_LOCAL: the own end, where the other one is an address, too
		if !ok {
			addr, ok = a.address(1)
		}
		if !ok || int(head[1]) > addr.BitLen() {
			return errors.New("an address cannot be read")
		}
		out = append(out, Address{Link: int(binary.LittleEndian.Uint32(head[4:])), Prefix: netip.PrefixFrom(addr, int(head[1]))})
		return nil
	})
	return out, err
}

// Route is an entry of a routing table.
type Route struct {
	Table, Type int
	To          netip.Prefix
	Via         netip.Addr // not valid for what is reached directly
	Link        int
	Odd         bool // it has more than a destination and a gateway: several ways, a source, a tunnel
}

func routes(data []byte) ([]Route, error) {
	var out []Route
	err := messages(data, newRoute, 12, func(head []byte, a attributes) error {
		r := Route{Table: int(head[4]), Type: int(head[7])}
		if n, ok := a.number(15); ok {
			r.Table = n
		}
		var to netip.Addr
		switch head[0] {
		case 2:
			to = netip.IPv4Unspecified()
		case 10:
			to = netip.IPv6Unspecified()
		default:
			return fmt.Errorf("a route has the unknown family %d", head[0])
		}
		if written, ok := a.address(1); ok {
			to = written
		}
		if int(head[1]) > to.BitLen() {
			return errors.New("a route cannot be read")
		}
		r.To = netip.PrefixFrom(to, int(head[1]))
		r.Via, _ = a.address(5)
		r.Link, _ = a.number(4)
		// A source, its interface, several hops, a gateway of the other family, a tunnel, an object that is shared.
		for _, odd := range []uint16{2, 3, 9, 18, 22, 30} {
			r.Odd = r.Odd || a[odd] != nil
		}
		r.Odd = r.Odd || head[2] != 0 || head[3] != 0
		out = append(out, r)
		return nil
	})
	return out, err
}

// Rule says which routing table is asked when.
type Rule struct {
	Priority, Table int
	Plain           bool // it is for all packets, and does nothing but ask its table
}

func rules(data []byte) ([]Rule, error) {
	var out []Rule
	err := messages(data, newRule, 12, func(head []byte, a attributes) error {
		r := Rule{Table: int(head[4])}
		r.Priority, _ = a.number(6)
		if n, ok := a.number(15); ok {
			r.Table = n
		}
		r.Plain = head[1] == 0 && head[2] == 0 && head[3] == 0 && head[7] == 1 && binary.LittleEndian.Uint32(head[8:]) == 0
		for kind, value := range a {
			switch {
			case kind == 6, kind == 15, kind == 21: // priority, table, and who made it
			case kind == 14 && string(value) == "\xff\xff\xff\xff": // suppresses nothing
			default:
				r.Plain = false
			}
		}
		out = append(out, r)
		return nil
	})
	return out, err
}
