package deploy

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hsectl/hsectl/internal/record"
)

// Condition is how a service is, against the release that the stack is at.
type Condition struct {
	Service string
	State   string
	Well    bool
	Drift   []string // what is not as the release left it
}

// Compare says how each service of a release is, and what runs besides. Without a release everything is compared to nothing.
func Compare(r record.Entry, o Observed) ([]Condition, error) {
	var out []Condition
	var was applied
	if r.Number > 0 {
		var err error
		if was, err = readRelease(r.Release); err != nil {
			return nil, err
		}
	}
	known, model := map[string]bool{}, r.Release.Model()
	for _, s := range model.Services {
		known[s.Name] = true
		running := o.Running[s.Name]
		if len(running) == 0 {
			out = append(out, Condition{Service: s.Name, State: "no container"})
			continue
		}
		c := Condition{Service: s.Name}
		c.State, c.Well = together(running, s.Wanted())
		want := was.fields(s.Name)
		for _, one := range running {
			c.Drift = append(c.Drift, drifted(one, running, r.Outcome.Containers[s.Name], want)...)
		}
		if len(running) != s.Wanted() {
			c.Drift = append(c.Drift, miscounted(len(running), s.Wanted()))
		}
		if restoring(r.Release, s, o) != nil {
			c.Drift = append(c.Drift, "it reads a different version of the configuration")
		}
		out = append(out, c)
	}
	for _, service := range slices.Sorted(maps.Keys(o.Running)) {
		if !known[service] {
			c := Condition{Service: service, State: o.Running[service][0].State, Well: o.Running[service][0].Well}
			if r.Number > 0 {
				c.Drift = []string{"the service is not part of the release"}
			}
			out = append(out, c)
		}
	}
	return out, nil
}

// drifted says what is not as the release left it on one of the containers of a service.
func drifted(one Running, all []Running, ids []string, want Fields) []string {
	var out []string
	of := ""
	if len(all) > 1 {
		of = one.Name + ": "
	}
	if !slices.Contains(ids, one.ID) {
		out = append(out, of+"its container was replaced outside hsectl")
	}
	for _, field := range slices.Sorted(maps.Keys(want)) {
		if one.Fields[field] != want[field] {
			out = append(out, fmt.Sprintf("%s%s is %q, not %q", of, field, one.Fields[field], want[field]))
		}
	}
	return out
}
