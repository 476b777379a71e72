package review

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/stack"
)

// sites compares what the edge shows to the world. Its ports and networks are compared as those of any service.
func (c *comparison) sites() {
	old, now := sitesOf(c.base.Stack), sitesOf(c.head.Stack)
	for _, site := range now {
		i := slices.IndexFunc(old, func(s stack.Site) bool { return s.Name == site.Name })
		if i < 0 {
			c.edge(Change{What: "site", New: site.URL, Key: sitePath(site), Direction: Weaker, Severity: finding.Low, Reason: "the edge exposes it: " + routesText(site)})
			continue
		}
		c.site(old[i], site)
	}
	for _, site := range old {
		if !slices.ContainsFunc(now, func(s stack.Site) bool { return s.Name == site.Name }) {
			c.edge(Change{What: "site", Old: site.URL, Key: "edge.sites", Direction: Stronger, Severity: finding.Low, Reason: "the edge no longer exposes it"})
		}
	}
}

func sitesOf(s stack.Stack) []stack.Site {
	if s.Edge == nil {
		return nil
	}
	return s.Edge.Sites
}

func sitePath(s stack.Site) string { return "edge.sites." + s.Name }

func (c *comparison) edge(change Change) {
	change.Rule = RuleNetwork
	c.changes = append(c.changes, change)
}

// trust orders the ways to a certificate by who believes it.
func trust(tls string) int {
	return map[string]int{"off": 0, "internal": 1}[tls] + 2*map[string]int{"files": 1, "acme": 1}[tls]
}

func (c *comparison) site(old, now stack.Site) {
	if old.TLS != now.TLS {
		change := Change{What: "certificate of " + now.Name, Old: old.TLS, New: now.TLS, Key: sitePath(now) + ".tls", Reason: "a different authority issues it"}
		switch was, is := trust(old.TLS), trust(now.TLS); {
		case is < was && is == 0:
			change.Direction, change.Severity, change.Reason = Weaker, finding.High, "everyone on the path can read and change the traffic"
		case is < was:
			change.Direction, change.Severity, change.Reason = Weaker, finding.Medium, "clients cannot distinguish the edge from an impostor"
		case is > was:
			change.Direction, change.Severity, change.Reason = Stronger, finding.Medium, "clients can verify the edge"
		}
		c.edge(change)
	}
	if a, b := routesText(old), routesText(now); a != b {
		c.edge(Change{What: "routes of " + now.Name, Old: a, New: b, Key: sitePath(now), Severity: finding.Low, Reason: "check that each path leads to the right service: " + strings.Join(shownNow(old, now), ", ")})
	}
	c.headers(old, now)
}

// shownNow names the services that a site shows and did not show before.
func shownNow(old, now stack.Site) []string {
	var out []string
	for _, r := range now.Routes {
		if !slices.ContainsFunc(old.Routes, func(o stack.Route) bool { return o.Service == r.Service }) && !slices.Contains(out, r.Service) {
			out = append(out, r.Service+" is exposed now")
		}
	}
	if len(out) == 0 {
		out = []string{"no additional service is exposed"}
	}
	return out
}

func routesText(s stack.Site) string {
	var out []string
	for _, r := range s.Routes {
		out = append(out, fmt.Sprintf("%s→%s:%d", r.Path, r.Service, r.Port))
	}
	return strings.Join(out, " ")
}

// headers that protect visitors must not vanish unseen.
func (c *comparison) headers(old, now stack.Site) {
	before, after := headersOf(old), headersOf(now)
	for _, h := range now.Headers {
		was, had := before[h.Name]
		switch {
		case had && was == h.Value:
			continue
		case h.Value == "" && protects(h.Name):
			c.edge(Change{What: "header " + h.Name, Old: was, Key: sitePath(now) + ".headers." + h.Name, Direction: Weaker, Severity: finding.Medium, Reason: "browsers protect visitors less without it"})
		case protects(h.Name):
			c.edge(Change{What: "header " + h.Name, Old: was, New: h.Value, Key: sitePath(now) + ".headers." + h.Name, Severity: finding.Low, Reason: "check that it still forbids what it should"})
		default:
			c.edge(Change{What: "header " + h.Name, Old: was, New: h.Value, Key: sitePath(now) + ".headers." + h.Name, Reason: "a different header"})
		}
	}
	for _, h := range old.Headers {
		if _, has := after[h.Name]; !has && protects(h.Name) {
			change := Change{What: "header " + h.Name, Old: h.Value, Key: sitePath(now), Direction: Weaker, Severity: finding.Medium, Reason: "the service's own value, or the default, applies again"}
			if h.Value == "" {
				change.Direction, change.Severity, change.Reason = Stronger, finding.Low, "it is no longer removed"
			}
			c.edge(change)
		}
	}
}

func headersOf(s stack.Site) map[string]string {
	out := map[string]string{}
	for _, h := range s.Headers {
		out[h.Name] = h.Value
	}
	return out
}

func protects(header string) bool {
	return slices.Contains([]string{"content-security-policy", "strict-transport-security", "x-content-type-options", "x-frame-options",
		"referrer-policy", "permissions-policy", "cross-origin-opener-policy"}, strings.ToLower(header))
}
