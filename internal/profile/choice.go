package profile

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// EveryChoice chooses all services.
const EveryChoice = "*"

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
