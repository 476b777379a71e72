package parser

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/profile"
)

// uses reports whether a site gets its certificate in a way.
func uses(e *profile.Edge, tls string) bool {
	for _, site := range e.Sites {
		if site.TLS == tls {
			return true
		}
	}
	return false
}

// completeEdge fills what was not written, and joins the edge with the services behind it.
func completeEdge(p *profile.Profile) {
	e := p.Edge
	if e == nil {
		return
	}
	edgeDefaults(e)
	s, ok := p.Services[profile.EdgeService]
	if !ok {
		return
	}
	s.Ports = append(e.Ports(), s.Ports...)
	s.Secrets = append(slices.Clone(s.Secrets), edgeSecrets(e, p.Secrets)...)
	networks := []string{profile.NetworkEdge}
	if p.Networks == nil {
		p.Networks = map[string]profile.Network{}
	}
	if uses(e, profile.TLSACME) {
		networks = append(networks, edgeOut)
		p.Networks[edgeOut] = profile.Network{Egress: true}
	}
	for _, name := range e.Upstreams() {
		upstream, ok := p.Services[name]
		if !ok || name == profile.EdgeService {
			continue
		}
		network := profile.EdgeNetwork(name)
		networks = append(networks, network)
		p.Networks[network] = profile.Network{}
		upstream.Networks = append(slices.Clone(upstream.Networks), network)
		p.Services[name] = upstream
	}
	s.Networks = append(networks, s.Networks...)
	s.Probes = printing(s.Probes)
	p.Services[profile.EdgeService] = s
	keepEdge(p, s)
}

// printing returns probes that print what they read: the edge answers its health test with the version of its configuration.
func printing(p *profile.Probes) *profile.Probes {
	if p == nil {
		return nil
	}
	out := *p
	out.HTTP = slices.Clone(p.HTTP)
	for i, word := range out.HTTP {
		if word == "/dev/null" {
			out.HTTP[i] = "-"
		}
	}
	return &out
}

// keepEdge declares the volumes of the edge ephemeral, where the profile says nothing else.
func keepEdge(p *profile.Profile, edge profile.Service) {
	for _, w := range edge.Writable {
		if v := p.Volumes[w.Volume]; w.Volume != "" && v.Ephemeral == "" && v.Backup == nil {
			v.Ephemeral = "certificates are issued again, and the rest comes from the profile"
			if p.Volumes == nil {
				p.Volumes = map[string]profile.Volume{}
			}
			p.Volumes[w.Volume] = v
		}
	}
}

// edgeDefaults fills what was not written.
func edgeDefaults(e *profile.Edge) {
	if e.Address == "" {
		e.Address = "0.0.0.0"
	}
	if e.HTTP == 0 {
		e.HTTP = 80
	}
	if e.HTTPS == 0 {
		e.HTTPS = 443
	}
	for name, site := range e.Sites {
		if site.TLS == "" {
			site.TLS = profile.TLSACME
			if site.Certificate != "" {
				site.TLS = profile.TLSFiles
			}
			e.Sites[name] = site
		}
	}
}

// edgeSecrets returns the certificates and keys that the edge reads.
func edgeSecrets(e *profile.Edge, known map[string]profile.Secret) []profile.SecretUse {
	seen := map[string]bool{}
	var out []profile.SecretUse
	for _, name := range slices.Sorted(maps.Keys(e.Sites)) {
		site := e.Sites[name]
		for _, secret := range []string{site.Certificate, site.Key} {
			if _, ok := known[secret]; ok && !seen[secret] {
				seen[secret] = true
				out = append(out, profile.SecretUse{Name: secret})
			}
		}
	}
	return out
}

// watched reports whether a part of the monitoring stack talks to the service, so that both need one network.
func watched(p *profile.Profile, s profile.Service) bool {
	return s.Metrics != nil ||
		s.Preset == "postgres" && p.On(profile.PartPostgresExporter) ||
		s.Preset == "redis" && p.On(profile.PartRedisExporter) ||
		s.Health != nil && s.Health.HTTP != nil && p.On(profile.PartBlackbox)
}

