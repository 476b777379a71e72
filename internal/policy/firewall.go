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

// userChain is the chain that sees what is forwarded to published ports before the engine's own rules do.
const userChain = "DOCKER-USER"

// judgeOpenings compares the rules of the machine with what the profile says about each port. The whole space of addresses is
// judged: rules and declarations cut it into ranges, and one address of each stands for it.
func judgeOpenings(m Machine) Verdict {
	if !m.Filter.Known() {
		return unknown(m.Filter, "the rules of the firewall")
	}
	rules := parseFilter(m.Filter.Value)
	if _, ok := rules[userChain]; !ok {
		return fail(m.Filter.Tier, "there is no chain %s, so nothing stands before published ports", userChain)
	}
	var wrong, blind []string
	for _, o := range m.Openings {
		if a, err := netip.ParseAddr(o.Port.Address); err == nil && a.Is6() {
			blind = append(blind, fmt.Sprintf("%s: rules for IPv6 are not read", o.Port))
			continue
		}
		bad, unclear := rules.against(o)
		wrong, blind = append(wrong, bad...), append(blind, unclear...)
	}
	switch {
	case len(wrong) > 0:
		return fail(m.Filter.Tier, "%s", strings.Join(append(wrong, blind...), "; "))
	case len(blind) > 0:
		return Verdict{finding.Unknown, finding.None, strings.Join(blind, "; ")}
	}
	return pass(m.Filter.Tier, "%d published ports are reached from where the profile says, and from nowhere else", len(m.Openings))
}

// against tells, for one port, from where the rules differ from the profile, and which rules cannot be read.
func (f filter) against(o Opening) (wrong, unclear []string) {
	var tooOpen, tooClosed, open []string
	var doubt string
	for _, source := range f.samples(o) {
		p := packet{source: source, protocol: o.Port.Protocol, host: o.Port.Host, container: o.Port.Container}
		got, why := f.fate(userChain, p, 0)
		switch {
		case got&turnedAway != 0 && got&^turnedAway != 0:
			open, doubt = append(open, source.String()), why
		case got == turnedAway && o.lets(source):
			tooClosed = append(tooClosed, source.String())
		case got&turnedAway == 0 && !o.lets(source):
			tooOpen = append(tooOpen, source.String())
		}
	}
	if len(tooOpen) > 0 {
		wrong = append(wrong, fmt.Sprintf("%s lets in %s, and the profile does not", o.Port, oneOf(tooOpen)))
	}
	if len(tooClosed) > 0 {
		wrong = append(wrong, fmt.Sprintf("%s refuses %s, and the profile lets it in", o.Port, oneOf(tooClosed)))
	}
	if len(open) > 0 {
		unclear = append(unclear, fmt.Sprintf("%s from %s depends on what cannot be judged: %s", o.Port, open[0], doubt))
	}
	return wrong, unclear
}

func oneOf(sources []string) string {
	if len(sources) == 1 {
		return sources[0]
	}
	return sources[0] + " and others"
}

// samples are one address of each range that rules and profile may treat differently. Addresses from which nothing comes
// over a network are left out.
func (f filter) samples(o Opening) []netip.Addr {
	out := []netip.Addr{netip.AddrFrom4([4]byte{1, 0, 0, 0})}
	add := func(p netip.Prefix) {
		if !p.Addr().Is4() {
			return
		}
		first := p.Masked().Addr()
		last := first.As4()
		for bit := p.Bits(); bit < 32; bit++ {
			last[bit/8] |= 1 << (7 - bit%8)
		}
		out = append(out, first, netip.AddrFrom4(last).Next())
	}
	for _, p := range o.From {
		add(p)
	}
	for _, chain := range f {
		for _, r := range chain {
			if r.source.IsValid() {
				add(r.source)
			}
		}
	}
	out = slices.DeleteFunc(out, func(a netip.Addr) bool {
		return !a.IsValid() || a.IsLoopback() || a.IsMulticast() || a.As4()[0] == 0 || a.As4()[0] >= 240
	})
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out)
}
