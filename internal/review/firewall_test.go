package review_test

import (
	"fmt"
	"testing"

	"github.com/hsectl/hsectl/internal/review"
)

// Who may come that could not before makes a change weaker, whatever else it takes away.
func TestFirewallChanges(t *testing.T) {
	open := edit{`["8080:8080"]`, `["0.0.0.0:8080:8080"]`}
	with := func(from string) review.Side {
		return side(t, shop+"firewall:\n  - {port: 8080, from: ["+from+"]}\n", open)
	}
	for _, c := range []struct {
		name       string
		base, head review.Side
		want       string
	}{
		{"the same in another order", with("10.0.0.0/8, 192.0.2.0/24"), with("192.0.2.0/24, 10.0.0.0/8"), ""},
		{"the world", with("10.0.0.0/8"), with("world"), "weaker high everybody may reach it now; reload the rules"},
		{"one network more, one less", with("10.0.0.0/8, 192.0.2.0/24"), with("10.0.0.0/8, 198.51.100.0/24"), "weaker high 198.51.100.0/24 may reach it now; reload the rules"},
		{"a wider network", with("10.0.0.0/8"), with("10.0.0.0/7"), "weaker high 10.0.0.0/7 may reach it now; reload the rules"},
		{"a part of it", with("10.0.0.0/8"), with("10.1.0.0/16"), "stronger low fewer networks may reach it; reload the rules"},
		{"no longer the world", with("world"), with("10.0.0.0/8"), "stronger low fewer networks may reach it; reload the rules"},
		{"no longer declared", with("10.0.0.0/8"), side(t, shop, open), "weaker high access to the published ports is no longer declared"},
		{"declared", side(t, shop, open), with("10.0.0.0/8"), "stronger medium access to the published ports is declared, and judged"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			for _, change := range review.Compare(c.base, c.head, today).Changes {
				if change.Control == "HSE-OPS-004" {
					got += fmt.Sprint(change.Direction, " ", change.Severity, " ", change.Reason)
				}
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
