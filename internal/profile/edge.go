package profile

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/yamldoc"
)

// Edge is what stands between the world and the services: a Caddy that hsectl configures. It ends TLS, routes by name and
// path, and moves traffic from one container to the next, so that a deploy loses no request.
type Edge struct {
	Sites   map[string]Site `yaml:"sites" doc:"what is served, by host name"`
	Email   string          `yaml:"email" doc:"address that the certificate authority may write to"`
	CA      string          `yaml:"ca" doc:"ACME directory of another certificate authority than Caddy's own choice"`
	Address string          `yaml:"address" doc:"address of the host that is listened on; default 0.0.0.0"`
	HTTP    int             `yaml:"http" doc:"port of the host for plain HTTP; default 80"`
	HTTPS   int             `yaml:"https" doc:"port of the host for HTTPS and HTTP/3; default 443"`
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
	Order  string   `yaml:"order" doc:"start-first or stop-first; default start-first where the edge can switch traffic or replicas answer meanwhile, and no volume prevents it"`
	Settle Duration `yaml:"settle" doc:"time for which the new container must stay healthy before it gets traffic; default 2s"`
	Drain  Drain    `yaml:"drain" doc:"how long the old container keeps running after the traffic was switched; a duration is the least time"`
}

// Drain says how long the old container may finish what it has begun.
type Drain struct {
	Least      Duration `yaml:"least" doc:"time between switching traffic and stopping the old container; default 1s"`
	WebSockets Duration `yaml:"websockets" doc:"how long open connections may keep the old container running, such as WebSockets; default 10s"`
}

// DecodeShort reads the least time.
func (d *Drain) DecodeShort(n *yamldoc.Node) (bool, error) {
	if n.Kind != yamldoc.Scalar {
		return false, nil
	}
	return true, d.Least.UnmarshalText([]byte(n.Value))
}

// The orders of a rollout.
const (
	StartFirst = "start-first"
	StopFirst  = "stop-first"
)

// EdgeService is the name of the service that the edge becomes.
const EdgeService = "edge"

// EdgeNetwork names the internal network that only the edge and one service share, so that two services behind the edge
// do not reach each other.
func EdgeNetwork(service string) string { return "edge-" + service }

// Example is a name that a site answers to: one of those that a wildcard stands for.
func Example(site string) string {
	if rest, wild := strings.CutPrefix(site, "*."); wild {
		return "hsectl." + rest
	}
	return site
}

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

// listens reports whether the edge can listen where it should; the validator says why not.
func (e *Edge) listens() bool {
	_, err := netip.ParseAddr(e.Address)
	return err == nil && e.HTTP != e.HTTPS && min(e.HTTP, e.HTTPS) > 0 && max(e.HTTP, e.HTTPS) <= 65535
}

// Ports returns what the edge publishes. They are the same inside and outside, because Caddy announces its own for HTTP/3. The engine lets any user listen on
// ports below 1024 in a network namespace of its own.
func (e *Edge) Ports() []Port {
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

// BehindEdge reports whether the edge brings traffic to the service.
func (p *Profile) BehindEdge(service string) bool {
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
	case !p.BehindEdge(name) && s.Containers() == 1: // of several, the others answer
		return "no edge can switch its traffic"
	}
	return ""
}

// Opening says from where a published port may be reached.
type Opening struct {
	Port     int      `yaml:"port" doc:"port of the host that a service publishes, or the edge"`
	Protocol string   `yaml:"protocol" doc:"tcp or udp; default tcp"`
	From     []string `yaml:"from" doc:"addresses and networks that may reach it, such as 10.0.0.0/8; or world"`
}

// World is every address.
const World = "world"

// Sources returns the networks of an opening, and whether every address may come. What cannot be read is left out; the
// validator has refused it.
func (o Opening) Sources() (from []netip.Prefix, world bool) {
	for _, text := range o.From {
		if text == World {
			world = true
		} else if p, err := ParseSource(text); err == nil {
			from = append(from, p)
		}
	}
	return from, world
}

// Local reports whether the opening is for this machine only: every source of it is a loopback address.
func (o Opening) Local() bool {
	from, world := o.Sources()
	return !world && len(from) > 0 && len(from) == len(o.From) && !slices.ContainsFunc(from, func(p netip.Prefix) bool {
		return !p.Addr().IsLoopback() || p.Addr().Is4() && p.Bits() < 8
	})
}

// ParseSource reads an address or a network.
func ParseSource(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err == nil && p != p.Masked() {
		return p, yamldoc.BadValue("write "+p.Masked().String(), "%q is an address within a network", text)
	}
	return p, err
}

// Beyond reports whether a published port is reached from beyond the host.
func (p Port) Beyond() bool {
	a, err := netip.ParseAddr(p.Address)
	return err != nil || !a.IsLoopback()
}
