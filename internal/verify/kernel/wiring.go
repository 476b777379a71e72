package kernel

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/hsectl/hsectl/internal/display"
)

// Wiring is what an engine says that it has connected a container to.
type Wiring struct {
	Shared   bool // the network is that of the machine, or of another container
	Hostname string
	Domain   string
	Hosts    []string // names that were asked for, as name:address
	Servers  []string // of DNS, that were asked for
	Search   []string
	Options  []string
	Ends     []End
}

// End is where a container is on a network.
type End struct {
	Network   string
	Driver    string // of the network
	Addresses []netip.Prefix
	Gateways  []netip.Addr
}

// Tables and types of routes (rtnetlink(7)).
const (
	tableDefault, tableMain, tableLocal                                                = 253, 254, 255
	typeUnicast, typeLocal, typeBroadcast, typeAnycast, typeMulticast, typeUnreachable = 1, 2, 3, 4, 5, 7
)

// Strange says which interfaces, addresses, routes and rules of a network namespace no engine makes for its wiring. Answers are those
// to Questions.
func (w Wiring) Strange(answers map[string][]byte) ([]string, error) {
	for name := range Questions() {
		if _, ok := answers[name]; !ok {
			return nil, fmt.Errorf("the kernel does not tell its %s", name)
		}
	}
	interfaces, err := links(answers["links"])
	if err != nil {
		return nil, err
	}
	named, err := addresses(answers["addresses"])
	if err != nil {
		return nil, err
	}
	out := w.strangeLinks(interfaces, named)
	names := map[int]string{}
	for _, l := range interfaces {
		names[l.Index] = display.Name(l.Name)
	}
	for _, a := range named {
		if !w.has(a.Prefix.Addr()) {
			out = append(out, fmt.Sprintf("address %s of %s", a.Prefix, names[a.Link]))
		}
	}
	for _, family := range []string{"routes", "routes6"} {
		found, err := routes(answers[family])
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			if !w.makes(r) {
				out = append(out, r.text(names[r.Link]))
			}
		}
	}
	for _, family := range []string{"rules", "rules6"} {
		found, err := rules(answers[family])
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			if !r.usual() {
				out = append(out, fmt.Sprintf("rule %d, for table %d", r.Priority, r.Table))
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// strangeLinks are interfaces that are up and lead to none of the networks. One that is down leads nowhere: kernels give each namespace
// some for tunnels.
func (w Wiring) strangeLinks(interfaces []Link, named []Address) []string {
	unnamed := 0 // ends that have no address by which their interface is known
	for _, e := range w.Ends {
		if len(e.Addresses) == 0 {
			unnamed++
		}
	}
	var out []string
	for _, l := range interfaces {
		ours := slices.ContainsFunc(named, func(a Address) bool {
			return a.Link == l.Index && !a.Prefix.Addr().IsLinkLocalUnicast() && w.has(a.Prefix.Addr())
		})
		switch {
		case ours, l.Loopback, !l.Up:
		case unnamed > 0:
			unnamed--
		default:
			out = append(out, "interface "+display.Name(l.Name))
		}
	}
	return out
}

// has reports whether an address is one that a container has: of loopback, of one of its ends, or one that the kernel makes for an
// interface.
func (w Wiring) has(a netip.Addr) bool {
	a = a.WithZone("").Unmap()
	if a == netip.AddrFrom4([4]byte{127, 0, 0, 1}) || a == netip.IPv6Loopback() || a.Is6() && a.IsLinkLocalUnicast() {
		return true
	}
	return slices.ContainsFunc(w.Ends, func(e End) bool {
		return slices.ContainsFunc(e.Addresses, func(p netip.Prefix) bool { return p.Addr() == a })
	})
}

// on reports whether a prefix is just that of a network of an end, or lies in it.
func (w Wiring) on(to netip.Prefix, exactly bool) bool {
	return slices.ContainsFunc(w.Ends, func(e End) bool {
		return slices.ContainsFunc(e.Addresses, func(p netip.Prefix) bool {
			if exactly {
				return p.Masked() == to.Masked()
			}
			return p.Contains(to.Addr()) && to.Bits() >= p.Bits()
		})
	})
}

func (w Wiring) gateway(a netip.Addr) bool {
	return slices.ContainsFunc(w.Ends, func(e End) bool { return slices.Contains(e.Gateways, a) })
}

// direct reports whether a network has no gateway by its driver: everything is said to be on the wire.
func (w Wiring) direct() bool {
	return slices.ContainsFunc(w.Ends, func(e End) bool { return e.Driver == "ipvlan" || e.Driver == "macvlan" })
}

var (
	loopback4 = netip.MustParsePrefix("127.0.0.0/8")
	linkLocal = netip.MustParsePrefix("fe80::/10")
	multicast = netip.MustParsePrefix("ff00::/8")
)

// makes reports whether an engine, or the kernel for the addresses that it gives, makes a route.
func (w Wiring) makes(r Route) bool {
	to, whole := r.To, r.To.Bits() == r.To.Addr().BitLen()
	local := linkLocal.Contains(to.Addr()) && to.Bits() >= linkLocal.Bits()
	if r.Odd {
		return false
	}
	switch {
	case r.Table == tableLocal && r.Via.IsValid():
		return false
	case r.Table == tableLocal && r.Type == typeLocal:
		return to == loopback4 || whole && (loopback4.Contains(to.Addr()) || w.has(to.Addr()))
	case r.Table == tableLocal && (r.Type == typeBroadcast || r.Type == typeAnycast):
		return whole && (loopback4.Contains(to.Addr()) || local || w.on(to, false))
	case r.Table == tableLocal && (r.Type == typeMulticast || r.Type == typeUnicast):
		return to == multicast || local
	case r.Table == tableMain && r.Type == typeUnreachable:
		return to.Bits() == 0 && to.Addr().Is6() && !r.Via.IsValid()
	case r.Table == tableMain && r.Type == typeUnicast && r.Via.IsValid():
		return to.Bits() == 0 && w.gateway(r.Via)
	case r.Table == tableMain && r.Type == typeUnicast:
		lo := whole && to.Addr() == netip.IPv6Loopback()
		return lo || local || w.on(to, true) || whole && (w.gateway(to.Addr()) || w.has(to.Addr())) || to.Bits() == 0 && w.direct()
	case r.Table == tableMain && r.Type == typeMulticast:
		return to == multicast
	}
	return false
}

func (r Route) text(link string) string {
	text := "route to " + r.To.String()
	if r.To.Bits() == 0 {
		text = "default route"
	}
	if r.Type != typeUnicast {
		text += fmt.Sprintf(" of type %d", r.Type)
	}
	if r.Via.IsValid() {
		text += " by " + r.Via.String()
	}
	if link != "" {
		text += " over " + link
	}
	if r.Table != tableMain {
		text += fmt.Sprintf(" in table %d", r.Table)
	}
	return text
}

// usual tells the rules that a kernel begins with.
func (r Rule) usual() bool {
	table, ok := map[int]int{0: tableLocal, 32766: tableMain, 32767: tableDefault}[r.Priority]
	return ok && r.Plain && r.Table == table
}
