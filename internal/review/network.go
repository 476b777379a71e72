package review

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/stack"
)

// Reach is how far away a client of a published port may be.
const (
	reachHost   = iota // this machine
	reachLocal         // a private network
	reachPublic        // every network of the host, or a public address
)

// networkComparison compares ports and networks.
type networkComparison struct{ *serviceComparison }

func reach(address string) int {
	a, err := netip.ParseAddr(address)
	switch {
	case err != nil || a.IsUnspecified():
		return reachPublic
	case a.IsLoopback():
		return reachHost
	case a.IsPrivate() || a.IsLinkLocalUnicast():
		return reachLocal
	}
	return reachPublic
}

func reachText(r int) string {
	return []string{"this host only", "a private network", "every network that reaches the host"}[r]
}

func portText(p stack.Port) string {
	address := p.Address
	if strings.Contains(address, ":") {
		address = "[" + address + "]"
	}
	return fmt.Sprintf("%s:%d→%d/%s", address, p.Host, p.Container, p.Protocol)
}

// ports pairs published ports by what they lead to, so that another address or host port is one change.
func (s networkComparison) ports() {
	old := slices.Clone(s.old.Ports)
	var fresh []int
	for i, p := range s.new.Ports {
		if j := slices.Index(old, p); j >= 0 {
			old = slices.Delete(old, j, j+1)
			continue
		}
		fresh = append(fresh, i)
	}
	for _, i := range fresh {
		p := s.new.Ports[i]
		key := fmt.Sprintf("ports[%d]", i)
		j := slices.IndexFunc(old, func(o stack.Port) bool { return o.Protocol == p.Protocol && o.Container == p.Container })
		if j < 0 {
			j = slices.IndexFunc(old, func(o stack.Port) bool { return o.Protocol == p.Protocol && o.Host == p.Host })
		}
		if j < 0 {
			s.change(Change{Rule: RuleNetwork, Control: "HSE-NET-001", Direction: Weaker, Severity: portSeverity(p), What: "published port", New: portText(p), Key: key,
				Reason: "open to " + reachText(reach(p.Address))})
			continue
		}
		s.movedPort(key, old[j], p)
		old = slices.Delete(old, j, j+1)
	}
	for _, p := range old {
		s.change(Change{Rule: RuleNetwork, Control: "HSE-NET-001", Direction: Stronger, Severity: portSeverity(p), What: "published port", Old: portText(p), Key: "ports",
			Reason: "it is no longer published"})
	}
}

func portSeverity(p stack.Port) finding.Severity {
	return []finding.Severity{finding.Low, finding.Medium, finding.High}[reach(p.Address)]
}

func (s networkComparison) movedPort(key string, old, now stack.Port) {
	c := Change{Rule: RuleNetwork, Control: "HSE-NET-001", What: "published port", Old: portText(old), New: portText(now), Key: key, Reason: "the same clients reach it at a different address"}
	switch was, is := reach(old.Address), reach(now.Address); {
	case is > was:
		c.Direction, c.Severity, c.Reason = Weaker, portSeverity(now), "open to "+reachText(is)+", before to "+reachText(was)
	case is < was:
		c.Direction, c.Severity, c.Reason = Stronger, portSeverity(old), "open to "+reachText(is)+" only"
	case old.Container != now.Container:
		c.Severity, c.Reason = finding.Medium, "the same address leads to another port of the container"
	}
	s.change(c)
}

func (s networkComparison) networks() {
	for i, name := range s.new.Networks {
		if !slices.Contains(s.old.Networks, name) {
			s.joined(i, name)
		}
	}
	for _, name := range s.old.Networks {
		if !slices.Contains(s.new.Networks, name) {
			s.change(Change{Rule: RuleNetwork, Control: "HSE-NET-004", Direction: Stronger, Severity: finding.Low, What: "network", Old: name, Key: "networks", Reason: "the service left it"})
		}
	}
	s.egress()
}

func (s networkComparison) joined(i int, name string) {
	c := Change{Rule: RuleNetwork, Control: "HSE-NET-004", What: "network", New: name, Key: fmt.Sprintf("networks[%d]", i), Reason: "it reaches no additional service there"}
	before := peers(s.base.Stack, s.old)
	var fresh []string
	for _, p := range peers(s.head.Stack, s.new) {
		_, existed := s.base.Stack.Service(p)
		if existed && s.old.Image != "" && !slices.Contains(before, p) {
			fresh = append(fresh, p)
		}
	}
	if len(fresh) > 0 {
		c.Direction, c.Severity, c.Reason = Weaker, finding.Medium, "it reaches more services now: "+strings.Join(fresh, ", ")
	}
	switch n, ok := network(s.head.Stack, name); {
	case ok && n.External && s.watching(): // of the stack that is watched, and internal
		c.Reason = "it reaches the services that it monitors there"
	case ok && n.External:
		c.Direction, c.Severity, c.Reason = Weaker, finding.High, "the network is external: every container on it reaches the service"
	}
	s.change(c)
}

// peers are the services that share a network with one.
func peers(in stack.Stack, of stack.Service) []string {
	var out []string
	for _, other := range in.Services {
		if other.Name != of.Name && slices.ContainsFunc(other.Networks, func(n string) bool { return slices.Contains(of.Networks, n) }) {
			out = append(out, other.Name)
		}
	}
	return out
}

func network(in stack.Stack, name string) (stack.Network, bool) {
	i := slices.IndexFunc(in.Networks, func(n stack.Network) bool { return n.Name == name })
	if i < 0 {
		return stack.Network{}, false
	}
	return in.Networks[i], true
}

// egress notes that a service can connect out, or cannot any more, and through which network.
func (s networkComparison) egress() {
	was, is := waysOut(s.base.Stack, s.old), waysOut(s.head.Stack, s.new)
	switch {
	case len(was) == 0 && len(is) > 0:
		key := "networks"
		s.change(Change{Rule: RuleGrant, Control: "HSE-NET-005", Direction: Weaker, Severity: finding.High, What: "way out", New: strings.Join(is, ", "), Key: key,
			Reason: "the service can connect to the outside: fetch tools, and send data"})
	case len(was) > 0 && len(is) == 0:
		s.change(Change{Rule: RuleGrant, Control: "HSE-NET-005", Direction: Stronger, Severity: finding.High, What: "way out", Old: strings.Join(was, ", "), Key: "networks",
			Reason: "the service can no longer connect to the outside"})
	}
}

func waysOut(in stack.Stack, s stack.Service) []string {
	var out []string
	for _, name := range s.Networks {
		if n, ok := network(in, name); ok && n.Egress {
			out = append(out, "network "+name)
		}
	}
	return out
}
