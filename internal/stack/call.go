package stack

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"

	"github.com/hsectl/hsectl/internal/profile"
)

// Protocol is what a service speaks on a port, as far as the profile says it.
type Protocol struct {
	Port   int
	Scheme string // http, postgres, mysql, redis or tcp
	Path   string // of HTTP
}

// Reach is a question of the profile's own, by which it wants its service to be proven reachable.
type Reach struct {
	From   string // service that asks, or host; empty is the service itself
	URL    string
	Status int // wanted of HTTP; 0 is 200 to 399
}

// Call is one way in which a service is called: from where, and with which question.
type Call struct {
	From    string // service whose containers ask; empty is the machine of the engine
	Service string // that is called
	What    string // what makes it a way: a published port, a site, a dependency, a question of the profile
	URL     string // the question; its scheme is the protocol
	Address string // host:port to connect to, where that is not what the URL says
	Status  int    // wanted of HTTP; 0 is 200 to 399
	Any     bool   // every answer of HTTP will do: it is the way that is proven
	Own     bool   // asked at the own address of the container that asks
}

// Schemes are the protocols in which may be asked.
func Schemes() []string { return profile.ReachSchemes() }

// Caller names who asks.
func (c Call) Caller() string { return cmp.Or(c.From, profile.ReachHost) }

// newProtocols are what the profile says of the ports of a service.
func newProtocols(s profile.Service) []Protocol {
	var out []Protocol
	add := func(p Protocol) {
		if !slices.ContainsFunc(out, func(o Protocol) bool { return o.Port == p.Port }) {
			out = append(out, p)
		}
	}
	if known := s.Speaks; known != nil {
		switch listen := s.Verify.Listen; {
		case len(listen) == 0 || slices.Contains(listen, known.Port):
			add(Protocol{Port: known.Port, Scheme: known.Scheme})
		case len(listen) == 1:
			add(Protocol{Port: listen[0], Scheme: known.Scheme})
		}
	}
	if h := s.Health; h != nil && h.HTTP != nil {
		add(Protocol{h.HTTP.Port, "http", h.HTTP.Path})
	} else if h != nil && h.TCP != 0 {
		add(Protocol{Port: h.TCP, Scheme: "tcp"})
	}
	if s.Metrics != nil {
		add(Protocol{s.Metrics.Port, "http", s.Metrics.Path})
	}
	slices.SortFunc(out, func(a, b Protocol) int { return cmp.Compare(a.Port, b.Port) })
	return out
}

// speaks is what a service speaks on a port: TCP, where the profile does not say more.
func (s Service) speaks(port int) Protocol {
	i := slices.IndexFunc(s.Protocols, func(p Protocol) bool { return p.Port == port })
	if i < 0 {
		return Protocol{Port: port, Scheme: "tcp"}
	}
	return s.Protocols[i]
}

// answers are the ports on which dependents may expect a service: those that it says it listens on, or else those whose protocol
// is known. What only Prometheus or a health test asks is not for them.
func (s Service) answers() []Protocol {
	var out []Protocol
	for _, port := range s.Listen {
		out = append(out, s.speaks(port))
	}
	if len(out) > 0 {
		return out
	}
	return slices.DeleteFunc(slices.Clone(s.Protocols), func(p Protocol) bool { return s.Metrics != nil && s.Metrics.Port == p.Port && len(s.Protocols) > 1 })
}

func question(p Protocol, host string) string {
	u := url.URL{Scheme: p.Scheme, Host: net.JoinHostPort(host, strconv.Itoa(p.Port))}
	if p.Scheme == "http" {
		u.Path = cmp.Or(p.Path, "/")
	}
	return u.String()
}

// Calls are all the ways in which the services of a stack are called: published ports and sites from the machine of the engine,
// what the sites lead to from the edge, dependencies from those that have them, and the questions of the profile.
func (s Stack) Calls() []Call {
	var out []Call
	for _, service := range s.Services {
		out = append(out, s.portCalls(service)...)
	}
	out = append(out, s.siteCalls()...)
	for _, service := range s.Services {
		for _, d := range service.DependsOn {
			out = append(out, dependencyCalls(s, service, d)...)
		}
		for _, r := range service.Reach {
			from := cmp.Or(r.From, service.Name)
			if r.From == profile.ReachHost {
				from = ""
			}
			out = append(out, Call{From: from, Service: service.Name, What: "verify.reach", URL: r.URL, Status: r.Status})
		}
	}
	return out
}

