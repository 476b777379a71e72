package deploy

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/stack"
)

// Action is what happens to the containers of a service.
type Action string

// The actions.
const (
	Keep    Action = "keep"
	Create  Action = "create"
	Replace Action = "replace"
	Remove  Action = "remove"
	Start   Action = "start"
	Scale   Action = "scale"  // more or fewer of the same
	Reload  Action = "reload" // another configuration for those that run
)

// ServiceChange is what a plan does to one service, and why.
type ServiceChange struct {
	Service string   `json:"service"`
	Action  Action   `json:"action"`
	How     string   `json:"how,omitempty"` // start-first or stop-first, and why
	Causes  []string `json:"causes,omitempty"`
	Fields  []Drift  `json:"fields,omitempty"`
	Drifted bool     `json:"drifted,omitempty"` // the running container was changed outside hsectl

	recreates string // why it cannot start next to the old one: what it is connected to is made anew
}

// Real tells whether anything happens.
func (c ServiceChange) Real() bool { return c.Action != Keep }

// Drift is one field as it runs and as the last release had it rendered. Both are empty when the values are not to be shown.
type Drift struct {
	Field   string `json:"field"`
	Running string `json:"running"`
	Release string `json:"release"`
}

// comparison is a stack in its three places: as its file says, as the last release left it, and as it runs.
type comparison struct {
	desired  Desired
	observed Observed
	plan     Plan
	want     applied
	was      applied // empty without a last release
}

// compared reads back what is rendered, and what the last release had rendered.
func compared(d Desired, o Observed, p Plan) (comparison, error) {
	c := comparison{desired: d, observed: o, plan: p}
	var err error
	if c.want, err = readApplied(p.File, d.Environment); err != nil || d.Last == nil {
		return c, err
	}
	c.was, err = readRelease(d.Last.Release)
	return c, err
}

// services says what happens to each service.
func (c comparison) services(resources []ResourceChange) []ServiceChange {
	var out []ServiceChange
	for _, s := range c.desired.Stack.Services {
		if c.desired.untouched(s.Name) {
			out = append(out, ServiceChange{Service: s.Name, Action: Keep})
			continue
		}
		out = append(out, c.service(s, resources))
	}
	if len(c.desired.Only) > 0 {
		return out
	}
	for _, name := range slices.Sorted(maps.Keys(c.observed.Running)) {
		if _, ok := c.desired.Stack.Service(name); !ok {
			out = append(out, ServiceChange{Service: name, Action: Remove, Causes: []string{"the service was removed from the profile"}})
		}
	}
	return out
}

func (c comparison) service(s stack.Service, resources []ResourceChange) ServiceChange {
	d, o := c.desired, c.observed
	out := ServiceChange{Service: s.Name, Action: Keep}
	running := expected(d.Stack, s, o.Running[s.Name])
	if len(running) == 0 {
		out.Action, out.Causes = Create, []string{"it has no container"}
		return out
	}
	var loads []string // causes for which a live service need not be replaced
	if d.Last != nil {
		out.Causes, loads = c.releaseCauses(s)
		if cause := strangers(running, *d.Last, s); cause != "" {
			out.Causes = append(out.Causes, cause)
		}
	} else {
		out.Causes = append(out.Causes, "the engine has no release of the stack")
	}
	if odd := oddest(running); d.Last != nil {
		for _, f := range odd.Differences {
			out.Drifted = true
			out.Fields = append(out.Fields, Drift{Field: f.Path, Running: f.Got, Release: f.Want})
			out.Causes = append(out.Causes, fmt.Sprintf("%s was changed on %s", f.Path, called(odd, running)))
		}
	}
	for _, r := range resources {
		if slices.Contains(r.Services, s.Name) {
			out.Causes, out.recreates = append(out.Causes, r.cause()), r.cause()
		}
	}
	for _, r := range running {
		if id := o.Images[s.Image]; id != "" && r.Image != id {
			out.Causes = append(out.Causes, fmt.Sprintf("image %s is %s and %s runs %s", s.Image, display.ID(id), subject(r, running), display.ID(r.Image)))
			break
		}
	}
	if p := c.plan; p.load != nil && p.load.Subject == s.Name && len(loads) == 0 {
		loads = []string{p.load.Cause}
	}
	number := c.resized(running, s)
	switch sick := unwell(running); {
	case len(out.Causes) > 0:
		out.Action, out.How, out.Causes = Replace, replacement(d.Stack, s, running), append(out.Causes, loads...)
		if out.recreates != "" {
			out.How = "stop-first: " + out.recreates
		}
		if number != "" {
			out.Causes = append(out.Causes, number)
		}
	case number != "":
		out.Action, out.How, out.Causes = Scale, scaling(d.Stack, s, running), []string{number}
	case sick != "":
		out.Action, out.Causes = Start, append([]string{sick}, loads...)
	case len(loads) > 0:
		out.Action, out.How, out.Causes = Reload, "it loads its configuration while it runs", loads
	}
	return out
}

// releaseCauses says what the file changes against the last release: what asks for another container, and what a live
// service loads.
func (c comparison) releaseCauses(s stack.Service) (replaces, loads []string) {
	d, o, last := c.desired, c.observed, *c.desired.Last
	before, ok := c.was.nodes.Services[s.Name]
	if !ok {
		return []string{fmt.Sprintf("the service was not part of release %d", last.Number)}, nil
	}
	replaces = generate.Differences(before, c.want.nodes.Services[s.Name], outside)
	for _, name := range c.want.nodes.Services[s.Name].Taken(outside) {
		if last.Release.Environment[name] != d.Environment[name] {
			replaces = append(replaces, "variable "+name+" has a different value")
		}
	}
	files := newSecrets(d, o, s)
	switch {
	case len(files) > 0:
		loads = append(loads, "new version of secret "+strings.Join(files, ", "))
	case len(s.Secrets) > 0 && c.plan.Delivery.Secrets[s.Name] != last.Release.Secrets[s.Name]:
		loads = append(loads, "a different version of its secrets than in release "+strconv.Itoa(last.Number))
	}
	was, _ := last.Release.Model().Service(s.Name)
	if files := newConfigs(was, s); len(files) > 0 {
		loads = append(loads, "new version of configuration file "+strings.Join(files, ", "))
	}
	switch {
	case !d.Stack.Reloads(s):
		return append(replaces, loads...), nil
	case !slices.Contains(last.Release.Live, s.Name):
		replaces = append(replaces, fmt.Sprintf("in release %d it could not load its configuration without a restart", last.Number))
	}
	return replaces, loads
}
