package yamldoc

import "cmp"

// Directives of the Compose specification: a tag on a value that changes how it is merged.
const (
	Reset    = "!reset"    // drops what every weaker layer says
	Override = "!override" // replaces it, where the rule would be to add
)

// Identity names an item of a list, so that a stronger layer can replace it.
type Identity func(*Node) string

// Merger lays one tree over another. Lists tells how items of the list at a path are told apart; nil means that the
// stronger list replaces the weaker one. Exclusive returns keys that stand for one choice: writing one of them drops
// the others from weaker layers.
type Merger struct {
	Lists     func(path string) Identity
	Exclusive func(path string) [][]string
}

// Merge lays the stronger node over the weaker one. What is replaced is kept in overrides.
func (m Merger) Merge(weak, strong *Node, path string) *Node {
	switch {
	case weak == nil:
		return strong
	case strong == nil || strong.IsNull() && strong.Directive != Reset:
		return weak
	case strong.Directive != "" || weak.IsNull():
		return strong.over(weak)
	case weak.Kind == Mapping && strong.Kind == Mapping:
		return m.mappings(weak, strong, path)
	}
	if same := m.Lists(path); same != nil && weak.Kind == Sequence && strong.Kind == Sequence {
		return appended(weak, strong, same)
	}
	return strong.over(weak)
}

func (m Merger) mappings(weak, strong *Node, path string) *Node {
	for _, group := range m.Exclusive(path) {
		for _, key := range group {
			if !strong.Get(key).IsNull() {
				weak = weak.Without(group...).With(key, weak.Get(key))
			}
		}
	}
	out := weak.Without() // a copy: layers are shared between services
	out.At, out.Layer = strong.At, strong.Layer
	for _, k := range strong.Keys {
		if _, ok := out.Values[k.Value]; !ok {
			out.Keys = append(out.Keys, k)
		}
		out.Values[k.Value] = m.Merge(weak.Get(k.Value), strong.Values[k.Value], Join(path, k.Value))
	}
	return out
}

// over returns the node, remembering what it took the place of behind what it already did.
func (n *Node) over(weak *Node) *Node {
	out := *n
	out.Overrides = weak
	if n.Overrides != nil {
		out.Overrides = n.Overrides.over(weak)
	}
	return &out
}

// appended adds the stronger items behind the weaker ones. An item that names the same thing takes its place.
func appended(weak, strong *Node, same Identity) *Node {
	out := *strong
	out.Items = nil
	written := map[string]*Node{}
	for _, item := range strong.Items {
		written[same(item)] = item
	}
	for _, item := range weak.Items {
		if id := same(item); id == "" || written[id] == nil {
			out.Items = append(out.Items, item)
		}
	}
	out.Items = append(out.Items, strong.Items...)
	return &out
}

// ByField tells items apart by one of their keys.
func ByField(key string) Identity {
	return func(n *Node) string {
		if v := n.Get(key); v != nil {
			return v.Value
		}
		return ""
	}
}

// ByName tells items apart that may be a bare name or a mapping with a name.
func ByName(key string) Identity {
	return func(n *Node) string { return cmp.Or(n.Value, ByField(key)(n)) }
}

// Prune takes out what !reset removes. What lies at a path that keep names stays as it is.
func (n *Node) Prune(path string, keep func(path string) bool) *Node {
	if n == nil || n.Kind != Mapping || keep(path) {
		return n
	}
	out := n.Without()
	var keys []*Node
	for _, k := range out.Keys {
		v := out.Values[k.Value]
		if v.Directive == Reset {
			delete(out.Values, k.Value)
			continue
		}
		keys = append(keys, k)
		out.Values[k.Value] = v.Prune(Join(path, k.Value), keep)
	}
	out.Keys = keys
	return out
}
