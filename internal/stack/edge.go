package stack

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/edge"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/profile"
)

// Edge is the service that stands before others, and moves traffic from one of their containers to the next.
type Edge struct {
	Service   string
	Upstreams []string // services behind it, sorted
	Sites     []Site   // sorted by name
}

// Site is one host name that the edge serves.
type Site struct {
	Name    string
	URL     string // as people type it
	Address string // host:port on which the host of the engine listens for it
	Local   bool   // only that host reaches it
	Private bool   // the profile names an authority of its own
	TLS     string // acme, files, internal or off
	Routes  []Route
	Headers []Label // of every answer; sorted by name
}

// Route says which service answers the requests for a path; the first that fits is taken.
type Route struct {
	Path    string
	Service string
	Port    int
}

// Own reports whether the certificate is self-signed, so that no client trusts it.
func (s Site) Own() bool { return s.TLS == profile.TLSInternal }

// Rollout says how the next container of a service takes the place of the last.
type Rollout struct {
	StopFirst string // why the last one must stop before; empty when the next one starts first
	Settle    time.Duration
	Drain     time.Duration // the least between the move of the traffic and the end of the old container
	Open      time.Duration // the most that open connections keep the old container running after that
}

const (
	rolloutSettle = 2 * time.Second
	rolloutDrain  = time.Second
	rolloutOpen   = 10 * time.Second
)

func newRollout(p *profile.Profile, name string) Rollout {
	out := Rollout{StopFirst: p.StopFirstBecause(name), Settle: rolloutSettle, Drain: rolloutDrain, Open: rolloutOpen}
	if r := p.Services[name].Rollout; r != nil {
		out.Settle, out.Drain, out.Open = cmp.Or(r.Settle.D, rolloutSettle), cmp.Or(r.Drain.Least.D, rolloutDrain), cmp.Or(r.Drain.WebSockets.D, rolloutOpen)
	}
	return out
}

// addEdge gives the edge's service its program and its configuration.
func (s *Stack) addEdge(p *profile.Profile) {
	e := p.Edge
	if e == nil {
		return
	}
	s.Edge = &Edge{Service: profile.EdgeService, Upstreams: e.Upstreams()}
	for _, name := range slices.Sorted(maps.Keys(e.Sites)) {
		s.Edge.Sites = append(s.Edge.Sites, newSite(*e, name))
	}
	i := slices.IndexFunc(s.Services, func(service Service) bool { return service.Name == profile.EdgeService })
	service := &s.Services[i]
	if len(service.Command) == 0 {
		service.Command = edge.Program(ConfigDir)
	}
	many := map[string]int{}
	for _, name := range s.Edge.Upstreams {
		many[name] = p.Services[name].Containers()
	}
	metrics := map[string]profile.Metrics{}
	for name, from := range p.Services {
		if from.Metrics != nil {
			metrics[name] = *from.Metrics
		}
	}
	for _, f := range edge.Files(edge.Config{Edge: *e, Dir: ConfigDir, Grace: service.Shutdown.Grace, Many: many, Metrics: metrics}) {
		service.Configs = append(service.Configs, ConfigFile{Path: f.Path, Data: f.Data})
	}
}

func newSite(e profile.Edge, name string) Site {
	scheme, port, standard := "https", e.HTTPS, 443
	if e.Sites[name].TLS == profile.TLSOff {
		scheme, port, standard = "http", e.HTTP, 80
	}
	site := e.Sites[name]
	out := Site{Name: name, URL: scheme + "://" + name, TLS: site.TLS}
	for _, r := range site.Routes {
		out.Routes = append(out.Routes, Route(r))
	}
	out.Routes = append(out.Routes, Route{"/*", site.Service, site.Port})
	for _, header := range slices.Sorted(maps.Keys(site.Headers)) {
		out.Headers = append(out.Headers, Label{header, string(site.Headers[header])})
	}
	if port != standard {
		out.URL += fmt.Sprintf(":%d", port)
	}
	address, err := netip.ParseAddr(e.Address)
	out.Local, out.Private = err == nil && address.IsLoopback(), e.CA != ""
	if err == nil && address.IsUnspecified() {
		address = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	out.Address = netip.AddrPortFrom(address, uint16(port)).String()
	return out
}

// Sites are what a service serves to the world, when it is the edge.
func (s Stack) Sites(service Service) []policy.Site {
	if s.Edge == nil || s.Edge.Service != service.Name {
		return nil
	}
	var out []policy.Site
	for _, site := range s.Edge.Sites {
		out = append(out, policy.Site{Name: site.Name, Address: site.Address, Local: site.Local, TLS: site.TLS, Private: site.Private})
	}
	return out
}

// Moving reports whether a configuration file is a slot, which changes while the edge runs.
func Moving(file string) bool { return strings.HasPrefix(file, edge.SlotDir+"/") }

// MaintenancePage is the slot by which the edge shows its maintenance page.
func MaintenancePage() ConfigFile {
	on := edge.Maintenance(true)[0]
	return ConfigFile{Path: on.Path, Data: on.Data}
}

// Reloads reports whether a service takes another version of its configuration and its secrets without a restart: the edge
// does, where it is started as hsectl starts it.
func (s Stack) Reloads(service Service) bool {
	return s.Edge != nil && s.Edge.Service == service.Name && len(service.Entrypoint) == 0 && slices.Equal(service.Command, edge.Program(ConfigDir))
}

// Loaded names the configuration that a service should have loaded, where it tells: the edge does.
func (s Stack) Loaded(service Service) string {
	if !s.Reloads(service) {
		return ""
	}
	return edge.Digest(service.caddyfile())
}

// WithoutFiles returns a service without the secrets that it only reads as files.
func (s Service) WithoutFiles() Service {
	s.Secrets = slices.DeleteFunc(slices.Clone(s.Secrets), func(f SecretFile) bool { return f.Env == "" })
	return s
}

// Version returns the file by which the edge tells what it has loaded, and from which volumes that came.
func (s Service) Version(volumes ...string) ConfigFile {
	f := edge.Version(s.caddyfile(), volumes...)
	return ConfigFile{Path: f.Path, Data: f.Data}
}

func (s Service) caddyfile() []byte {
	for _, f := range s.Configs {
		if f.Path == edge.MainFile {
			return f.Data
		}
	}
	return nil
}

// Behind reports whether the edge brings traffic to the service.
func (s Stack) Behind(service string) bool {
	return s.Edge != nil && slices.Contains(s.Edge.Upstreams, service)
}
