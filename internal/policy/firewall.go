package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
)

// Opening is a published port, and who may reach it.
type Opening struct {
	Port  Port
	World bool
	From  []netip.Prefix // when not World
}

// lets reports whether the profile lets an address reach the port.
func (o Opening) lets(source netip.Addr) bool {
	return o.World || slices.ContainsFunc(o.From, func(p netip.Prefix) bool { return p.Contains(source) })
}

// key names the port as Machine.Proxied does.
func (o Opening) key() string { return fmt.Sprintf("%d/%s", o.Port.Host, o.Port.Protocol) }

// to is the address that a packet to the port has; not valid where that is any of the machine.
func (o Opening) to() netip.Addr {
	a, err := netip.ParseAddr(o.Port.Address)
	if err != nil || a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}

func (o Opening) six() bool {
	a, err := netip.ParseAddr(o.Port.Address)
	return err == nil && a.Is6()
}

// userChain is the chain that sees what is forwarded to published ports before the engine's own rules do.
const userChain = "DOCKER-USER"

// The ways of a packet to a container: the kernel forwards it, or a process of the engine takes it and passes it on. The engine
// does the second for a port on IPv6 whose container has no address of IPv6.
const (
	wayForward = "forward"
	wayInput   = "input"
)

// maxSources bounds the ranges of addresses that are judged for one port.
const maxSources = 20_000

// firewallRules are the rules of a machine for one family of addresses.
type firewallRules struct {
	iptables filter // what comes before the engine's own rules, and what guards the machine itself
	hooks    []nftHook
	engine   bool // the engine's own rules are there, so it forwards
}

// judgeOpenings compares the rules of the machine with what the profile says about each port. The whole space of addresses is
// judged: rules and declarations cut it into ranges, and one address of each stands for it.
func judgeOpenings(m Machine) Verdict {
	if !m.Nft.Known() {
		return unknown(m.Nft, "the rules of nftables")
	}
	hooks, err := parseNft(m.Nft.Value, m.Filter.Known() && m.Compat)
	if err != nil {
		return Verdict{finding.Unknown, finding.None, err.Error()}
	}
	var wrong, blind []string
	for _, o := range m.Openings {
		rows, table := m.Filter, "ip docker-bridges"
		if o.six() {
			rows, table = m.Filter6, "ip6 docker-bridges"
		}
		if !rows.Known() {
			blind = append(blind, fmt.Sprintf("%s: %s", o.Port, rows.Why))
			continue
		}
		rules := newFirewallRules(rows.Value, hooks, hasNftTable(m.Nft.Value, table))
		if !rules.engine && !o.six() {
			return fail(rows.Tier, "there is no chain %s that FORWARD leads to, so nothing stands before published ports", userChain)
		}
		for _, way := range rules.ways(o, m.Proxied.Value) {
			bad, unclear := rules.against(o, way)
			wrong, blind = append(wrong, bad...), append(blind, unclear...)
		}
	}
	switch {
	case len(wrong) > 0:
		return fail(m.Nft.Tier, "%s", strings.Join(append(wrong, blind...), "; "))
	case len(blind) > 0:
		return Verdict{finding.Unknown, finding.None, strings.Join(blind, "; ")}
	}
	return pass(m.Nft.Tier, "%d published ports are reached from where the profile says, and from nowhere else", len(m.Openings))
}

// newFirewallRules keeps of FORWARD what stands before the engine's own rules, to which its jump to DOCKER-USER is the door.
func newFirewallRules(lines []string, hooks []nftHook, engine bool) firewallRules {
	out := firewallRules{iptables: parseIptables(lines), hooks: hooks, engine: engine}
	forward := out.iptables["FORWARD"]
	door := slices.IndexFunc(forward.rules, func(r filterRule) bool { return r.target == userChain && len(r.when) == 0 })
	if _, ok := out.iptables[userChain]; ok && door >= 0 {
		out.iptables["FORWARD"], out.engine = chain{rules: forward.rules[:door+1]}, true
		return out
	}
	delete(out.iptables, "FORWARD")
	return out
}

