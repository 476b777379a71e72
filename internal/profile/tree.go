package profile

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Bounds on a profile, so that a hostile or mistaken file costs bounded time and memory.
const (
	maxBytes = 4 << 20 // a profile of 1,000 services is about 1 MiB
	maxNodes = 1 << 19 // after aliases are expanded
	maxDepth = 32
)

var (
	syntaxLine    = regexp.MustCompile(`^line (\d+): `)
	unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
)

type kind int

const (
	scalar kind = iota
	sequence
	mapping
)

// node is one value of a YAML document with aliases and merge keys resolved.
// It remembers where it was written and by which layer.
type node struct {
	kind  kind
	tag   string // the resolved YAML tag of a scalar: !!str, !!int, !!bool, !!float, !!null
	value string
	items []*node
	keys  []*node // keys of a mapping, in the order written
	vals  map[string]*node
	at    Position
	layer string

	directive string // !reset or !override, as in the Compose specification
	text      string // what was written, when value was computed from it
	overrides *node  // what a weaker layer said here
}

func (n *node) get(key string) *node {
	if n == nil || n.kind != mapping {
		return nil
	}
	return n.vals[key]
}

func (n *node) isNull() bool {
	return n == nil || n.directive == reset || n.kind == scalar && n.tag == "!!null"
}

// with returns the mapping with a key set; a nil value sets nothing.
func (n *node) with(key string, value *node) *node {
	if value == nil {
		return n
	}
	out := n.without()
	if _, ok := out.vals[key]; !ok {
		out.keys = append(out.keys, &node{tag: "!!str", value: key, at: value.at, layer: value.layer})
	}
	out.vals[key] = value
	return out
}

// without returns the mapping without the keys.
func (n *node) without(keys ...string) *node {
	out := &node{kind: mapping, at: n.at, layer: n.layer, vals: make(map[string]*node, len(n.vals))}
	for _, k := range n.keys {
		if !contains(keys, k.value) {
			out.keys = append(out.keys, k)
			out.vals[k.value] = n.vals[k.value]
		}
	}
	return out
}

func contains(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}

