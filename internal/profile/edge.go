package profile

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/hsectl/hsectl/internal/yamldoc"
)

// Edge is what stands between the world and the services: a Caddy that hsectl configures. It ends TLS, routes by name and
// path, and moves traffic from one container to the next, so that a deploy loses no request.
type Edge struct {
	Sites   map[string]Site `yaml:"sites" doc:"what is served, by host name"`
	Email   string          `yaml:"email" doc:"address that the certificate authority may write to"`
	CA      string          `yaml:"ca" doc:"ACME directory of another certificate authority than Caddy's own choice"`
	Address string          `yaml:"address" doc:"address of the host that is listened on; 0.0.0.0 unless written"`
	HTTP    int             `yaml:"http" doc:"port of the host for plain HTTP; 80 unless written"`
	HTTPS   int             `yaml:"https" doc:"port of the host for HTTPS and HTTP/3; 443 unless written"`
}

// Site is one host name.
type Site struct {
	Service     string          `yaml:"service" doc:"service that answers"`
	Port        int             `yaml:"port" doc:"port on which the service listens"`
	TLS         string          `yaml:"tls" doc:"acme, files, internal (a certificate that Caddy signs itself) or off; acme unless written, files with a certificate"`
	Certificate string          `yaml:"certificate" doc:"secret that holds the certificate and its chain, as PEM"`
	Key         string          `yaml:"key" doc:"secret that holds the certificate's key, as PEM"`
	Routes      []Route         `yaml:"routes" doc:"paths that other services answer; the first that fits is taken"`
	Headers     map[string]Text `yaml:"headers" doc:"headers of every answer; an empty value removes one"`
}

// Route sends some paths of a site to another service.
type Route struct {
	Path    string `yaml:"path" doc:"path, such as /api/*"`
	Service string `yaml:"service" doc:"service that answers"`
	Port    int    `yaml:"port" doc:"port on which the service listens"`
}

// How a site gets its certificate.
const (
	TLSACME     = "acme"
	TLSFiles    = "files"
	TLSInternal = "internal"
	TLSOff      = "off"
)

// Rollout says how the next container of a service takes the place of the last.
type Rollout struct {
	Order  string   `yaml:"order" doc:"start-first or stop-first; start-first unless written, where the edge can move the traffic or replicas answer meanwhile, and no volume stands against it"`
	Settle Duration `yaml:"settle" doc:"time for which the new container must stay healthy before it gets traffic; 2s unless written"`
	Drain  Duration `yaml:"drain" doc:"time between the move of the traffic and the end of the old container; 1s unless written"`
}

// The orders of a rollout.
const (
	StartFirst = "start-first"
	StopFirst  = "stop-first"
)

const (
	// EdgeService is the name of the service that the edge becomes.
	EdgeService = "edge"
	// edgePreset knows the image of the edge.
	edgePreset = "caddy"
	// edgeOut is the network by which the edge reaches certificate authorities.
	edgeOut = "edge-out"
)

// EdgeNetwork names the internal network that only the edge and one service share, so that two services behind the edge
// do not reach each other.
func EdgeNetwork(service string) string { return "edge-" + service }

// Upstreams returns the services behind the edge, sorted.
func (e *Edge) Upstreams() []string {
	if e == nil {
		return nil
	}
	seen := map[string]bool{}
	for _, site := range e.Sites {
		seen[site.Service] = true
		for _, r := range site.Routes {
			seen[r.Service] = true
		}
	}
	delete(seen, "")
	return slices.Sorted(maps.Keys(seen))
}

// uses reports whether a site gets its certificate in a way.
func (e *Edge) uses(tls string) bool {
	for _, site := range e.Sites {
		if site.TLS == tls {
			return true
		}
	}
	return false
}

// edge adds the service that the section edge: stands for. What the user wrote about services.edge is laid over it.
func (l *layers) edge(p *Profile, tree, defaults, services *yamldoc.Node, d *yamldoc.Decoder) {
	if p.Edge == nil || tree.Get("edge").Kind != yamldoc.Mapping {
		return
	}
	written := tree.Get("services").Get(EdgeService)
	if written != nil && written.Kind != yamldoc.Mapping {
		written = nil
	}
	merged := l.service(EdgeService, defaults, presetOf(edgePreset, written))
	var s Service
	d.Decode(merged, &s, "services."+EdgeService)
	if p.Services == nil {
		p.Services = map[string]Service{}
	}
	p.Services[EdgeService] = s
	services.Values[EdgeService] = merged
	if written == nil {
		services.Keys = append(services.Keys, &yamldoc.Node{Tag: "!!str", Value: EdgeService, At: tree.Get("edge").At, Layer: layerBuiltIn})
	}
}

