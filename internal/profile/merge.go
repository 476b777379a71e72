package profile

import "strings"

// Names of layers, weakest first. They are shown to people, together with "preset NAME", "baseline NAME",
// "extends FILE", "environment NAME" and "overlay FILE".
const (
	layerBuiltIn  = "built-in"
	layerDefaults = "defaults"
	layerProfile  = "profile"
	layerFlag     = "--set"
)

// own reports whether a layer is what users wrote for this stack, and not the library.
func own(layer string) bool {
	return layer != layerBuiltIn && !strings.HasPrefix(layer, "preset ") && !strings.HasPrefix(layer, "baseline ")
}

// Directives of the Compose specification: a tag on a value that changes how it is merged.
const (
	reset    = "!reset"    // drops what every weaker layer says
	override = "!override" // replaces it, where the rule would be to add
)

// identity names an item of a list, so that a stronger layer can replace it.
type identity func(*node) string

// merger lays one tree over another. Lists tells how items of the list at a path are told apart; nil means that the
// stronger list replaces the weaker one. Exclusive returns keys that stand for one choice: writing one of them drops
// the others from weaker layers.
type merger struct {
	lists     func(path string) identity
	exclusive func(path string) [][]string
}

// layering merges what one service is made of: writable paths by their path, every other list is replaced.
func layering() merger {
	lists := func(path string) identity {
		if path == "writable" {
			return field("path")
		}
		return nil
	}
	return merger{lists, func(path string) [][]string {
		if path == "" {
			return [][]string{{"image", "build"}} // a preset's image is not what a service builds
		}
		return choices(path)
	}}
}

// choices are the values of which a service has one.
func choices(path string) [][]string {
	if path == "health" {
		return [][]string{{"command", "shell", "http", "tcp", "none"}}
	}
	if strings.HasPrefix(path, "environment.") {
		return [][]string{{"value", "required", "default"}}
	}
	return nil
}

// merge lays the stronger node over the weaker one. What is replaced is kept in overrides, for Explain.
func (m merger) merge(weak, strong *node, path string) *node {
	switch {
	case weak == nil:
		return strong
	case strong == nil || strong.isNull() && strong.directive != reset:
		return weak
	case strong.directive != "" || weak.isNull():
		return strong.over(weak)
	case weak.kind == mapping && strong.kind == mapping:
		return m.mappings(weak, strong, path)
	}
	if same := m.lists(inService(path)); same != nil && weak.kind == sequence && strong.kind == sequence {
		return appended(weak, strong, same)
	}
	return strong.over(weak)
}

func (m merger) mappings(weak, strong *node, path string) *node {
	for _, group := range m.exclusive(inService(path)) {
		for _, key := range group {
			if !strong.get(key).isNull() {
				weak = weak.without(group...).with(key, weak.get(key))
			}
		}
	}
	out := weak.without() // a copy: layers are shared between services
	out.at, out.layer = strong.at, strong.layer
	for _, k := range strong.keys {
		if _, ok := out.vals[k.value]; !ok {
			out.keys = append(out.keys, k)
		}
		out.vals[k.value] = m.merge(weak.get(k.value), strong.vals[k.value], join(path, k.value))
	}
	return out
}

// over returns the node, remembering what it took the place of behind what it already did.
func (n *node) over(weak *node) *node {
	out := *n
	out.overrides = weak
	if n.overrides != nil {
		out.overrides = n.overrides.over(weak)
	}
	return &out
}

// appended adds the stronger items behind the weaker ones. An item that names the same thing takes its place.
func appended(weak, strong *node, same identity) *node {
	out := *strong
	out.items = nil
	written := map[string]*node{}
	for _, item := range strong.items {
		written[same(item)] = item
	}
	for _, item := range weak.items {
		if id := same(item); id == "" || written[id] == nil {
			out.items = append(out.items, item)
		}
	}
	out.items = append(out.items, strong.items...)
	return &out
}

// inService turns the path of a document into the path within its service: services.app.ports and defaults.ports
// become ports. Other paths stay as they are.
func inService(path string) string {
	rest, ok := strings.CutPrefix(path, "services.")
	if ok {
		_, rest, _ = strings.Cut(rest, ".")
		return rest
	}
	if rest, ok = strings.CutPrefix(path, "defaults."); ok {
		return rest
	}
	return path
}