// ways are those that a packet to the port may take. Where nobody knows, every one must be as the profile says.
func (f firewallRules) ways(o Opening, proxied map[string]bool) []string {
	if !o.six() {
		return []string{wayForward}
	}
	if !f.engine {
		return []string{wayInput}
	}
	through, known := proxied[o.key()]
	switch {
	case !known:
		return []string{wayForward, wayInput}
	case through:
		return []string{wayInput}
	}
	return []string{wayForward}
}

// against tells, for one port and way, from where the rules differ from the profile, and which rules cannot be read.
func (f firewallRules) against(o Opening, way string) (wrong, unclear []string) {
	name := o.Port.String()
	if way == wayInput {
		name += ", which a process of the engine answers,"
	}
	sources := f.samples(o)
	if len(sources) > maxSources {
		return nil, []string{fmt.Sprintf("%s: the rules tell more than %d ranges of addresses apart", name, maxSources)}
	}
	var tooOpen, tooClosed, open []string
	var doubt string
	for _, source := range sources {
		p := packet{source: source, to: o.to(), protocol: o.Port.Protocol, original: o.Port.Host, port: o.Port.Container, translated: way == wayForward}
		if !p.translated {
			p.port = p.original
		}
		got, why := f.fate(p, way)
		switch {
		case got == letIn|turnedAway:
			open, doubt = append(open, source.String()), why
		case got == turnedAway && o.lets(source):
			tooClosed = append(tooClosed, source.String())
		case got == letIn && !o.lets(source):
			tooOpen = append(tooOpen, source.String())
		}
	}
	if len(tooOpen) > 0 {
		wrong = append(wrong, fmt.Sprintf("%s lets in %s, and the profile does not", name, oneOf(tooOpen)))
	}
	if len(tooClosed) > 0 {
		wrong = append(wrong, fmt.Sprintf("%s refuses %s, and the profile lets it in", name, oneOf(tooClosed)))
	}
	if len(open) > 0 {
		unclear = append(unclear, fmt.Sprintf("%s from %s depends on what cannot be judged: %s", name, open[0], doubt))
	}
	return wrong, unclear
}

// fate is what all rules together do with a packet. One that is let in by a chain still meets the others; one that is turned
// away does not.
func (f firewallRules) fate(p packet, way string) (out fate, why string) {
	out = letIn
	add := func(one fate, doubt string) {
		switch {
		case one == turnedAway:
			out = turnedAway
		case one&turnedAway != 0 && out != turnedAway:
			out, why = letIn|turnedAway, doubt
		}
	}
	add(f.iptables.verdict(strings.ToUpper(way), p))
	for _, h := range f.hooks {
		add(h.verdict(p, way))
	}
	return out, why
}

func oneOf(sources []string) string {
	if len(sources) == 1 {
		return sources[0]
	}
	return sources[0] + " and others"
}

// samples are one address of each range that rules and profile may treat differently. Addresses from which nothing comes
// over a network are left out.
func (f firewallRules) samples(o Opening) []netip.Addr {
	starts := []string{"1.0.0.0", "128.0.0.0"} // the ranges of what may be a source
	if o.six() {
		starts = []string{"2000::", "fc00::", "fe80::"}
	}
	bounds := f.iptables.bounds()
	for _, h := range f.hooks {
		bounds = append(bounds, h.rules.bounds()...)
	}
	for _, p := range o.From {
		bounds = append(bounds, addressesOf(p).bounds()...)
	}
	for _, s := range starts {
		bounds = append(bounds, netip.MustParseAddr(s))
	}
	bounds = slices.DeleteFunc(bounds, func(a netip.Addr) bool { return a.Is4() == o.six() || !comesOverANetwork(a) })
	slices.SortFunc(bounds, netip.Addr.Compare)
	return slices.Compact(bounds)
}

func comesOverANetwork(a netip.Addr) bool {
	switch {
	case !a.IsValid() || a.Is4In6() || a.IsLoopback() || a.IsMulticast() || a.IsUnspecified():
		return false
	case a.Is4():
		return a.As4()[0] != 0 && a.As4()[0] < 240
	}
	first := a.As16()[0]
	return first&0xe0 == 0x20 || first&0xfe == 0xfc || a.IsLinkLocalUnicast()
}
