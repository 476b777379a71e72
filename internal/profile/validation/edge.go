package validation

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/yamldoc"
)

// edgeValidator checks the edge and the firewall.
type edgeValidator struct{ *validator }

// opens reports whether an opening is about a port.
func opens(o profile.Opening, p profile.Port) bool {
	protocol := o.Protocol
	if protocol == "" {
		protocol = "tcp"
	}
	return o.Port == p.Host && protocol == p.Protocol && (p.Beyond() || o.Local())
}

func (v edgeValidator) firewall() {
	if v.p.Firewall == nil {
		return
	}
	var published []profile.Port
	for _, s := range v.p.Services {
		published = append(published, s.Ports...)
	}
	for i, o := range v.p.Firewall {
		path := fmt.Sprintf("firewall[%d]", i)
		if o.Protocol != "" && o.Protocol != "tcp" && o.Protocol != "udp" {
			v.bad(path+".protocol", "write tcp or udp", "unknown protocol %q", o.Protocol)
			continue
		}
		if !slices.ContainsFunc(published, func(p profile.Port) bool { return opens(o, p) }) {
			v.bad(path+".port", "remove it, publish the port on an address that other machines can reach, or write from: [127.0.0.0/8], which keeps neighbours away from a port on loopback", "no service publishes port %d beyond this machine", o.Port)
		}
		for j, other := range v.p.Firewall[:i] {
			if other.Port == o.Port && (other.Protocol == o.Protocol || other.Protocol+o.Protocol == "tcp") {
				v.bad(path, "join the two", "port %d is declared in firewall[%d] as well", o.Port, j)
			}
		}
		if len(o.From) == 0 {
			v.bad(path+".from", "write from: [10.0.0.0/8], or from: [world]", "no network may reach port %d, so it need not be published", o.Port)
		}
		for j, text := range o.From {
			if text == profile.World {
				continue
			}
			if _, err := profile.ParseSource(text); err != nil {
				v.bad(fmt.Sprintf("%s.from[%d]", path, j), cmp.Or(yamldoc.Hint(err), "write an address, a network such as 10.0.0.0/8, or world"), "%q is not a network", text)
			}
		}
		if slices.Contains(o.From, profile.World) && len(o.From) > 1 {
			v.bad(path+".from", "keep world, or the networks", "world includes the other networks")
		}
	}
	v.unopened()
}

// unopened wants a word about each port that others can reach: the list is what the firewall is judged by.
func (v edgeValidator) unopened() {
	for name, s := range v.p.Services {
		for i, p := range s.Ports {
			if p.Beyond() && checkPort(p) == nil && !slices.ContainsFunc(v.p.Firewall, func(o profile.Opening) bool { return opens(o, p) }) {
				v.bad(fmt.Sprintf("services.%s.ports[%d]", name, i), fmt.Sprintf("add {port: %d, protocol: %s, from: [world]} or a network to firewall:", p.Host, p.Protocol),
					"port %d/%s is published on %s, and firewall: does not declare which networks may reach it", p.Host, p.Protocol, p.Address)
			}
		}
	}
}

var (
	// A host name of RFC 1123, or one with a wildcard as its first label.
	sitePattern = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	})
	routePattern  = regexp.MustCompile(`^/[A-Za-z0-9._~/-]*\*?$`)
	headerPattern = regexp.MustCompile(`^[A-Za-z0-9-]+$`)
	mailPattern   = regexp.MustCompile(`^[^\s@{}"]+@[^\s@{}"]+$`)
)

func (v edgeValidator) edge() {
	e := v.p.Edge
	if e == nil {
		return
	}
	if len(e.Sites) == 0 {
		v.bad("edge.sites", "write sites: {shop.example.com: {service: web, port: 8080}}", "the edge has no sites")
	}
	if a, err := netip.ParseAddr(e.Address); err != nil || a.Zone() != "" {
		v.bad("edge.address", "write an address of the host, such as 0.0.0.0 or 127.0.0.1", "%q is not an address", e.Address)
	}
	for _, port := range []struct {
		key string
		n   int
	}{{"http", e.HTTP}, {"https", e.HTTPS}} {
		if port.n < 1 || port.n > 65535 {
			v.bad("edge."+port.key, "", "port %d is out of range 1 to 65535", port.n)
		}
	}
	if e.HTTP == e.HTTPS {
		v.bad("edge.https", "", "HTTP and HTTPS cannot have the same port %d", e.HTTP)
	}
	if e.Email != "" && !mailPattern.MatchString(e.Email) {
		v.bad("edge.email", "", "%q is not a mail address", e.Email)
	}
	if u, err := url.Parse(e.CA); e.CA != "" && (err != nil || u.Scheme != "https" || u.Host == "" || strings.ContainsAny(e.CA, " {}\"`\n")) {
		v.bad("edge.ca", "write an address such as https://acme.example.com/directory", "%q is not the https address of an ACME directory", e.CA)
	}
	if len(v.p.Services[profile.EdgeService].Ports) > len(e.Ports()) {
		v.bad("services.edge.ports", "set edge.http, edge.https and edge.address", "the ports of the edge follow from edge:")
	}
	for _, name := range slices.Sorted(maps.Keys(e.Sites)) {
		v.site(name, e.Sites[name])
	}
}

