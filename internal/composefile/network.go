package composefile

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/hsectl/hsectl/internal/policy"
)

// Ports are the published ports as written. One that the engine chooses has number 0.
func Ports(s types.ServiceConfig) []policy.Port {
	var out []policy.Port
	for _, p := range s.Ports {
		host, _ := strconv.Atoi(p.Published) // a range, or none: the engine chooses
		out = append(out, policy.Port{Address: cmp.Or(p.HostIP, "0.0.0.0"), Host: host, Container: int(p.Target), Protocol: cmp.Or(p.Protocol, "tcp")})
	}
	return out
}

// Published are the ports that the engine publishes: none for a service that is on internal networks only.
func (p *Project) Published(s types.ServiceConfig) policy.Fact[[]policy.Port] {
	switch {
	case p.onHost(s):
		return policy.Unseen[[]policy.Port]("the network is the host's: whatever the service listens on is open")
	case s.NetworkMode == "none":
		return declared([]policy.Port(nil))
	case strings.HasPrefix(s.NetworkMode, "service:") || strings.HasPrefix(s.NetworkMode, "container:"):
		return policy.Unseen[[]policy.Port]("the network is that of another container, and so are its ports")
	}
	for _, name := range slices.Sorted(maps.Keys(s.Networks)) {
		if why := unguarded(p.types.Networks[name]); why != "" {
			return policy.Unseen[[]policy.Port]("network " + name + " " + why + ": whatever the service listens on can be reached")
		}
	}
	for name := range s.Networks {
		if !p.types.Networks[name].Internal {
			return declared(Ports(s))
		}
	}
	if len(s.Networks) == 0 {
		return declared(Ports(s))
	}
	return declared([]policy.Port(nil))
}

func (p *Project) networks(s types.ServiceConfig) policy.Fact[[]policy.Network] {
	switch {
	case s.NetworkMode == "none":
		return declared([]policy.Network(nil))
	case s.NetworkMode == "bridge" || s.NetworkMode == "default":
		return declared([]policy.Network{{Name: "bridge", Default: true}})
	case s.NetworkMode != "":
		return policy.Unseen[[]policy.Network]("network_mode is " + s.NetworkMode)
	}
	var out []policy.Network
	for _, name := range slices.Sorted(maps.Keys(s.Networks)) {
		if p.types.Networks[name].Name == "bridge" && bool(p.types.Networks[name].External) {
			out = append(out, policy.Network{Name: name, Default: true})
			continue
		}
		out = append(out, policy.Network{Name: name, Internal: p.Closed(name), External: bool(p.types.Networks[name].External)})
	}
	return declared(out)
}

// Closed reports whether nothing outside answers to a network.
func (p *Project) Closed(name string) bool {
	n := p.types.Networks[name]
	unmasked := n.DriverOpts[bridgeOption+"enable_ip_masquerade"] == "false" && !bool(n.External) && (n.EnableIPv6 == nil || !*n.EnableIPv6)
	return n.Internal || unmasked && bridge(n.Driver) || n.Driver == "null"
}

const bridgeOption = "com.docker.network.bridge."

func bridge(driver string) bool { return driver == "" || driver == "bridge" || driver == "default" }

// onHost reports whether a service has the host's network, by its mode or by a network that is it.
func (p *Project) onHost(s types.ServiceConfig) bool {
	for name := range s.Networks {
		if n := p.types.Networks[name]; n.Driver == "host" || n.Name == "host" && bool(n.External) {
			return true
		}
	}
	return s.NetworkMode == "host"
}

// unguarded says why what a service listens on can be reached from outside without being published; empty when it cannot.
func unguarded(n types.NetworkConfig) string {
	switch {
	case n.Internal:
		return ""
	case slices.Contains([]string{"macvlan", "ipvlan"}, n.Driver):
		return "is of driver " + n.Driver
	}
	for _, key := range []string{"gateway_mode_ipv4", "gateway_mode_ipv6"} {
		if mode := n.DriverOpts[bridgeOption+key]; mode == "routed" || mode == "nat-unprotected" {
			return "has " + key + " " + mode
		}
	}
	return ""
}

// unknownNetwork names what of a network this version does not know.
func unknownNetwork(name string, n types.NetworkConfig) []string {
	if bool(n.External) {
		return nil // HSE-NET-005 says so
	}
	var out []string
	at := "networks." + name + "."
	if !bridge(n.Driver) && !slices.Contains([]string{"host", "null", "macvlan", "ipvlan"}, n.Driver) {
		out = append(out, at+"driver "+n.Driver)
	}
	known := strings.Fields("enable_ip_masquerade enable_icc name host_binding_ipv4 gateway_mode_ipv4 gateway_mode_ipv6 inhibit_ipv4")
	for key := range n.DriverOpts {
		option, ok := strings.CutPrefix(key, bridgeOption)
		other := slices.Contains([]string{"com.docker.network.driver.mtu", "com.docker.network.container_iface_prefix"}, key) || !bridge(n.Driver) && slices.Contains([]string{"parent", "macvlan_mode", "ipvlan_mode", "ipvlan_flag"}, key)
		if !(ok && slices.Contains(known, option)) && !other {
			out = append(out, at+"driver_opts "+key)
		}
	}
	for _, key := range []string{"gateway_mode_ipv4", "gateway_mode_ipv6"} {
		if mode := n.DriverOpts[bridgeOption+key]; !slices.Contains([]string{"", "nat", "nat-unprotected", "routed", "isolated"}, mode) {
			out = append(out, at+"driver_opts "+key+" "+mode)
		}
	}
	if n.Ipam.Driver != "" && n.Ipam.Driver != "default" {
		out = append(out, at+"ipam.driver "+n.Ipam.Driver)
	}
	if len(n.Ipam.Options) > 0 {
		out = append(out, at+"ipam.options")
	}
	return out
}

