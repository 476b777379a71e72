// Package firewall interprets the packet filters of a machine, as iptables -S, ip6tables -S and nft -j list ruleset print
// them, and says from which addresses a published port can be reached.
package firewall

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// UserChain is the chain that sees what is forwarded to published ports before the engine's own rules do.
const UserChain = "DOCKER-USER"

// Path is the way of a packet to a container: the kernel forwards it, or a process of the engine takes it and passes it on. The
// engine does the second for a port on IPv6 whose container has no address of IPv6.
type Path string

// The paths, by the name of the kernel's hook.
const (
	Forward Path = "forward"
	Input   Path = "input"
)

// maxSources bounds the ranges of addresses that are judged for one port.
const maxSources = 20_000

// Port is a published port.
type Port struct {
	Address         string // of the machine; not valid or unspecified for all of them
	Host, Container int
	Protocol        string
}

// IPv6 reports whether the port is published on an address of IPv6.
func (p Port) IPv6() bool {
	a, err := netip.ParseAddr(p.Address)
	return err == nil && a.Is6()
}

// to is the address that a packet to the port has; not valid where that is any of the machine.
func (p Port) to() netip.Addr {
	a, err := netip.ParseAddr(p.Address)
	if err != nil || a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}

// Source is a range of addresses, by its first one, and what the rules do with a packet from there. Where both are set it
// depends on Rule, which cannot be judged.
type Source struct {
	First             netip.Addr
	Accepted, Refused bool
	Rule              string
}

// Rules are the rules of a machine for one family of addresses.
type Rules struct {
	Engine   bool   // the engine's own rules are there, so it forwards
	iptables filter // what comes before the engine's own rules, and what guards the machine itself
	hooks    []nftHook
}

// New reads the lines of iptables -S or ip6tables -S. It keeps of FORWARD what stands before the engine's own rules, to which its
// jump to DOCKER-USER is the door.
func New(lines []string, nftables Nftables, ipv6 bool) Rules {
	family := map[bool]string{true: "ip6", false: "ip"}[ipv6]
	out := Rules{iptables: parseIptables(lines), hooks: nftables.hooks, Engine: slices.Contains(nftables.tables, family+" docker-bridges")}
	forward := out.iptables["FORWARD"]
	door := slices.IndexFunc(forward.rules, func(r rule) bool { return r.target == UserChain && len(r.when) == 0 })
	if _, ok := out.iptables[UserChain]; ok && door >= 0 {
		out.iptables["FORWARD"], out.Engine = chain{rules: forward.rules[:door+1]}, true
		return out
	}
	delete(out.iptables, "FORWARD")
	return out
}

// Paths are those that a packet to the port may take. Proxied says of a port, as 443/tcp, whether a process of the engine answers
// it; of one that it does not name, both paths are possible.
func (r Rules) Paths(p Port, proxied map[string]bool) []Path {
	if !p.IPv6() {
		return []Path{Forward}
	}
	if !r.Engine {
		return []Path{Input}
	}
	through, known := proxied[fmt.Sprintf("%d/%s", p.Host, p.Protocol)]
	switch {
	case !known:
		return []Path{Forward, Input}
	case through:
		return []Path{Input}
	}
	return []Path{Forward}
}

// Sources says of the whole space of addresses from where the port can be reached on a path. The rules and the declared
// prefixes cut it into ranges, which are all on one side of each.
func (r Rules) Sources(p Port, path Path, declared []netip.Prefix) ([]Source, error) {
	return r.sources(p, declared, func(source netip.Addr) packet {
		k := packet{source: source, to: p.to(), protocol: p.Protocol, original: p.Host, port: p.Container, translated: path == Forward}
		if !k.translated {
			k.port = k.original
		}
		return k
	}, path)
}

func (r Rules) sources(p Port, declared []netip.Prefix, from func(netip.Addr) packet, path Path) ([]Source, error) {
	firsts := r.ranges(p, declared)
	if len(firsts) > maxSources {
		return nil, fmt.Errorf("the rules distinguish more than %d ranges of addresses", maxSources)
	}
	out := make([]Source, 0, len(firsts))
	for _, first := range firsts {
		got, why := r.fate(from(first), path)
		out = append(out, Source{First: first, Accepted: got&accepted != 0, Refused: got&refused != 0, Rule: why})
	}
	return out, nil
}

// Direct says the same of packets that neighbours on a network send to a container itself, by a route over the machine: to its own address
// and port, on the way to a bridge.
func (r Rules) Direct(p Port, container netip.Addr, bridge string) ([]Source, error) {
	inside := Port{Address: container.String(), Host: p.Container, Container: p.Container, Protocol: p.Protocol}
	return r.sources(inside, nil, func(source netip.Addr) packet {
		return packet{source: source, to: container, protocol: p.Protocol, original: p.Container, port: p.Container, bridge: bridge}
	}, Forward)
}

// fate is what all rules together do with a packet. One that is accepted by a chain still meets the others; one that is refused
// does not.
func (r Rules) fate(p packet, path Path) (out fate, why string) {
	out = accepted
	add := func(one fate, doubt string) {
		switch {
		case one == refused:
			out = refused
		case one&refused != 0 && out != refused:
			out, why = accepted|refused, doubt
		}
	}
	add(r.iptables.verdict(strings.ToUpper(string(path)), p))
	for _, h := range r.hooks {
		add(h.verdict(p, string(path)))
	}
	return out, why
}

// ranges are the first addresses of those that rules and declaration may treat differently. Addresses from which nothing comes
// over a network are left out.
func (r Rules) ranges(port Port, declared []netip.Prefix) []netip.Addr {
	starts := []string{"1.0.0.0", "128.0.0.0"} // the ranges of what may be a source
	if port.IPv6() {
		starts = []string{"2000::", "fc00::", "fe80::"}
	}
	bounds := r.iptables.bounds()
	for _, h := range r.hooks {
		bounds = append(bounds, h.rules.bounds()...)
	}
	for _, p := range declared {
		bounds = append(bounds, addressesOf(p).bounds()...)
	}
	for _, s := range starts {
		bounds = append(bounds, netip.MustParseAddr(s))
	}
	bounds = slices.DeleteFunc(bounds, func(a netip.Addr) bool { return a.Is4() == port.IPv6() || !routed(a) })
	slices.SortFunc(bounds, netip.Addr.Compare)
	return slices.Compact(bounds)
}

func routed(a netip.Addr) bool {
	switch {
	case !a.IsValid() || a.Is4In6() || a.IsLoopback() || a.IsMulticast() || a.IsUnspecified():
		return false
	case a.Is4():
		return a.As4()[0] != 0 && a.As4()[0] < 240
	}
	first := a.As16()[0]
	return first&0xe0 == 0x20 || first&0xfe == 0xfc || a.IsLinkLocalUnicast()
}
