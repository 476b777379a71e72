package profile

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Saying is what one layer says about a value.
type Saying struct {
	Path  string
	Value string // as it is used; lists and mappings in one line
	Text  string // what was written, when the value was computed from it
	Layer string // who says it
	At    Position
}

// Explain returns, for every plain value at or below a path, what each layer says about it, strongest first.
// It returns false when no layer says anything there; what hsectl derives itself was written by nobody.
func (p *Profile) Explain(path string) ([][]Saying, bool) {
	n, ok := find(p.tree, path)
	if !ok {
		return nil, false
	}
	var out [][]Saying
	leaves(n, path, func(leaf *node, at string) {
		var chain []Saying
		for ; leaf != nil; leaf = leaf.overrides {
			chain = append(chain, Saying{Path: at, Value: leaf.flow(), Text: leaf.text, Layer: leaf.layer, At: leaf.at})
		}
		out = append(out, chain)
	})
	return out, len(out) > 0
}

// find follows a path. Keys that contain dots themselves are found by their whole name.
func find(n *node, path string) (*node, bool) {
	if path == "" || n == nil {
		return n, n != nil
	}
	if rest, ok := strings.CutPrefix(path, "["); ok {
		var i int
		index, after, ok := strings.Cut(rest, "]")
		if _, err := fmt.Sscan(index, &i); err != nil || !ok || i < 0 || i >= len(n.items) {
			return nil, false
		}
		return find(n.items[i], strings.TrimPrefix(after, "."))
	}
	if n.kind != mapping {
		return nil, false
	}
	for _, key := range slices.Backward(slices.Sorted(maps.Keys(n.vals))) { // the longest of two keys first
		rest, ok := strings.CutPrefix(path, key)
		if !ok || rest != "" && rest[0] != '.' && rest[0] != '[' {
			continue
		}
		if found, ok := find(n.vals[key], strings.TrimPrefix(rest, ".")); ok {
			return found, true
		}
	}
	return nil, false
}

// leaves visits the plain values, and the lists that are one value, at or below a node.
func leaves(n *node, path string, visit func(*node, string)) {
	if n.isNull() {
		return
	}
	if n.kind != mapping || len(n.keys) == 0 {
		visit(n, path)
		return
	}
	for _, k := range n.keys {
		if v := n.vals[k.value]; v != nil {
			leaves(v, join(path, k.value), visit)
		}
	}
}

// flow writes a value in one line, as YAML does between braces.
func (n *node) flow() string {
	var parts []string
	switch {
	case n.directive == reset:
		return reset
	case n.kind == scalar:
		return n.value
	case n.kind == sequence:
		for _, item := range n.items {
			parts = append(parts, item.flow())
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	for _, k := range n.keys {
		parts = append(parts, k.value+": "+n.vals[k.value].flow())
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