// watch puts each service that is watched on a network on which it meets those that watch it. Two services share one only
// when they share a network already, so that being watched opens no way from one to the other. There is one such network
// for each declared network that is needed, not one for each service: an engine has addresses for about thirty networks.
func watch(p *profile.Profile) {
	members := map[string]int{}
	for _, s := range p.Services {
		if watched(p, s) {
			for _, n := range s.Networks {
				members[n]++
			}
		}
	}
	for name, s := range p.Services {
		if !watched(p, s) {
			continue
		}
		meets := slices.MaxFunc(slices.Sorted(slices.Values(s.Networks)), func(a, b string) int { return cmp.Compare(members[a], members[b]) })
		s.Networks = append(slices.Clone(s.Networks), profile.NetworkMonitoring+meets)
		p.Services[name] = s
	}
}

// monitoringDefaults fills what was not written about monitoring.
func monitoringDefaults(p *profile.Profile) {
	m := p.Monitoring
	if m.Interval.Text == "" {
		_ = m.Interval.UnmarshalText([]byte("15s")) // a constant that parses
	}
	if m.Retention.Size.Text == "" {
		_ = m.Retention.Size.UnmarshalText([]byte("8G")) // a constant that parses
	}
	for _, d := range []struct {
		days *int
		n    int
	}{{&m.Retention.Metrics, 15}, {&m.Retention.Logs, 7}, {&m.Retention.Traces, 2}} {
		if *d.days == 0 {
			*d.days = d.n
		}
	}
	if m.Logs.To == "" {
		m.Logs.To = "loki"
	}
	if m.Runbooks == "" {
		m.Runbooks = "https://github.com/hsectl/hsectl/blob/main/docs/runbooks"
	}
	if m.GrafanaPassword == "" && !slices.Contains(m.Off, profile.PartGrafana) {
		m.GrafanaPassword = profile.MonitoringSecret
		if p.Secrets == nil {
			p.Secrets = map[string]profile.Secret{}
		}
		if _, ok := p.Secrets[profile.MonitoringSecret]; !ok {
			p.Secrets[profile.MonitoringSecret] = profile.Secret{Generate: true}
		}
	}
}

// complete sets what follows from other values, and cannot be written.
func complete(p *profile.Profile) {
	for name, s := range p.Services {
		if len(s.Networks) == 0 && (p.Edge == nil || name != profile.EdgeService) {
			s.Networks = []string{profile.NetworkBackend}
			if len(s.Ports) > 0 {
				s.Networks = append(s.Networks, profile.NetworkEdge)
			}
		}
		if s.Metrics != nil && s.Metrics.Path == "" {
			metrics := *s.Metrics
			metrics.Path = "/metrics"
			s.Metrics = &metrics
		}
		for i := range s.HostPaths {
			if s.HostPaths[i].Path == "" {
				s.HostPaths[i].Path = s.HostPaths[i].Host
			}
		}
		for i := range s.DependsOn {
			if s.DependsOn[i].Condition == "" {
				s.DependsOn[i].Condition = "healthy"
			}
		}
		for i := range s.Ports {
			if s.Ports[i].Address == "" {
				s.Ports[i].Address = "127.0.0.1"
			}
			if s.Ports[i].Protocol == "" {
				s.Ports[i].Protocol = "tcp"
			}
		}
		if s.Image == "" && s.Build != nil {
			s.Image = p.Name + "-" + name + ":latest"
		}
		for i := range s.Capabilities {
			s.Capabilities[i].Name = strings.TrimPrefix(strings.ToUpper(s.Capabilities[i].Name), "CAP_")
		}
		p.Services[name] = s
	}
	completeEdge(p)
	if p.Monitoring != nil {
		watch(p)
	}
	declare(p)
}

// declare adds the networks that are used and need no declaration.
func declare(p *profile.Profile) {
	used := map[string]profile.Network{}
	if p.Edge != nil {
		used[profile.NetworkEdge] = profile.Network{Publish: true}
	}
	for _, s := range p.Services {
		for _, name := range s.Networks {
			if name == profile.NetworkBackend || name == profile.NetworkEdge || p.Monitoring != nil && strings.HasPrefix(name, profile.NetworkMonitoring) {
				used[name] = profile.Network{Publish: name == profile.NetworkEdge}
			}
		}
	}
	if p.Networks == nil {
		p.Networks = map[string]profile.Network{}
	}
	for name, network := range used {
		if _, ok := p.Networks[name]; !ok {
			p.Networks[name] = network
		}
	}
}
