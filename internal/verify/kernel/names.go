package kernel

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// Files that an engine writes for a container, by which it knows names.
const (
	HostsFile    = "/etc/hosts"
	ResolverFile = "/etc/resolv.conf"
	HostnameFile = "/etc/hostname"
)

// NameFiles are the files that are looked at.
func NameFiles() []string { return []string{HostsFile, ResolverFile, HostnameFile} }

// unreadable stands for a line of which nothing is told: whatever it holds, it is no name and no address.
const unreadable = "?"

var (
	hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9._-]{0,251}[A-Za-z0-9_.])?$`)
	option   = regexp.MustCompile(`^[a-z][a-z0-9-]{1,30}(:[0-9]{1,9})?$`)
)

// Reduced is the text of a file of names without what could be anything else: comments go, and a line that is neither
// names nor settings is only counted. Its lines keep their numbers.
func Reduced(file, text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(strings.TrimRight(line, "\r\n"), "#")
		words := strings.Fields(line)
		if len(words) > 0 && !readable(file, words) {
			words = []string{unreadable}
		}
		out.WriteString(strings.Join(words, " "))
		out.WriteByte('\n')
	}
	return out.String()
}

func readable(file string, words []string) bool {
	all := func(words []string, is func(string) bool) bool {
		return !slices.ContainsFunc(words, func(w string) bool { return !is(w) })
	}
	address := func(w string) bool {
		_, err := netip.ParseAddr(w)
		return err == nil
	}
	switch file {
	case HostsFile:
		return len(words) > 1 && address(words[0]) && all(words[1:], hostName.MatchString)
	case HostnameFile:
		return len(words) == 1 && hostName.MatchString(words[0])
	}
	switch words[0] {
	case "nameserver":
		return len(words) == 2 && address(words[1])
	case "search", "domain":
		return all(words[1:], func(w string) bool { return w == "." || hostName.MatchString(w) })
	case "options":
		return all(words[1:], option.MatchString)
	}
	return false
}

// resolver is what a resolver reads (resolv.conf(5)): the last line of a kind that lists counts.
type resolver struct{ servers, search, options []string }

func resolverOf(reduced string) resolver {
	var out resolver
	for line := range strings.Lines(reduced) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		switch words[0] {
		case "nameserver":
			out.servers = append(out.servers, words[1:]...)
		case "search", "domain":
			out.search = slices.DeleteFunc(words[1:], func(w string) bool { return w == "." })
		case "options":
			out.options = append(out.options, words[1:]...)
		}
	}
	return out
}

// Names are the files by which a container knows names, reduced, and what they are held against.
type Names struct {
	Files   map[string]string `json:"files"`
	Machine string            `json:"machine,omitempty"` // the resolver's file of the machine of the engine, reduced
	Written bool              `json:"written,omitempty"` // the engine has recorded that the resolver's file is just as it wrote it
}

// StrangeNames names the lines of the files that the engine does not write for a wiring.
func (w Wiring) StrangeNames(n Names) ([]string, error) {
	var out []string
	for _, file := range NameFiles() {
		text, ok := n.Files[file]
		if !ok {
			return nil, fmt.Errorf("%s could not be read", file)
		}
		if strings.TrimSpace(text) == "" {
			return nil, errors.New(file + " is empty")
		}
	}
	out = append(out, w.strangeHosts(n.Files[HostsFile])...)
	out = append(out, w.strangeResolver(n)...)
	if name := strings.TrimSpace(n.Files[HostnameFile]); name != w.Hostname && name != w.Hostname+"."+w.Domain {
		out = append(out, HostnameFile+" has another name")
	}
	return out, nil
}

// loopbackNames are those that every engine writes (moby, libnetwork/etchosts).
func loopbackNames() map[string][]string {
	return map[string][]string{
		"127.0.0.1": {"localhost"}, "::1": {"localhost", "ip6-localhost", "ip6-loopback"}, "fe00::": {"ip6-localnet"}, "ff00::": {"ip6-mcastprefix"},
		"ff02::1": {"ip6-allnodes"}, "ff02::2": {"ip6-allrouters"},
	}
}

// gatewayName is an address that the engine puts in.
const gatewayName = "host-gateway"

func (w Wiring) strangeHosts(text string) []string {
	allowed := map[string][]string{} // addresses by name
	allow := func(name, address string) {
		if a, err := netip.ParseAddr(strings.Trim(address, "[]")); err == nil {
			address = a.String()
		}
		name = strings.ToLower(name)
		allowed[name] = append(allowed[name], address)
	}
	for address, names := range loopbackNames() {
		for _, name := range names {
			allow(name, address)
		}
	}
	asked := []string{"localhost"}
	for _, entry := range w.Hosts {
		name, address, _ := strings.Cut(strings.Replace(entry, "=", ":", 1), ":")
		allow(name, address)
		asked = append(asked, strings.ToLower(name))
	}
	for _, e := range w.Ends {
		for _, p := range e.Addresses {
			allow(w.Hostname, p.Addr().String())
			if w.Domain != "" {
				allow(w.Hostname+"."+w.Domain, p.Addr().String())
			}
		}
	}
	var out []string
	has, n := map[string]bool{}, 0
	for line := range strings.Lines(text) {
		n++
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		a, err := netip.ParseAddr(words[0])
		if err != nil || len(words) < 2 {
			out = append(out, fmt.Sprintf("%s line %d is no name of a host", HostsFile, n))
			continue
		}
		for _, name := range words[1:] {
			known := allowed[strings.ToLower(name)]
			has[strings.ToLower(name)] = true
			if !slices.Contains(known, a.String()) && !slices.Contains(known, gatewayName) {
				out = append(out, fmt.Sprintf("%s line %d: %s is %s", HostsFile, n, name, a))
			}
		}
	}
	for _, name := range asked {
		if !has[name] {
			out = append(out, HostsFile+" lacks "+name)
		}
	}
	return out
}

// embedded is the address of the engine's own server of names, on every network that is not docker0.
const embedded = "127.0.0.11"

func (w Wiring) strangeResolver(n Names) []string {
	if n.Written {
		return nil
	}
	var out []string
	say := func(format string, args ...any) { out = append(out, ResolverFile+" "+fmt.Sprintf(format, args...)) }
	line := 0
	for text := range strings.Lines(n.Files[ResolverFile]) {
		line++
		if strings.TrimSpace(text) == unreadable {
			say("line %d is no setting of a resolver", line)
		}
	}
	got, machine := resolverOf(n.Files[ResolverFile]), resolverOf(n.Machine)
	servers := []string{embedded}
	if len(w.Ends) == 0 || slices.ContainsFunc(w.Ends, func(e End) bool { return e.Network == "bridge" }) {
		servers = slices.Concat(w.Servers, machine.servers)
		if len(servers) == 0 {
			servers = nil // those of the machine, which were not read
		}
	}
	if servers != nil {
		for _, s := range got.servers {
			if !slices.Contains(servers, s) {
				say("asks %s", s)
			}
		}
		if len(got.servers) == 0 {
			say("names no server")
		}
	}
	switch {
	case len(w.Search) > 0:
		if want := slices.DeleteFunc(slices.Clone(w.Search), func(s string) bool { return s == "." }); !slices.Equal(got.search, want) {
			say("searches %s", strings.Join(got.search, " "))
		}
	case n.Machine != "":
		for _, s := range got.search {
			if !slices.Contains(machine.search, s) {
				say("searches %s", s)
			}
		}
	}
	if n.Machine == "" && len(w.Options) == 0 {
		return out
	}
	for _, o := range got.options {
		own := strings.HasPrefix(o, "ndots:") && len(w.Options) == 0 && o == "ndots:0"
		if !own && !slices.Contains(w.Options, o) && !slices.Contains(machine.options, o) && !slices.Contains([]string{"ndots:0", "edns0", "trust-ad"}, o) {
			say("has the option %s", o)
		}
	}
	return out
}
