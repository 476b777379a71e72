package profile

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// set returns the tree that an assignment such as services.app.limits.memory=2G stands for, or nil after reporting what
// is wrong with it. The value is YAML; it replaces what weaker layers say.
func (d *documents) set(assignment string) *node {
	at := Position{File: layerFlag + " " + assignment}
	path, value, ok := strings.Cut(assignment, "=")
	if !ok {
		d.c.add(at, "write PATH=VALUE, such as services.app.limits.memory=2G", "there is no value")
		return nil
	}
	keys, ok := splitPath(path)
	if !ok {
		d.c.add(at, "write the keys with dots between them; a key that has dots itself in double quotes", "%q is not a path", path)
		return nil
	}
	if strings.ContainsAny(keys[len(keys)-1], "[]") {
		d.c.add(at, "give the whole list: PATH=[a, b]", "one item of a list cannot be set")
		return nil
	}
	if keys[0] == "extends" || keys[0] == "environments" {
		d.c.add(at, "write it in the profile itself", "%s cannot be set by a flag", keys[0])
		return nil
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(value), &doc); err != nil {
		d.c.add(at, "put the value in quotes", "the value is not YAML")
		return nil
	}
	out := &node{tag: "!!null"}
	if doc.Kind != 0 {
		out = (&grower{file: at.File, layer: layerFlag, c: d.c}).grow(doc.Content[0], 0)
	}
	if out.kind != mapping && out.directive == "" {
		out.directive = override
	}
	for i := len(keys) - 1; i >= 0; i-- {
		key := &node{tag: "!!str", value: keys[i]}
		out = &node{kind: mapping, keys: []*node{key}, vals: map[string]*node{keys[i]: out}}
	}
	return placed(out, at)
}

// placed returns the tree as if all of it had been written at one place by a flag.
func placed(n *node, at Position) *node {
	out := *n
	out.at, out.layer = at, layerFlag
	out.items, out.keys = nil, nil
	for _, item := range n.items {
		out.items = append(out.items, placed(item, at))
	}
	for _, k := range n.keys {
		out.keys = append(out.keys, placed(k, at))
	}
	if n.vals != nil {
		out.vals = make(map[string]*node, len(n.vals))
		for k, v := range n.vals {
			out.vals[k] = placed(v, at)
		}
	}
	return &out
}

// splitPath splits a path at its dots; what is in double quotes stays together.
func splitPath(path string) ([]string, bool) {
	var keys []string
	var key strings.Builder
	quoted := false
	for _, r := range path {
		switch {
		case r == '"':
			quoted = !quoted
		case r == '.' && !quoted:
			keys = append(keys, key.String())
			key.Reset()
		default:
			key.WriteRune(r)
		}
	}
	keys = append(keys, key.String())
	for _, k := range keys {
		if k == "" {
			return nil, false
		}
	}
	return keys, !quoted
}
