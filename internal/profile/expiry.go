package profile

import (
	"fmt"
	"time"

	"github.com/hsectl/hsectl/internal/yamldoc"
)

// Over reports whether the day lies before the one that today falls on.
func (d Day) Over(today time.Time) bool { return d.T.Before(today.Truncate(24 * time.Hour)) }

// Expired returns every entry whose last day is over, each with its place, or nil: the exceptions under each root, which is
// empty for the stack and "monitoring." for the one that watches it, and the ignored vulnerabilities. Such an entry is no
// mistake, so the profile can still be read. It waives nothing any more, and a verb decides whether to go on.
func (p *Profile) Expired(today time.Time, roots ...string) error {
	c := &yamldoc.Collector{}
	note := func(path string, d Day, format string, args ...any) {
		if d.Over(today) {
			c.Add(p.Written(path+".expires"), "fix the cause, or have it reviewed again and extended", format+" expired on %s", append(args, d)...)
		}
	}
	exceptions := map[string][]Exception{"": p.Exceptions}
	if p.Monitoring != nil {
		exceptions["monitoring."] = p.Monitoring.Exceptions
	}
	for _, root := range roots {
		for i, e := range exceptions[root] {
			note(fmt.Sprintf("%sexceptions[%d]", root, i), e.Expires, "the exception for %s", e.Control)
		}
	}
	if p.SupplyChain != nil {
		for i, e := range p.SupplyChain.Ignore {
			note(fmt.Sprintf("supply_chain.ignore[%d]", i), e.Expires, "ignoring %s", e.ID)
		}
	}
	return c.Err()
}
