package deploy

import (
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
func Compare(r record.Entry, o Observed) []Condition {
	var out []Condition
	known, model := map[string]bool{}, r.Release.Model()
	for _, s := range model.Services {
		known[s.Name] = true
		running := expected(model, s, o.Running[s.Name])
		if len(running) == 0 {
			out = append(out, Condition{Service: s.Name, State: "no container"})
			continue
		}
		c := Condition{Service: s.Name}
		c.State, c.Well = together(running, s.Wanted())
		for _, one := range running {
			c.Drift = append(c.Drift, drifted(one, running, r.Outcome.Containers[s.Name])...)
		}
		if o.Uncompared != "" {
			c.Drift = append(c.Drift, "whether it was changed is unknown: "+o.Uncompared)
		}
		if len(running) != s.Wanted() {
			c.Drift = append(c.Drift, miscounted(len(running), s.Wanted()))
		}
		if restoring(r.Release, s, o) != nil {
			c.Drift = append(c.Drift, "it reads a different version of the configuration")
		}
		out = append(out, c)
	}
	for _, c := range changedResources(o) {
		text := Condition{Service: c.Resource, State: "present", Well: true}
		for _, d := range o.Resources[c.Resource] {
			text.Drift = append(text.Drift, d.String())
		}
		out = append(out, text)
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
	return out
}

// drifted says what is not as the release left it on one of the containers of a service.
func drifted(one Running, all []Running, ids []string) []string {
	var out []string
	of := ""
	if len(all) > 1 {
		of = one.Name + ": "
	}
	if !slices.Contains(ids, one.ID) {
		out = append(out, of+"its container was replaced outside hsectl")
	}
	for _, d := range one.Differences {
		out = append(out, of+d.String())
	}
	return out
}
