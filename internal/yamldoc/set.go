package yamldoc

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// Set returns the tree in which nothing but the value at keys is written, as if by one layer at one place, or nil after
// reporting that the value is not YAML. A list or a plain value replaces what weaker layers say.
func Set(keys []string, value string, at Position, layer string, c *Collector) *Node {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(value), &doc); err != nil {
		c.Add(at, "put the value in quotes", "the value is not YAML")
		return nil
	}
	out := &Node{Tag: "!!null"}
	if doc.Kind != 0 {
		out = (&grower{file: at.File, layer: layer, c: c}).grow(doc.Content[0], 0)
	}
	if out.Kind != Mapping && out.Directive == "" {
		out.Directive = Override
	}
	for i := len(keys) - 1; i >= 0; i-- {
		key := &Node{Tag: "!!str", Value: keys[i]}
		out = &Node{Kind: Mapping, Keys: []*Node{key}, Values: map[string]*Node{keys[i]: out}}
	}
	return placed(out, at, layer)
}

// placed returns the tree as if all of it had been written at one place by one layer.
func placed(n *Node, at Position, layer string) *Node {
	out := *n
	out.At, out.Layer = at, layer
	out.Items, out.Keys = nil, nil
	for _, item := range n.Items {
		out.Items = append(out.Items, placed(item, at, layer))
	}
	for _, k := range n.Keys {
		out.Keys = append(out.Keys, placed(k, at, layer))
	}
	if n.Values != nil {
		out.Values = make(map[string]*Node, len(n.Values))
		for k, v := range n.Values {
			out.Values[k] = placed(v, at, layer)
		}
	}
	return &out
}

// SplitPath splits a path at its dots; what is in double quotes stays together.
func SplitPath(path string) ([]string, bool) {
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