func (v edgeValidator) site(name string, s profile.Site) {
	path := "edge.sites." + name
	if !sitePattern().MatchString(name) || len(name) > 253 {
		v.bad(path+"#key", "write a host name in lower case, without scheme and port", "%q cannot name a site", name)
	}
	switch s.TLS {
	case profile.TLSFiles:
		for _, use := range []struct{ key, secret string }{{"certificate", s.Certificate}, {"key", s.Key}} {
			if _, ok := v.p.Secrets[use.secret]; !ok {
				v.bad(path+"."+use.key, "name a secret that holds it as PEM", "%s of site %s: secret %q not found", use.key, name, use.secret)
			}
		}
	case profile.TLSACME, profile.TLSInternal, profile.TLSOff:
		if s.Certificate != "" || s.Key != "" {
			v.bad(path+".tls", "write tls: files, or drop certificate and key", "site %s has a certificate, and tls is %s", name, s.TLS)
		}
		if s.TLS == profile.TLSACME && strings.HasPrefix(name, "*.") {
			v.bad(path+"#key", "name each host, or give the certificate with tls: files", "a wildcard certificate cannot be issued over HTTP: %s", name)
		}
	default:
		v.bad(path+".tls", yamldoc.DidYouMean(s.TLS, []string{profile.TLSACME, profile.TLSFiles, profile.TLSInternal, profile.TLSOff}), "tls %q is none of acme, files, internal, off", s.TLS)
	}
	v.upstream(path, s.Service, s.Port)
	seen := map[string]bool{}
	for i, r := range s.Routes {
		at := fmt.Sprintf("%s.routes[%d]", path, i)
		if !routePattern.MatchString(r.Path) {
			v.bad(at+".path", "write a path such as /api/*", "%q is not a path to route by", r.Path)
		}
		if seen[r.Path] {
			v.bad(at+".path", "keep one of the two", "path %s is routed twice", r.Path)
		}
		seen[r.Path] = true
		v.upstream(at, r.Service, r.Port)
	}
	for _, header := range slices.Sorted(maps.Keys(s.Headers)) {
		value := string(s.Headers[header])
		if !headerPattern.MatchString(header) {
			v.bad(path+".headers."+header+"#key", "", "%q cannot name a header", header)
		}
		if strings.ContainsAny(value, "\r\n{}`\\\"") {
			v.bad(path+".headers."+header, "leave out braces, quotes, backslashes and line breaks", "the value of header %s cannot be written safely", header)
		}
	}
}

func (v edgeValidator) upstream(path, service string, port int) {
	if _, ok := v.p.Services[service]; !ok || service == profile.EdgeService {
		others := slices.DeleteFunc(slices.Collect(maps.Keys(v.p.Services)), func(name string) bool { return name == profile.EdgeService })
		v.bad(path+".service", yamldoc.DidYouMean(service, others), "service %q not found: requests cannot be sent to it", service)
	}
	if port < 1 || port > 65535 {
		v.bad(path+".port", "write the port on which the service listens", "port %d of service %q is out of range 1 to 65535", port, service)
	}
}

// rollout refuses start-first where two containers cannot be side by side.
func (v *serviceValidator) rollout() {
	r := v.s.Rollout
	if r == nil {
		return
	}
	switch r.Order {
	case "", profile.StopFirst:
	case profile.StartFirst:
		if why := v.p.StopFirstBecause(v.name); why != "" && decided(v.p, v.at("rollout.order")) { // as a default it is for whom it fits
			v.bad(v.at("rollout.order"), "use stop-first, or fix that; mark a volume that two containers may write at once with shared: true under volumes:",
				"service %q cannot start first: %s", v.name, why)
		}
	default:
		v.bad(v.at("rollout.order"), yamldoc.DidYouMean(r.Order, []string{profile.StartFirst, profile.StopFirst}), "order %q is none of start-first, stop-first", r.Order)
	}
}
