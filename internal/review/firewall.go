package review

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/stack"
)

// firewall compares who may reach each published port that both versions speak of.
func (c *comparison) firewall() {
	old, now := c.base.Stack.Firewall, c.head.Stack.Firewall
	note := func(change Change) {
		change.Rule, change.Control, change.Key = RuleNetwork, "HSE-OPS-004", "firewall"
		c.changes = append(c.changes, change)
	}
	switch {
	case old != nil && now == nil:
		note(Change{What: "firewall", Old: fmt.Sprintf("%d ports", len(old)), Direction: Weaker, Severity: finding.High, Reason: "access to the published ports is no longer declared"})
		return
	case old == nil && now != nil:
		note(Change{What: "firewall", New: fmt.Sprintf("%d ports", len(now)), Direction: Stronger, Severity: finding.Medium, Reason: "access to the published ports is declared, and judged"})
		return
	}
	for _, is := range now {
		i := slices.IndexFunc(old, func(o stack.Opening) bool { return o.Port.Host == is.Port.Host && o.Port.Protocol == is.Port.Protocol })
		if i < 0 || sources(old[i]) == sources(is) {
			continue // a new port is told as such
		}
		change := Change{What: fmt.Sprintf("access to port %d/%s", is.Port.Host, is.Port.Protocol), Old: sources(old[i]), New: sources(is),
			Direction: Stronger, Severity: finding.Low, Reason: "fewer networks may reach it; reload the rules"}
		if added := beyond(old[i], is); added != "" {
			change.Direction, change.Severity, change.Reason = Weaker, finding.High, added+" may reach it now; reload the rules"
		}
		note(change)
	}
}

func sources(o stack.Opening) string {
	if o.World {
		return "world"
	}
	var out []string
	for _, p := range o.From {
		out = append(out, p.String())
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// beyond names the first network that may come now and could not before.
func beyond(was, is stack.Opening) string {
	if was.World {
		return ""
	}
	if is.World {
		return "everybody"
	}
	for _, p := range is.From {
		if !slices.ContainsFunc(was.From, func(o netip.Prefix) bool { return o.Bits() <= p.Bits() && o.Contains(p.Addr()) }) {
			return p.String()
		}
	}
	return ""
}