// environment holds a word in place of a value that comes from elsewhere, so that the name is judged. What hooks get counts.
func (p *Project) environment(s types.ServiceConfig) policy.Fact[[]policy.Variable] {
	out := p.Variables(s.Name)
	if p.Blind != "" && len(s.EnvFiles) > 0 && !slices.ContainsFunc(out, policy.LooksSecret) {
		return policy.Unseen[[]policy.Variable]("env_file: " + p.Blind)
	}
	return declared(out)
}

// Variables are those of a service and of its hooks, as far as they are in the files themselves or in files that could be read.
func (p *Project) Variables(service string) []policy.Variable {
	s, _ := p.config(service)
	var out []policy.Variable
	for _, name := range slices.Sorted(maps.Keys(s.Environment)) {
		value, raw := elsewhere, p.Raw(s.Name, name)
		if v := s.Environment[name]; v != nil && (*v != "" && *v != placeholder || !strings.Contains(raw, "$")) {
			value = *v
		}
		out = append(out, policy.Variable{Name: name, Value: value})
	}
	for _, h := range hooks(s) {
		for _, name := range slices.Sorted(maps.Keys(h.environment)) {
			value := elsewhere
			if v := h.environment[name]; v != nil {
				value = *v
			}
			out = append(out, policy.Variable{Name: name, Value: value})
		}
	}
	return out
}

// elsewhere is a word for a value that the file does not hold.
const elsewhere = "from elsewhere"

// arguments are all words that everybody who may look at the container, or at the file, can read.
func (p *Project) arguments(s types.ServiceConfig) policy.Fact[[]string] {
	out := slices.Concat([]string(s.Entrypoint), []string(s.Command))
	words := func(values map[string]string) {
		for _, name := range slices.Sorted(maps.Keys(values)) {
			out = append(out, name+"="+values[name])
		}
	}
	if s.HealthCheck != nil {
		out = append(out, s.HealthCheck.Test...)
	}
	for _, v := range s.Volumes { // whoever may look at a volume sees with which password it is mounted
		if options := p.types.Volumes[v.Source].DriverOpts; v.Type == types.VolumeTypeVolume {
			out = append(out, strings.Split(options["o"], ",")...)
			for _, name := range slices.Sorted(maps.Keys(options)) {
				if name != "o" && name != "device" {
					out = append(out, name+"="+options[name])
				}
			}
			if device := options["device"]; device != "" {
				out = append(out, device)
			}
		}
	}
	words(s.Labels)
	words(s.Annotations)
	if s.Logging != nil {
		words(s.Logging.Options)
	}
	if s.Deploy != nil {
		words(s.Deploy.Labels)
	}
	if b := s.Build; b != nil {
		for _, name := range slices.Sorted(maps.Keys(b.Args)) {
			if v := b.Args[name]; v != nil {
				out = append(out, name+"="+*v)
			}
		}
		words(b.Labels)
		out = append(out, strings.Fields(b.DockerfileInline)...)
	}
	for _, h := range hooks(s) {
		out = append(out, h.command...)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Networks)) {
		words(p.types.Networks[name].Labels)
	}
	for _, v := range s.Volumes {
		if v.Volume != nil {
			words(v.Volume.Labels)
		}
		words(p.types.Volumes[v.Source].Labels)
		out = append(out, strings.Split(p.types.Volumes[v.Source].DriverOpts["o"], ",")...) // a password of a share
	}
	for _, use := range s.Configs {
		c := p.types.Configs[use.Source]
		words(c.Labels)
		out = append(out, lines(c.Content)...)
	}
	for _, use := range s.Secrets {
		c := p.types.Secrets[use.Source]
		words(c.Labels)
		if c.Content != "" {
			out = append(out, "secret="+strings.ReplaceAll(c.Content, "/", "-")) // whatever it is, everybody can read it here
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Models)) {
		out = append(out, p.types.Models[name].RuntimeFlags...)
	}
	if p.Blind != "" && len(s.LabelFiles) > 0 && len(policy.SecretArguments(out)) == 0 {
		return policy.Unseen[[]string]("label_file: " + p.Blind)
	}
	return declared(out)
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}
