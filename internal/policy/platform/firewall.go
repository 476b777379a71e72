package platform

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/firewall"
)

// lets reports whether the profile lets an address reach the port.
func lets(o policy.Opening, source netip.Addr) bool {
	return o.World || slices.ContainsFunc(o.From, func(p netip.Prefix) bool { return p.Contains(source) })
}

// judgeOpenings compares the rules of the machine with what the profile says about each port. The whole space of addresses is
// judged.
func judgeOpenings(m policy.Machine) policy.Verdict {
	if !m.Nft.Known() {
		return policy.Unknown(m.Nft, "the rules of nftables")
	}
	nftables, err := firewall.ParseNftables(m.Nft.Value, m.Filter.Known() && m.Compat)
	if err != nil {
		return policy.Undetermined(err.Error())
	}
	var wrong, blind []string
	for _, o := range m.Openings {
		port := firewall.Port(o.Port)
		lines := m.Filter
		if port.IPv6() {
			lines = m.Filter6
		}
		if !lines.Known() {
			blind = append(blind, fmt.Sprintf("%s: %s", o.Port, lines.Why))
			continue
		}
		rules := firewall.New(lines.Value, nftables, port.IPv6())
		if !rules.Engine && !port.IPv6() {
			return policy.Fail(lines.Tier, "no chain %s is reached from FORWARD, so nothing filters published ports", firewall.UserChain)
		}
		for _, path := range rules.Paths(port, m.Proxied.Value) {
			bad, unclear := against(rules, o, path)
			wrong, blind = append(wrong, bad...), append(blind, unclear...)
		}
	}
	switch {
	case len(wrong) > 0:
		return policy.Fail(m.Nft.Tier, "%s", strings.Join(append(wrong, blind...), "; "))
	case len(blind) > 0:
		return policy.Undetermined(strings.Join(blind, "; "))
	}
	return policy.Pass(m.Nft.Tier, "%d published ports are reached from where the profile says, and from nowhere else", len(m.Openings))
}

// against tells, for one port and path, from where the rules differ from the profile, and which rules cannot be read.
func against(rules firewall.Rules, o policy.Opening, path firewall.Path) (wrong, unclear []string) {
	name := o.Port.String()
	if path == firewall.Input {
		name += ", which a process of the engine answers,"
	}
	sources, err := rules.Sources(firewall.Port(o.Port), path, o.From)
	if err != nil {
		return nil, []string{fmt.Sprintf("%s: %s", name, err)}
	}
	var tooOpen, tooClosed, open []string
	var doubt string
	for _, s := range sources {
		switch {
		case s.Accepted && s.Refused:
			open, doubt = append(open, s.First.String()), s.Rule
		case s.Refused && lets(o, s.First):
			tooClosed = append(tooClosed, s.First.String())
		case s.Accepted && !lets(o, s.First):
			tooOpen = append(tooOpen, s.First.String())
		}
	}
	if len(tooOpen) > 0 {
		wrong = append(wrong, fmt.Sprintf("%s allows %s, but the profile does not", name, oneOf(tooOpen)))
	}
	if len(tooClosed) > 0 {
		wrong = append(wrong, fmt.Sprintf("%s refuses %s, but the profile allows it", name, oneOf(tooClosed)))
	}
	if len(open) > 0 {
		unclear = append(unclear, fmt.Sprintf("%s from %s depends on what cannot be judged: %s", name, open[0], doubt))
	}
	return wrong, unclear
}

func oneOf(sources []string) string {
	if len(sources) == 1 {
		return sources[0]
	}
	return sources[0] + " and others"
}
