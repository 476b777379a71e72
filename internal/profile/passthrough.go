package profile

import "github.com/hsectl/hsectl/internal/yamldoc"

// Passthrough are keys of Compose that have no place of their own in a profile, as Compose writes them. They go into the
// rendered file as they are. What they do to a service is read from that file and judged like everything else in it; what breaks
// a control needs an exception.
type Passthrough map[string]any

// DecodeShort takes any mapping as it is.
func (p *Passthrough) DecodeShort(n *yamldoc.Node) (bool, error) {
	if n.Kind != yamldoc.Mapping {
		return true, yamldoc.BadValue("write keys of Compose: {working_dir: /srv}", "it must be a mapping, not a %s", n.What())
	}
	value, _ := n.Plain().(map[string]any)
	*p = value
	return true, nil
}

// Mapping returns the mapping of a key, or nil.
func (p Passthrough) Mapping(key string) map[string]any {
	m, _ := p[key].(map[string]any)
	return m
}

// List returns the items of a list, and a single value as a list of one.
func (p Passthrough) List(key string) []any {
	switch v := p[key].(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}

// Carries reports whether one of the mappings in the mapping of a key has another key.
func (p Passthrough) Carries(key, inside string) bool {
	for _, inner := range p.Mapping(key) {
		if im, ok := inner.(map[string]any); ok && im[inside] != nil {
			return true
		}
	}
	return false
}