// parseTree reads one YAML document strictly: no duplicate keys, no second document, bounded size, depth and aliases.
// The tree is nil when the file cannot be read at all; then c holds the reason.
func parseTree(file, layer string, data []byte, c *collector) *node {
	start := Position{File: file, Line: 1, Column: 1}
	if len(data) > maxBytes {
		c.add(start, "a profile is reviewed by people; split a stack of this size",
			"the file has %d bytes, more than the %d a profile may have", len(data), maxBytes)
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := decoder.Decode(&doc); errors.Is(err, io.EOF) {
		c.add(start, "start with: hsectl init", "the file is empty")
		return nil
	} else if err != nil {
		syntaxProblem(file, data, err, c)
		return nil
	}
	var second yaml.Node
	if err := decoder.Decode(&second); err == nil {
		c.add(Position{file, second.Line, second.Column}, "keep one document per file", "a second YAML document starts here")
		return nil
	} else if !errors.Is(err, io.EOF) {
		syntaxProblem(file, data, err, c)
		return nil
	}
	g := &grower{file: file, layer: layer, c: c}
	root := g.grow(doc.Content[0], 0)
	switch {
	case g.stopped:
		return nil
	case root.isNull():
		c.add(start, "start with: hsectl init", "the file is empty")
		return nil
	}
	return root
}

// syntaxProblem turns the parser's error into a place and a hint.
func syntaxProblem(file string, data []byte, err error, c *collector) {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	at, hint := Position{File: file, Line: 1, Column: 1}, ""
	if m := syntaxLine.FindStringSubmatch(message); m != nil {
		at.Line, _ = strconv.Atoi(m[1])
		message = strings.TrimPrefix(message, m[0])
	}
	lines := bytes.Split(data, []byte("\n"))
	if m := unknownAnchor.FindStringSubmatch(message); m != nil { // the parser does not say where
		for i, line := range lines {
			if column := bytes.Index(line, []byte("*"+m[1])); column >= 0 {
				c.add(Position{file, i + 1, column + 1}, "define it before its use with &"+m[1], "there is no anchor %q", m[1])
				return
			}
		}
	}
	// The parser's line may be one off; a tab in the indentation is the usual cause.
	for _, l := range []int{at.Line, at.Line + 1, at.Line - 1} {
		if l < 1 || l > len(lines) {
			continue
		}
		line := lines[l-1]
		indent := line[:len(line)-len(bytes.TrimLeft(line, " \t"))]
		if i := bytes.IndexByte(indent, '\t'); i >= 0 {
			c.add(Position{file, l, i + 1}, "replace the tab by two spaces", "a tab is used for indentation; YAML allows spaces only")
			return
		}
	}
	if strings.Contains(message, "control characters") || strings.Contains(message, "UTF-8") {
		hint = "save the file as UTF-8 text"
	}
	c.add(at, hint, "%s", message)
}

// grower turns yaml.v3 nodes into ours within the bounds.
type grower struct {
	file, layer string
	c           *collector
	count       int
	stopped     bool
}

func (g *grower) at(n *yaml.Node) Position { return Position{g.file, n.Line, n.Column} }

func (g *grower) grow(n *yaml.Node, depth int) *node {
	out := &node{at: g.at(n), layer: g.layer}
	if g.stopped {
		return out
	}
	if g.count++; g.count > maxNodes {
		g.stopped = true
		g.c.add(out.at, "write the values out, or use fewer aliases", "the document has more than %d values once its aliases are expanded", maxNodes)
		return out
	}
	if depth > maxDepth {
		g.stopped = true
		g.c.add(out.at, "", "values are nested more than %d levels deep, or an alias contains itself", maxDepth)
		return out
	}
	if n.Tag == reset || n.Tag == override {
		out.directive = n.Tag
		plain := *n
		plain.Tag = ""
		n = &plain
	}
	switch n.Kind {
	case yaml.AliasNode:
		grown := g.grow(n.Alias, depth+1)
		grown.at = out.at
		return grown
	case yaml.SequenceNode:
		out.kind = sequence
		for _, item := range n.Content {
			out.items = append(out.items, g.grow(item, depth+1))
		}
	case yaml.MappingNode:
		g.mapping(n, out, depth)
	default:
		out.tag, out.value = n.ShortTag(), n.Value
	}
	return out
}

func (g *grower) mapping(n *yaml.Node, out *node, depth int) {
	out.kind, out.vals = mapping, map[string]*node{}
	var merged []*node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.ShortTag() == "!!merge" {
			merged = append(merged, g.grow(v, depth+1))
			continue
		}
		key := g.grow(k, depth+1)
		if g.stopped {
			return
		}
		if key.kind != scalar {
			g.c.add(key.at, "", "a key must be a plain word, not a %s", key.what())
			continue
		}
		if first := out.vals[key.value]; first != nil {
			g.c.add(key.at, "keep one of the two", "the key %q is already set in line %d", key.value, keyLine(out, key.value))
			continue
		}
		out.keys = append(out.keys, key)
		out.vals[key.value] = g.grow(v, depth+1)
	}
	for _, m := range merged {
		g.merge(m, out)
	}
}

// merge adds what a merge key (<<) brings; keys written beside it win, as YAML says.
func (g *grower) merge(from, into *node) {
	switch from.kind {
	case sequence:
		for _, item := range from.items {
			g.merge(item, into)
		}
	case mapping:
		for _, k := range from.keys {
			if _, ok := into.vals[k.value]; !ok {
				into.keys = append(into.keys, k)
				into.vals[k.value] = from.vals[k.value]
			}
		}
	default:
		g.c.add(from.at, "", "a merge key (<<) needs a mapping, not %q", from.value)
	}
}

func keyLine(n *node, key string) int {
	for _, k := range n.keys {
		if k.value == key {
			return k.at.Line
		}
	}
	return 0
}

// what names the kind of a node for people.
func (n *node) what() string {
	switch n.kind {
	case sequence:
		return "list"
	case mapping:
		return "mapping"
	}
	switch n.tag {
	case "!!null":
		return "empty value"
	case "!!bool":
		return "boolean"
	case "!!int", "!!float":
		return "number"
	}
	return "string"
}
