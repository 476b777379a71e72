package verify

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/stack"
)

// Resident is a container of the engine, as far as it may share something with a stack.
type Resident struct {
	ID, Name   string
	Project    string // by its labels, which anyone may write
	Service    string // by its labels
	Oneoff     bool   // by its labels
	Role       string // of hsectl's own containers, by its labels
	For        string // stack that it has the role for, by its labels
	Own        bool   // proven to be a container that hsectl itself makes, by its image and its settings
	Running    bool
	Networks   map[string][]string // the names that it answers to, by network
	Host       bool                // it is on the network of the machine
	Namespaces map[string][]string // kinds of namespaces, by the id of the container that they are of
	Volumes    []string            // names
	Ports      []policy.Port       // published
}

// of reports whether a resident is listed as a container of a service of the stack, and judged as one.
func (r Resident) of(s stack.Stack) bool {
	_, ok := s.Service(r.Service)
	return ok && r.Project == s.Name && !r.Oneoff && r.Role == ""
}

// neighbours are the containers that share something with each service and do not belong to it. What is declared as made elsewhere is
// shared on purpose, and so are its networks with the monitoring of a stack; a name belongs to its service alone everywhere.
func neighbours(s stack.Stack, all []Resident) map[string][]policy.Neighbour {
	out := map[string][]policy.Neighbour{}
	add := func(service string, r Resident, format string, args ...any) {
		n := policy.Neighbour{Container: display.Name(r.Name), Shares: display.Name(fmt.Sprintf(format, args...)), Machine: format == onMachine}
		if !slices.Contains(out[service], n) {
			out[service] = append(out[service], n)
		}
	}
	for _, r := range all {
		if r.Own {
			continue
		}
		member := r.of(s)
		if !member {
			labelled(s, r, add)
		}
		for _, o := range all {
			if !o.of(s) || o.ID == r.ID || member && o.Service == r.Service {
				continue
			}
			if r.Running {
				named(o, r, member, add)
			}
			if !member && r.Running {
				shared(s, o, r, add)
			}
		}
	}
	return out
}

// Strangers names the containers that share something with a stack and are not declared, each with what it shares.
func Strangers(s stack.Stack, all []Resident) []string {
	var out []string
	found := neighbours(s, all)
	for _, service := range slices.Sorted(maps.Keys(found)) {
		for _, n := range found[service] {
			if !n.Machine {
				out = append(out, fmt.Sprintf("%s: container %s %s", service, n.Container, n.Shares))
			}
		}
	}
	return out
}

type share func(service string, r Resident, format string, args ...any)

// labelled finds what calls itself a part of the stack, or of hsectl, and is none.
func labelled(s stack.Stack, r Resident, add share) {
	about := r.Service
	if _, ok := s.Service(about); !ok && len(s.Services) > 0 {
		about = s.Services[0].Name
	}
	switch {
	case r.Project == s.Name && r.Oneoff:
		add(about, r, "is a one-off with the labels of the stack")
	case r.Running && r.Role != "" && r.For == s.Name:
		add(about, r, "has the label of a %s of hsectl, and was not made by it", r.Role)
	}
}

// named finds a container that answers to a name of a service on one of its networks. The name of its own service is its own.
func named(o, r Resident, member bool, add share) {
	for _, network := range slices.Sorted(maps.Keys(o.Networks)) {
		answers, both := r.Networks[network]
		if !both {
			continue
		}
		for _, name := range append([]string{o.Service}, o.Networks[network]...) {
			if member && name == r.Service {
				continue
			}
			if slices.ContainsFunc(answers, func(n string) bool { return strings.EqualFold(n, name) }) {
				add(o.Service, r, "answers to the name %s on network %s", name, network)
			}
		}
	}
}

// onMachine is what a container on the network of the machine shares: no more than every process of the machine does.
const onMachine = "is on the network of the machine, for which alone port %s:%d is published"

func shared(s stack.Stack, o, r Resident, add share) {
	for _, network := range slices.Sorted(maps.Keys(o.Networks)) {
		if _, both := r.Networks[network]; both && !external(s, network) && (r.Oneoff || !s.Watches(r.Project)) {
			add(o.Service, r, "is on network %s", network)
		}
	}
	for _, kind := range r.Namespaces[o.ID] {
		add(o.Service, r, "is in its %s namespace", kind)
	}
	for _, kind := range o.Namespaces[r.ID] {
		add(o.Service, r, "lends it its %s namespace", kind)
	}
	for _, v := range o.Volumes {
		if slices.Contains(r.Volumes, v) && !external(s, v) {
			add(o.Service, r, "mounts volume %s", v)
		}
	}
	for _, p := range o.Ports {
		if slices.ContainsFunc(r.Ports, func(q policy.Port) bool { return q.Host == p.Host && q.Protocol == p.Protocol }) {
			add(o.Service, r, "publishes port %d/%s, too", p.Host, p.Protocol)
		}
		if r.Host && strings.HasPrefix(p.Address, "127.") {
			add(o.Service, r, onMachine, p.Address, p.Host)
		}
	}
}

// external reports whether the profile says of a network or a volume that it is made elsewhere.
func external(s stack.Stack, name string) bool {
	return slices.ContainsFunc(s.Networks, func(n stack.Network) bool { return n.External && n.Name == name }) ||
		slices.ContainsFunc(s.Volumes, func(v stack.Volume) bool { return v.External && v.Name == name })
}

// neighbourFacts are what the engine's other containers share with each service.
func neighbourFacts(s stack.Stack, all []Resident, err error) func(service string) policy.Fact[[]policy.Neighbour] {
	found := neighbours(s, all)
	return func(service string) policy.Fact[[]policy.Neighbour] {
		if err != nil {
			return policy.Unseen[[]policy.Neighbour](display.Name(err.Error()))
		}
		if !slices.ContainsFunc(all, func(r Resident) bool { return r.of(s) && r.Service == service }) {
			return policy.Unseen[[]policy.Neighbour]("the engine does not list the service's own container")
		}
		return policy.Seen(found[service], finding.Applied)
	}
}
