// Package yamldoc reads YAML documents whose values remember where they were written and by which layer: it merges, sets,
// formats and patches them, and decodes them into Go values. Every mistake is reported with its place and a hint, all of them
// at once. It knows no kind of document: keys, layers and rules of merging come from its caller.
package yamldoc

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Kind tells a plain value, a list and a mapping apart.
type Kind int

// The kinds of nodes.
const (
	Scalar Kind = iota
	Sequence
	Mapping
)

// Node is one value of a YAML document with aliases and merge keys resolved.
// It remembers where it was written and by which layer.
type Node struct {
	Kind   Kind
	Tag    string // the resolved YAML tag of a scalar: !!str, !!int, !!bool, !!float, !!null
	Value  string
	Items  []*Node
	Keys   []*Node // keys of a mapping, in the order written
	Values map[string]*Node
	At     Position
	Layer  string

	Directive string // !reset or !override, as in the Compose specification
	Text      string // what was written, when Value was computed from it
	Overrides *Node  // what a weaker layer said here
}

// Get returns the value of a key, or nil.
func (n *Node) Get(key string) *Node {
	if n == nil || n.Kind != Mapping {
		return nil
	}
	return n.Values[key]
}

// IsNull reports whether the node says nothing: it is absent, empty or reset.
func (n *Node) IsNull() bool {
	return n == nil || n.Directive == Reset || n.Kind == Scalar && n.Tag == "!!null"
}

// With returns the mapping with a key set; a nil value sets nothing.
func (n *Node) With(key string, value *Node) *Node {
	if value == nil {
		return n
	}
	out := n.Without()
	if _, ok := out.Values[key]; !ok {
		out.Keys = append(out.Keys, &Node{Tag: "!!str", Value: key, At: value.At, Layer: value.Layer})
	}
	out.Values[key] = value
	return out
}

// Without returns the mapping without the keys.
func (n *Node) Without(keys ...string) *Node {
	out := &Node{Kind: Mapping, At: n.At, Layer: n.Layer, Values: make(map[string]*Node, len(n.Values))}
	for _, k := range n.Keys {
		if !slices.Contains(keys, k.Value) {
			out.Keys = append(out.Keys, k)
			out.Values[k.Value] = n.Values[k.Value]
		}
	}
	return out
}

// What names the kind of a node for people.
func (n *Node) What() string {
	switch n.Kind {
	case Sequence:
		return "list"
	case Mapping:
		return "mapping"
	}
	switch n.Tag {
	case "!!null":
		return "empty value"
	case "!!bool":
		return "boolean"
	case "!!int", "!!float":
		return "number"
	}
	return "string"
}

// Equal reports whether two trees say the same; the order of keys says nothing.
func (n *Node) Equal(other *Node) bool {
	if n == nil || other == nil {
		return n == other
	}
	if n.Kind != other.Kind || n.Tag != other.Tag || n.Value != other.Value || n.Directive != other.Directive {
		return false
	}
	return slices.EqualFunc(n.Items, other.Items, (*Node).Equal) && maps.EqualFunc(n.Values, other.Values, (*Node).Equal)
}

// Relayer returns the tree with the values of one layer given to another.
func (n *Node) Relayer(from, to string) *Node {
	if n == nil {
		return nil
	}
	out := *n
	if out.Layer == from {
		out.Layer = to
	}
	out.Items = nil
	for _, item := range n.Items {
		out.Items = append(out.Items, item.Relayer(from, to))
	}
	if n.Values != nil {
		out.Values = make(map[string]*Node, len(n.Values))
		for k, v := range n.Values {
			out.Values[k] = v.Relayer(from, to)
		}
	}
	return &out
}

// Plain returns a tree as ordinary values.
func (n *Node) Plain() any {
	switch n.Kind {
	case Sequence:
		out := make([]any, 0, len(n.Items))
		for _, item := range n.Items {
			out = append(out, item.Plain())
		}
		return out
	case Mapping:
		out := make(map[string]any, len(n.Keys))
		for _, k := range n.Keys {
			out[k.Value] = n.Values[k.Value].Plain()
		}
		return out
	}
	switch n.Tag {
	case "!!null":
		return nil
	case "!!bool":
		b, err := strconv.ParseBool(strings.ToLower(n.Value))
		if err == nil {
			return b
		}
	case "!!int":
		i, err := strconv.ParseInt(n.Value, 0, 64)
		if err == nil {
			return i
		}
	case "!!float":
		f, err := strconv.ParseFloat(n.Value, 64)
		if err == nil {
			return f
		}
	}
	return n.Value
}

// Find follows a path. Keys that contain dots themselves are found by their whole name.
func (n *Node) Find(path string) (*Node, bool) {
	if path == "" || n == nil {
		return n, n != nil
	}
	if rest, ok := strings.CutPrefix(path, "["); ok {
		var i int
		index, after, ok := strings.Cut(rest, "]")
		if _, err := fmt.Sscan(index, &i); err != nil || !ok || i < 0 || i >= len(n.Items) {
			return nil, false
		}
		return n.Items[i].Find(strings.TrimPrefix(after, "."))
	}
	if n.Kind != Mapping {
		return nil, false
	}
	for _, key := range slices.Backward(slices.Sorted(maps.Keys(n.Values))) { // the longest of two keys first
		rest, ok := strings.CutPrefix(path, key)
		if !ok || rest != "" && rest[0] != '.' && rest[0] != '[' {
			continue
		}
		if found, ok := n.Values[key].Find(strings.TrimPrefix(rest, ".")); ok {
			return found, true
		}
	}
	return nil, false
}

// Leaves visits the plain values, and the lists that are one value, at or below a node.
func (n *Node) Leaves(path string, visit func(*Node, string)) {
	if n.IsNull() {
		return
	}
	if n.Kind != Mapping || len(n.Keys) == 0 {
		visit(n, path)
		return
	}
	for _, k := range n.Keys {
		if v := n.Values[k.Value]; v != nil {
			v.Leaves(Join(path, k.Value), visit)
		}
	}
}

// Flow writes a value in one line, as YAML does between braces.
func (n *Node) Flow() string {
	var parts []string
	switch {
	case n.Directive == Reset:
		return Reset
	case n.Kind == Scalar:
		return n.Value
	case n.Kind == Sequence:
		for _, item := range n.Items {
			parts = append(parts, item.Flow())
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	for _, k := range n.Keys {
		parts = append(parts, k.Value+": "+n.Values[k.Value].Flow())
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
