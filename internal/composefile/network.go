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
	switch s.NetworkMode {
	case "host":
		return policy.Unseen[[]policy.Port]("the network is the host's: whatever the service listens on is open")
	case "none":
		return declared([]policy.Port(nil))
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
	case s.NetworkMode == "bridge":
		return declared([]policy.Network{{Name: "bridge", Default: true}})
	case s.NetworkMode != "":
		return policy.Unseen[[]policy.Network]("network_mode is " + s.NetworkMode)
	}
	var out []policy.Network
	for _, name := range slices.Sorted(maps.Keys(s.Networks)) {
		out = append(out, policy.Network{Name: name, Internal: p.Closed(name), External: bool(p.types.Networks[name].External)})
	}
	return declared(out)
}

// Closed reports whether nothing outside answers to a network.
func (p *Project) Closed(name string) bool {
	n := p.types.Networks[name]
	return n.Internal || n.DriverOpts["com.docker.network.bridge.enable_ip_masquerade"] == "false" && !bool(n.External)
}

// environment holds a word in place of a value that comes from elsewhere, so that the name is judged.
func (p *Project) environment(s types.ServiceConfig) policy.Fact[[]policy.Variable] {
	if p.Blind != "" && len(s.EnvFiles) > 0 {
		return policy.Unseen[[]policy.Variable]("env_file: " + p.Blind)
	}
	var out []policy.Variable
	for _, name := range slices.Sorted(maps.Keys(s.Environment)) {
		value, raw := "from elsewhere", p.Raw(s.Name, name)
		if v := s.Environment[name]; v != nil && (*v != "" && *v != placeholder || !strings.Contains(raw, "$")) {
			value = *v
		}
		out = append(out, policy.Variable{Name: name, Value: value})
	}
	return declared(out)
}

// arguments are all words that everybody who may look at the container, or at the file, can read.
func (p *Project) arguments(s types.ServiceConfig) []string {
	out := slices.Concat([]string(s.Entrypoint), []string(s.Command))
	if s.HealthCheck != nil {
		out = append(out, s.HealthCheck.Test...)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Labels)) {
		out = append(out, name+"="+s.Labels[name])
	}
	if s.Build != nil {
		for _, name := range slices.Sorted(maps.Keys(s.Build.Args)) {
			if v := s.Build.Args[name]; v != nil {
				out = append(out, name+"="+*v)
			}
		}
	}
	for _, h := range slices.Concat(s.PostStart, s.PreStop) {
		out = append(out, h.Command...)
	}
	for _, use := range s.Configs {
		if content := p.types.Configs[use.Source].Content; content != "" {
			out = append(out, strings.Split(content, "\n")...)
		}
	}
	return out
}
