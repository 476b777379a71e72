package validation

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/hsectl/hsectl/internal/profile"
)

// choicePattern is that of compose-spec for a name in profiles:.
var choicePattern = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`)

// choices checks the names, and that what a service needs is there whenever the service is.
func (v *serviceValidator) choices() {
	for i, name := range v.s.Profiles {
		if !choicePattern.MatchString(name) {
			v.bad(fmt.Sprintf("%s[%d]", v.at("profiles"), i), "use two or more letters, digits, -, _ and .", "%q cannot name a profile of Compose", name)
		}
	}
	if v.root != "" && len(v.s.Profiles) > 0 {
		v.bad(v.at("profiles"), "drop profiles:", "the parts of the monitoring stack cannot be chosen separately")
	}
	if v.p.Edge != nil && len(v.s.Profiles) > 0 && (v.name == profile.EdgeService || v.p.BehindEdge(v.name)) {
		v.bad(v.at("profiles"), "drop profiles:, or take it out of the routes of the edge", "the edge always brings traffic to service %q", v.name)
	}
	for i, d := range v.s.DependsOn {
		other, ok := v.p.Services[d.Service]
		if ok && !alwaysWith(other, v.s) {
			v.bad(fmt.Sprintf("%s[%d]", v.at("depends_on"), i), "give both the same profiles:, or let the other one have none",
				"service %q may be chosen without %q, which it waits for", v.name, d.Service)
		}
	}
}

// alwaysWith reports whether the service is part of every stack that the other is part of.
func alwaysWith(s, other profile.Service) bool {
	if len(s.Profiles) == 0 {
		return true
	}
	return len(other.Profiles) > 0 && !slices.ContainsFunc(other.Profiles, func(name string) bool { return !slices.Contains(s.Profiles, name) })
}

// mostReplicas keeps a slip of the finger from starting containers until the engine ends.
const mostReplicas = 100

// obstacle is what prevents a second container of a service, and the fix.
type obstacle struct{ why, hint string }

// replicas refuses several containers where they would fight for something that only one can have.
func (v *serviceValidator) replicas() {
	n, at := v.s.Containers(), v.at("replicas")
	switch {
	case n < 1:
		v.bad(at, "a service that is not to run is left out of the profile; its volumes stay", "service %q cannot have %d containers", v.name, n)
	case n > mostReplicas:
		v.bad(at, "one engine is not a cluster", "%d containers of service %q are more than %d", n, v.name, mostReplicas)
	case n > 1:
		for _, o := range v.againstSecond() {
			v.bad(at, o.hint, "service %q cannot have %d containers: %s", v.name, n, o.why)
		}
	}
}

// againstSecond says everything that only one container of the service can have.
func (v *serviceValidator) againstSecond() []obstacle {
	if v.root != "" {
		return []obstacle{{"it is a part of the monitoring stack, which has one of each", "drop replicas:"}}
	}
	if v.name == profile.EdgeService && v.p.Edge != nil {
		return []obstacle{{"it is the edge, which alone has the ports of the host", "drop replicas:; one edge balances over all containers behind it"}}
	}
	var out []obstacle
	if v.s.Single != "" {
		out = append(out, obstacle{v.s.Single, "drop replicas:"})
	}
	if len(v.s.Ports) > 0 {
		out = append(out, obstacle{fmt.Sprintf("it publishes port %d of the host, which only one container can have", v.s.Ports[0].Host),
			"drop ports:, and let the edge bring the traffic to all of them: edge: {sites: {shop.example.com: {service: " + v.name + ", port: 8080}}}"})
	}
	for _, w := range v.s.Writable {
		if w.Volume != "" && !v.p.Volumes[w.Volume].Shared {
			out = append(out, obstacle{"all of them would write volume " + w.Volume,
				"when they may at once, write volumes: {" + w.Volume + ": {shared: true}}; what each needs for itself is a tmpfs"})
		}
	}
	for _, item := range v.s.Passthrough.List("volumes") {
		m, _ := item.(map[string]any)
		if source, _ := m["source"].(string); m["type"] == "volume" && m["read_only"] != true && !v.p.Volumes[source].Shared {
			out = append(out, obstacle{fmt.Sprintf("all of them would write volume %s, which is passed through", source),
				"when they may at once, write volumes: {" + source + ": {shared: true}}"})
		}
	}
	if v.s.Hostname != "" {
		out = append(out, obstacle{fmt.Sprintf("hostname %q would be the name of each", v.s.Hostname), "drop hostname:; the service's own name finds all of them"})
	}
	for _, key := range []string{"container_name", "mac_address", "ports"} {
		if _, ok := v.s.Passthrough[key]; ok {
			out = append(out, obstacle{"it passes through " + key + ", which only one container can have", "drop " + key + " under passthrough:"})
		}
	}
	for _, key := range []string{"ipv4_address", "ipv6_address", "mac_address"} {
		if v.s.Passthrough.Carries("networks", key) {
			out = append(out, obstacle{"it passes through a fixed " + key + ", which only one container can have", "drop it under passthrough: networks:"})
		}
	}
	return out
}
