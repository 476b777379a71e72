package deploy

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hsectl/hsectl/internal/record"
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
	Drifted bool     `json:"drifted,omitempty"` // somebody changed the running container
}

// Real tells whether anything happens.
func (c ServiceChange) Real() bool { return c.Action != Keep }

// Drift is one setting in its three places. A place that has no say is empty.
type Drift struct {
	Field   string `json:"field"`
	Running string `json:"running"`
	Release string `json:"release"`
	File    string `json:"file"`
}

// changes compares each service in its three places: the containers, the last release, and the file.
func changes(d Desired, o Observed, p Plan) []ServiceChange {
	var out []ServiceChange
	for _, s := range d.Stack.Services {
		if d.untouched(s.Name) {
			out = append(out, ServiceChange{Service: s.Name, Action: Keep})
			continue
		}
		out = append(out, change(d, o, p, s))
	}
	if len(d.Only) > 0 {
		return out
	}
	for _, name := range slices.Sorted(maps.Keys(o.Running)) {
		if _, ok := d.Stack.Service(name); !ok {
			out = append(out, ServiceChange{Service: name, Action: Remove, Causes: []string{"the profile has no such service"}})
		}
	}
	return out
}

func change(d Desired, o Observed, p Plan, s stack.Service) ServiceChange {
	c := ServiceChange{Service: s.Name, Action: Keep}
	running := o.Running[s.Name]
	if len(running) == 0 {
		c.Action, c.Causes = Create, []string{"it has no container"}
		return c
	}
	want := Expected(d.Stack, s, p.Mounts())
	var was Fields
	var loads []string // causes for which a live service need not be replaced
	if d.Last != nil {
		c.Causes, loads = releaseCauses(*d.Last, d, o, s)
		if before, ok := d.Last.Release.Model().Service(s.Name); ok {
			was = Expected(d.Last.Release.Model(), before, mounts(d.Last.Release))
		}
		if cause := strangers(running, *d.Last, s); cause != "" {
			c.Causes = append(c.Causes, cause)
		}
	} else {
		c.Causes = append(c.Causes, "the engine has no release of the stack")
	}
	odd := oddest(running, was)
	c.Fields = compare(odd.Fields, was, want)
	for _, f := range c.Fields {
		if was != nil && f.Running != f.Release {
			c.Drifted = true
			c.Causes = append(c.Causes, fmt.Sprintf("%s was changed on %s", f.Field, called(odd, running)))
		}
	}
	for _, r := range running {
		if id := o.Images[s.Image]; id != "" && r.Image != id {
			c.Causes = append(c.Causes, fmt.Sprintf("image %s is %s and %s runs %s", s.Image, short(id), subject(r, running), short(r.Image)))
			break
		}
	}
	if p.load != nil && p.load.Subject == s.Name && len(loads) == 0 {
		loads = []string{p.load.Cause}
	}
	number := resized(running, d.Last, s)
	switch sick := unwell(running); {
	case len(c.Causes) > 0:
		c.Action, c.How, c.Causes = Replace, replacement(d.Stack, s, running), append(c.Causes, loads...)
		if number != "" {
			c.Causes = append(c.Causes, number)
		}
	case number != "":
		c.Action, c.How, c.Causes = Scale, scaling(d.Stack, s, running), []string{number}
	case sick != "":
		c.Action, c.Causes = Start, append([]string{sick}, loads...)
	case len(loads) > 0:
		c.Action, c.How, c.Causes = Reload, "it loads its configuration while it runs", loads
	}
	return c
}

// releaseCauses says what the file changes against the last release: what asks for another container, and what a live
// service loads.
func releaseCauses(last record.Entry, d Desired, o Observed, s stack.Service) (replaces, loads []string) {
	before, ok := last.Release.Model().Service(s.Name)
	if !ok {
		return []string{fmt.Sprintf("release %d had no such service", last.Number)}, nil
	}
	live := d.Stack.Reloads(s)
	was, is := flatten(before), flatten(s)
	if live {
		was, is = flatten(before.WithoutFiles()), flatten(s.WithoutFiles())
	}
	replaces = difference(was, is)
	for _, v := range s.Environment {
		if (v.Required || v.Default != nil) && last.Release.Environment[v.Name] != d.Environment[v.Name] {
			replaces = append(replaces, "variable "+v.Name+" has another value")
		}
	}
	files := newSecrets(d, o, s)
	switch {
	case len(files) > 0:
		loads = append(loads, "new version of secret "+strings.Join(files, ", "))
	case len(s.Secrets) > 0 && o.Secrets[s.Name].Volume != last.Release.Secrets[s.Name]:
		loads = append(loads, "another version of its secrets than in release "+strconv.Itoa(last.Number))
	}
	if files := newConfigs(before, s); len(files) > 0 {
		loads = append(loads, "new version of configuration file "+strings.Join(files, ", "))
	}
	switch {
	case !live:
		return append(replaces, loads...), nil
	case len(before.Secrets) == 0 && len(s.Secrets) > 0:
		replaces = append(replaces, "it reads secrets for the first time")
	case len(before.Secrets) > 0 && len(s.Secrets) == 0:
		replaces = append(replaces, "it reads no secrets any more")
	case !slices.Contains(last.Release.Live, s.Name):
		replaces = append(replaces, fmt.Sprintf("in release %d it could not load its configuration without a restart", last.Number))
	}
	return replaces, loads
}

// compare returns the fields that differ somewhere. Without a release its place counts as unknown.
func compare(running, release, file Fields) []Drift {
	var out []Drift
	for _, name := range slices.Sorted(maps.Keys(file)) {
		r, f := running[name], file[name]
		if r == f && (release == nil || release[name] == f) {
			continue
		}
		out = append(out, Drift{Field: name, Running: r, Release: release[name], File: f})
	}
	return out
}