// completeEdge fills what was not written, and joins the edge with the services behind it.
func completeEdge(p *Profile) {
	e := p.Edge
	if e == nil {
		return
	}
	e.defaults()
	s, ok := p.Services[EdgeService]
	if !ok {
		return
	}
	s.Ports = append(e.ports(), s.Ports...)
	s.Secrets = append(slices.Clone(s.Secrets), e.secrets(p.Secrets)...)
	networks := []string{NetworkEdge}
	if p.Networks == nil {
		p.Networks = map[string]Network{}
	}
	if e.uses(TLSACME) {
		networks = append(networks, edgeOut)
		p.Networks[edgeOut] = Network{Egress: true}
	}
	for _, name := range e.Upstreams() {
		upstream, ok := p.Services[name]
		if !ok || name == EdgeService {
			continue
		}
		network := EdgeNetwork(name)
		networks = append(networks, network)
		p.Networks[network] = Network{}
		upstream.Networks = append(slices.Clone(upstream.Networks), network)
		p.Services[name] = upstream
	}
	s.Networks = append(networks, s.Networks...)
	s.Probes = s.Probes.printing()
	p.Services[EdgeService] = s
	p.keepEdge(s)
}

// printing returns probes that print what they read: the edge answers its health test with the version of its configuration.
func (p *Probes) printing() *Probes {
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

// keepEdge says of the volumes of the edge that nobody backs them up, where the profile says nothing else.
func (p *Profile) keepEdge(edge Service) {
	for _, w := range edge.Writable {
		if v := p.Volumes[w.Volume]; w.Volume != "" && v.Ephemeral == "" && v.Backup == nil {
			v.Ephemeral = "certificates are issued again, and the rest comes from the profile"
			if p.Volumes == nil {
				p.Volumes = map[string]Volume{}
			}
			p.Volumes[w.Volume] = v
		}
	}
}

func (e *Edge) defaults() {
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
			site.TLS = TLSACME
			if site.Certificate != "" {
				site.TLS = TLSFiles
			}
			e.Sites[name] = site
		}
	}
}

// listens reports whether the edge can listen where it should; the validator says why not.
func (e *Edge) listens() bool {
	_, err := netip.ParseAddr(e.Address)
	return err == nil && e.HTTP != e.HTTPS && min(e.HTTP, e.HTTPS) > 0 && max(e.HTTP, e.HTTPS) <= 65535
}

// ports are the same inside and outside, because Caddy announces its own for HTTP/3. The engine lets any user listen on
// ports below 1024 in a network namespace of its own.
func (e *Edge) ports() []Port {
	if !e.listens() {
		return nil
	}
	ports := []Port{{Address: e.Address, Host: e.HTTP, Container: e.HTTP, Protocol: "tcp"}}
	for _, site := range e.Sites {
		if site.TLS != TLSOff {
			return append(ports, Port{Address: e.Address, Host: e.HTTPS, Container: e.HTTPS, Protocol: "tcp"},
				Port{Address: e.Address, Host: e.HTTPS, Container: e.HTTPS, Protocol: "udp"})
		}
	}
	return ports
}

func (e *Edge) secrets(known map[string]Secret) []SecretUse {
	seen := map[string]bool{}
	var out []SecretUse
	for _, name := range slices.Sorted(maps.Keys(e.Sites)) {
		site := e.Sites[name]
		for _, secret := range []string{site.Certificate, site.Key} {
			if _, ok := known[secret]; ok && !seen[secret] {
				seen[secret] = true
				out = append(out, SecretUse{Name: secret})
			}
		}
	}
	return out
}

// behindEdge reports whether the edge brings traffic to the service.
func (p *Profile) behindEdge(service string) bool {
	return slices.Contains(p.Edge.Upstreams(), service)
}

// StopFirstBecause says why the old container of a service must stop before the next one starts, or nothing when both can
// run side by side for a while.
func (p *Profile) StopFirstBecause(name string) string {
	s := p.Services[name]
	switch {
	case s.Rollout != nil && s.Rollout.Order == StopFirst:
		return "the profile says so"
	case len(s.Ports) > 0:
		return fmt.Sprintf("it publishes port %d of the host, which only one container can have", s.Ports[0].Host)
	}
	for _, w := range s.Writable {
		if w.Volume != "" && !p.Volumes[w.Volume].Shared {
			return "it alone writes volume " + w.Volume
		}
	}
	_, named := s.Passthrough["container_name"]
	switch {
	case named:
		return "its container has a fixed name"
	case !p.behindEdge(name) && s.Containers() == 1: // of several, the others answer
		return "nothing in front of it can move its traffic"
	}
	return ""
}
