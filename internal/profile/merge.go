package profile

import "strings"

// Layers of a service, weakest first. The names are shown to people.
const (
	layerBuiltIn  = "built-in"
	layerDefaults = "defaults"
	layerProfile  = "profile"
)

// exclusive keys stand for one choice: writing one of them drops the others from weaker layers.
func exclusive(path string) [][]string {
	switch path {
	case "health":
		return [][]string{{"command", "shell", "http", "tcp"}}
	case "":
		return [][]string{{"image", "build"}}
	}
	if strings.HasPrefix(path, "environment.") {
		return [][]string{{"value", "required", "default"}}
	}
	return nil
}

// merge lays the stronger node over the weaker one: mappings merge by key, writable paths by their path,
// and everything else is replaced.
func merge(weak, strong *node, path string) *node {
	if weak.isNull() {
		return strong
	}
	if strong.isNull() {
		return weak
	}
	if path == "writable" && weak.kind == sequence && strong.kind == sequence {
		return mergeByPath(weak, strong)
	}
	if weak.kind != mapping || strong.kind != mapping {
		return strong
	}
	for _, group := range exclusive(path) {
		for _, key := range group {
			if !strong.get(key).isNull() {
				weak = weak.without(group...)
			}
		}
	}
	out := weak.without() // a copy: layers are shared between services
	out.at, out.layer = strong.at, strong.layer
	for _, k := range strong.keys {
		if _, ok := out.vals[k.value]; !ok {
			out.keys = append(out.keys, k)
		}
		out.vals[k.value] = merge(weak.get(k.value), strong.vals[k.value], join(path, k.value))
	}
	return out
}

func mergeByPath(weak, strong *node) *node {
	out := *strong
	out.items = nil
	written := map[string]bool{}
	for _, item := range strong.items {
		if p := item.get("path"); p != nil {
			written[p.value] = true
		}
	}
	for _, item := range weak.items {
		if p := item.get("path"); p == nil || !written[p.value] {
			out.items = append(out.items, item)
		}
	}
	out.items = append(out.items, strong.items...)
	return &out
}