// portCalls ask at published ports. A datagram that nothing takes is refused only where the engine does not carry it: it is sent
// within the container, to the address at which others find it.
func (s Stack) portCalls(service Service) []Call {
	edge := s.Edge != nil && s.Edge.Service == service.Name
	var out []Call
	for _, p := range service.Ports {
		if service.Paired(p) { // what answers on IPv4 is what is published on IPv6
			continue
		}
		at := net.JoinHostPort(reachable(p.Address), strconv.Itoa(p.Host))
		call := Call{Service: service.Name, What: "port " + at, Any: true}
		switch protocol := service.speaks(p.Container); {
		case p.Protocol == "udp" && edge:
			call.What += "/udp"
			call.URL = "quic://" + at
		case p.Protocol == "udp":
			call.What += "/udp"
			call.From, call.Own, call.URL = service.Name, true, question(Protocol{Port: p.Container, Scheme: "udp"}, service.Name)
		case edge: // it has no answer but to the names of its sites
			call.URL = "tcp://" + at
		default:
			call.URL, call.Address = question(protocol, service.Name), at
		}
		out = append(out, call)
	}
	return out
}

// reachable is where the machine itself reaches what is published on an address.
func reachable(address string) string {
	a, err := netip.ParseAddr(address)
	switch {
	case err != nil || a == netip.IPv4Unspecified():
		return "127.0.0.1"
	case a == netip.IPv6Unspecified():
		return "::1"
	}
	return address
}

func (s Stack) siteCalls() []Call {
	if s.Edge == nil {
		return nil
	}
	var out []Call
	seen := map[string]bool{}
	for _, site := range s.Edge.Sites {
		name := profile.Example(site.Name)
		call := Call{Service: s.Edge.Service, What: "site " + site.Name, URL: "https://" + name + "/", Address: site.Address, Any: true}
		switch site.TLS {
		case profile.TLSOff:
			call.URL = "http://" + name + "/"
		case profile.TLSACME: // the certificate may still be on its way
			call.URL, call.Address = "tcp://"+site.Address, ""
		}
		out = append(out, call)
		for _, r := range site.Routes {
			u := question(Protocol{Port: r.Port, Scheme: "http"}, r.Service)
			if _, exists := s.Service(r.Service); exists && !seen[u] {
				seen[u] = true
				out = append(out, Call{From: s.Edge.Service, Service: r.Service, What: "site " + site.Name, URL: u, Any: true})
			}
		}
	}
	return out
}

// dependencyCalls ask what a service depends on, where a network leads there. What is done when it has ended answers nothing.
func dependencyCalls(s Stack, from Service, d Dependency) []Call {
	on, exists := s.Service(d.Service)
	if Once(s, from) { // what has ended asks for nothing
		return nil
	}
	if !exists || d.Condition == "completed" || !slices.ContainsFunc(on.Networks, func(n string) bool { return slices.Contains(from.Networks, n) }) {
		return nil
	}
	var out []Call
	for _, p := range on.answers() {
		out = append(out, Call{From: from.Name, Service: on.Name, What: "dependency of " + from.Name, URL: question(p, on.Name), Any: true})
	}
	return out
}

// Through are the calls by which the edge reaches the services behind it.
func (s Stack) Through() []Call {
	return slices.DeleteFunc(s.siteCalls(), func(c Call) bool { return c.From == "" })
}

// At is the call with another name of who is asked, such as that of one of several containers.
func (c Call) At(name string) Call {
	if u, err := url.Parse(c.URL); err == nil {
		u.Host = net.JoinHostPort(name, u.Port())
		c.URL = u.String()
	}
	return c
}

// String names the call for people.
func (c Call) String() string { return fmt.Sprintf("%s from %s", c.What, c.Caller()) }

// Watches reports whether one of two stacks is the monitoring of the other, which is on its networks as the profile declares.
func (s Stack) Watches(project string) bool {
	return project == profile.MonitoringName(s.Name) || s.Name == profile.MonitoringName(project)
}
