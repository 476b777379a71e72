package deploy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/stack"
)

// Narrow returns a desired state in which only some services may change: the others are those of the last release, with
// their variables. What the profile says of networks, volumes and secrets is added to what the release has.
func Narrow(d Desired, only []string) (Desired, error) {
	if d.Last == nil {
		return d, fmt.Errorf("%s has no release yet: deploy all of it first", d.Stack.Name)
	}
	last, model := d.Last.Release, d.Last.Release.Model()
	services := map[string]stack.Service{}
	for _, s := range model.Services {
		services[s.Name] = s
	}
	for _, name := range only {
		s, ok := d.Stack.Service(name)
		if !ok {
			return d, fmt.Errorf("service %q not found", name)
		}
		services[name] = s
	}
	out := d
	out.Only = only
	if edge := d.Stack.Edge; edge != nil && !slices.Contains(only, edge.Service) {
		out.Stack.Edge = model.Edge // which the services behind it are told to, too
	}
	out.Stack.Services = nil
	for _, name := range slices.Sorted(maps.Keys(services)) {
		out.Stack.Services = append(out.Stack.Services, services[name])
	}
	out.Stack.Networks = union(d.Stack.Networks, model.Networks, func(n stack.Network) string { return n.Name })
	out.Stack.Volumes = union(d.Stack.Volumes, model.Volumes, func(v stack.Volume) string { return v.Name })
	out.Stack.Secrets = union(d.Stack.Secrets, model.Secrets, func(s stack.Secret) string { return s.Name })
	out.Environment = merge(last.Environment, d.Environment)
	return out, nil
}

// LeftOutError is a secret whose value changes for a service that may change, and not for others that read it, too.
type LeftOutError struct {
	Secret, Service string
	Readers         []string // that would keep the former value
}

// Error implements error.
func (e *LeftOutError) Error() string {
	return fmt.Sprintf("secret %s has a new value, which service %s would get, and %s not", e.Secret, e.Service, strings.Join(e.Readers, ", "))
}

// agree refuses to give only some of the readers of a secret another value: one end of a connection would have the new one.
func agree(d Desired, o Observed) error {
	kept := keptSecrets(d, o)
	for _, s := range d.Stack.Services {
		if d.untouched(s.Name) {
			continue
		}
		for name, digest := range secretDigests(d, s, kept) {
			var left []string
			for _, other := range d.Stack.Services {
				if has, ok := o.Secrets[other.Name].Digests[name]; ok && has != digest && d.untouched(other.Name) {
					left = append(left, other.Name)
				}
			}
			if len(left) > 0 {
				return &LeftOutError{Secret: name, Service: s.Name, Readers: left}
			}
		}
	}
	return nil
}

// union returns the entries of first, and those of second with other names, sorted by name.
func union[T any](first, second []T, name func(T) string) []T {
	byName := map[string]T{}
	for _, list := range [][]T{second, first} {
		for _, v := range list {
			byName[name(v)] = v
		}
	}
	var out []T
	for _, key := range slices.Sorted(maps.Keys(byName)) {
		out = append(out, byName[key])
	}
	return out
}
