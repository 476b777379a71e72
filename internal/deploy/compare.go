package deploy

import (
	"fmt"
	"maps"
	"slices"
)

// Condition is how a service is, against the release that the stack is at.
type Condition struct {
	Service string
	State   string
	Well    bool
	Drift   []string // what is not as the release left it
}

// Compare says how each service of a release is, and what runs besides. Without a release everything is compared to nothing.
func Compare(r Record, o Observed) []Condition {
	var out []Condition
	known := map[string]bool{}
	for _, s := range r.Release.Model.Services {
		known[s.Name] = true
		running := o.Running[s.Name]
		if len(running) == 0 {
			out = append(out, Condition{Service: s.Name, State: "no container"})
			continue
		}
		first := running[0]
		c := Condition{Service: s.Name, State: first.State, Well: first.Well}
		if ids := r.Outcome.Containers[s.Name]; !slices.Contains(ids, first.ID) {
			c.Drift = append(c.Drift, "its container is another one")
		}
		want := Expected(r.Release.Model, s, r.Release.delivery())
		for _, field := range slices.Sorted(maps.Keys(want)) {
			if first.Fields[field] != want[field] {
				c.Drift = append(c.Drift, fmt.Sprintf("%s is %q, not %q", field, first.Fields[field], want[field]))
			}
		}
		if len(running) > 1 {
			c.Drift = append(c.Drift, fmt.Sprintf("it has %d containers", len(running)))
		}
		out = append(out, c)
	}
	for _, service := range slices.Sorted(maps.Keys(o.Running)) {
		if !known[service] {
			c := Condition{Service: service, State: o.Running[service][0].State, Well: o.Running[service][0].Well}
			if r.Number > 0 {
				c.Drift = []string{"the release has no such service"}
			}
			out = append(out, c)
		}
	}
	return out
}
