package profile

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Services with profiles: are part of a stack only where one of these is chosen, as in Compose. The names are Compose's; a
// hsectl profile is something else.

// EveryChoice chooses all services.
const EveryChoice = "*"

// choicePattern is that of compose-spec for a name in profiles:.
var choicePattern = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`)

// Choices returns the names that services have in profiles:, sorted.
func (p *Profile) Choices() []string {
	names := map[string]bool{}
	for _, s := range p.Services {
		for _, name := range s.Profiles {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// Choose returns the profile without the services whose profiles: hold none of the names, and without the jobs, secrets and
// exporters that only they have. In what is left no service has profiles: any more. A name that no service has is an error.
func (p *Profile) Choose(names []string) (*Profile, error) {
	all := slices.Contains(names, EveryChoice)
	for _, name := range names {
		if known := p.Choices(); name != EveryChoice && !slices.Contains(known, name) {
			return nil, fmt.Errorf("no service has %q in profiles: (%s)", name, strings.Join(slices.Concat([]string{EveryChoice}, known), ", "))
		}
	}
	out := *p
	out.Services, out.Jobs, out.Secrets = map[string]Service{}, map[string]Job{}, maps.Clone(p.Secrets)
	left := map[string]bool{} // secrets of services that are left out
	for name, s := range p.Services {
		if chosen := len(s.Profiles) == 0 || all || slices.ContainsFunc(s.Profiles, func(c string) bool { return slices.Contains(names, c) }); chosen {
			s.Profiles = nil
			out.Services[name] = s
			continue
		}
		for _, use := range s.Secrets {
			left[use.Name], left[p.Secrets[use.Name].From] = true, true
		}
	}
	if len(out.Services) == 0 {
		return nil, errors.New("no service is left: each has profiles:, and none of them is chosen")
	}
	for name, j := range p.Jobs {
		if _, ok := out.Services[j.Service]; ok {
			out.Jobs[name] = j
		}
	}
	out.chooseExporters(p.Exporters())
	needed := out.neededSecrets()
	maps.DeleteFunc(out.Secrets, func(name string, _ Secret) bool { return left[name] && !needed[name] })
	return &out, nil
}

// chooseExporters leaves those of the services that are there, out of all.
func (p *Profile) chooseExporters(all []Exporter) {
	p.exporters = []Exporter{}
	gone := map[string]bool{}
	for _, e := range all {
		if _, ok := p.Services[e.Service]; ok {
			p.exporters = append(p.exporters, e)
		} else {
			gone[e.Name] = true
		}
	}
	if p.Monitoring == nil {
		return
	}
	m := *p.Monitoring
	m.Services = maps.Clone(m.Services)
	maps.DeleteFunc(m.Services, func(name string, _ Service) bool { return gone[name] })
	p.Monitoring = &m
}

// neededSecrets are those that a service, a hook or the monitoring stack reads, and what they are made of.
func (p *Profile) neededSecrets() map[string]bool {
	out := map[string]bool{}
	need := func(name string) { out[name], out[p.Secrets[name].From] = true, true }
	for _, s := range p.Services {
		for _, use := range s.Secrets {
			need(use.Name)
		}
	}
	for _, h := range p.Hooks {
		for _, name := range h.Secrets {
			need(name)
		}
	}
	for _, name := range p.MonitoringSecrets() {
		need(name)
	}
	return out
}

// choices checks the names, and that what a service needs is there whenever the service is.
func (v *serviceValidator) choices() {
	for i, name := range v.s.Profiles {
		if !choicePattern.MatchString(name) {
			v.bad(fmt.Sprintf("%s[%d]", v.at("profiles"), i), "use two or more letters, digits, -, _ and .", "%q cannot name a profile of Compose", name)
		}
	}
	if v.root != "" && len(v.s.Profiles) > 0 {
		v.bad(v.at("profiles"), "drop profiles:", "the parts of the monitoring stack come together")
	}
	if v.p.Edge != nil && len(v.s.Profiles) > 0 && (v.name == EdgeService || v.p.behindEdge(v.name)) {
		v.bad(v.at("profiles"), "drop profiles:, or take it out of the routes of the edge", "the edge always brings traffic to service %q", v.name)
	}
	for i, d := range v.s.DependsOn {
		other, ok := v.p.Services[d.Service]
		if ok && !other.alwaysWith(v.s) {
			v.bad(fmt.Sprintf("%s[%d]", v.at("depends_on"), i), "give both the same profiles:, or let the other one have none",
				"service %q may be chosen without %q, which it waits for", v.name, d.Service)
		}
	}
}

// alwaysWith reports whether the service is part of every stack that the other is part of.
func (s Service) alwaysWith(other Service) bool {
	if len(s.Profiles) == 0 {
		return true
	}
	return len(other.Profiles) > 0 && !slices.ContainsFunc(other.Profiles, func(name string) bool { return !slices.Contains(s.Profiles, name) })
}
