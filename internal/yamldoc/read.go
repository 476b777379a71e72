package yamldoc

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Bounds on a document, so that a hostile or mistaken file costs bounded time and memory.
const (
	maxBytes = 4 << 20 // a stack of 1,000 services is about 1 MiB
	maxNodes = 1 << 19 // after aliases are expanded
	maxDepth = 32
)

var (
	syntaxLine    = regexp.MustCompile(`^line (\d+): `)
	unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
)

// Source is a document to read.
type Source struct {
	File  string // its name, for messages
	Layer string // who says what is in it
	Data  []byte
	Empty string // what to do when nothing is in it, as a hint
}

// Parse reads one YAML document strictly: no duplicate keys, no second document, bounded size, depth and aliases.
// The tree is nil when the file cannot be read at all; then c holds the reason.
func Parse(s Source, c *Collector) *Node {
	start := Position{File: s.File, Line: 1, Column: 1}
	if len(s.Data) > maxBytes {
		c.Add(start, "split it: a file of this size cannot be reviewed",
			"the file has %d bytes, more than the %d it may have", len(s.Data), maxBytes)
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(s.Data))
	var doc yaml.Node
	if err := decoder.Decode(&doc); errors.Is(err, io.EOF) {
		c.Add(start, s.Empty, "the file is empty")
		return nil
	} else if err != nil {
		syntaxProblem(s.File, s.Data, err, c)
		return nil
	}
	var second yaml.Node
	if err := decoder.Decode(&second); err == nil {
		c.Add(Position{s.File, second.Line, second.Column}, "keep one document per file", "a second YAML document starts here")
		return nil
	} else if !errors.Is(err, io.EOF) {
		syntaxProblem(s.File, s.Data, err, c)
		return nil
	}
	g := &grower{file: s.File, layer: s.Layer, c: c}
	root := g.grow(doc.Content[0], 0)
	switch {
	case g.stopped:
		return nil
	case root.IsNull():
		c.Add(start, s.Empty, "the file is empty")
		return nil
	}
	return root
}

// syntaxProblem turns the parser's error into a place and a hint.
func syntaxProblem(file string, data []byte, err error, c *Collector) {
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
				c.Add(Position{file, i + 1, column + 1}, "define it before its use with &"+m[1], "anchor %q not found", m[1])
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
			c.Add(Position{file, l, i + 1}, "replace the tab by two spaces", "a tab is used for indentation; YAML allows spaces only")
			return
		}
	}
	if strings.Contains(message, "control characters") || strings.Contains(message, "UTF-8") {
		hint = "save the file as UTF-8 text"
	}
	c.Add(at, hint, "%s", message)
}

// grower turns yaml.v3 nodes into ours within the bounds.
type grower struct {
	file, layer string
	c           *Collector
	count       int
	stopped     bool
}

func (g *grower) at(n *yaml.Node) Position { return Position{g.file, n.Line, n.Column} }

func (g *grower) grow(n *yaml.Node, depth int) *Node {
	out := &Node{At: g.at(n), Layer: g.layer}
	if g.stopped {
		return out
	}
	if g.count++; g.count > maxNodes {
		g.stopped = true
		g.c.Add(out.At, "write the values out, or use fewer aliases", "the document has more than %d values once its aliases are expanded", maxNodes)
		return out
	}
	if depth > maxDepth {
		g.stopped = true
		g.c.Add(out.At, "", "values are nested more than %d levels deep, or an alias contains itself", maxDepth)
		return out
	}
	if n.Tag == Reset || n.Tag == Override {
		out.Directive = n.Tag
		plain := *n
		plain.Tag = ""
		n = &plain
	}
	switch n.Kind {
	case yaml.AliasNode:
		grown := g.grow(n.Alias, depth+1)
		grown.At = out.At
		return grown
	case yaml.SequenceNode:
		out.Kind = Sequence
		for _, item := range n.Content {
			out.Items = append(out.Items, g.grow(item, depth+1))
		}
	case yaml.MappingNode:
		g.mapping(n, out, depth)
	default:
		out.Tag, out.Value = n.ShortTag(), n.Value
	}
	return out
}

func (g *grower) mapping(n *yaml.Node, out *Node, depth int) {
	out.Kind, out.Values = Mapping, map[string]*Node{}
	var merged []*Node
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
		if key.Kind != Scalar {
			g.c.Add(key.At, "", "a key must be a plain word, not a %s", key.What())
			continue
		}
		if first := out.Values[key.Value]; first != nil {
			g.c.Add(key.At, "keep one of the two", "the key %q is already set in line %d", key.Value, keyLine(out, key.Value))
			continue
		}
		out.Keys = append(out.Keys, key)
		out.Values[key.Value] = g.grow(v, depth+1)
	}
	for _, m := range merged {
		g.merge(m, out)
	}
}

// merge adds what a merge key (<<) brings; keys written next to it win, as YAML says.
func (g *grower) merge(from, into *Node) {
	switch from.Kind {
	case Sequence:
		for _, item := range from.Items {
			g.merge(item, into)
		}
	case Mapping:
		for _, k := range from.Keys {
			if _, ok := into.Values[k.Value]; !ok {
				into.Keys = append(into.Keys, k)
				into.Values[k.Value] = from.Values[k.Value]
			}
		}
	default:
		g.c.Add(from.At, "", "a merge key (<<) needs a mapping, not %q", from.Value)
	}
}

func keyLine(n *Node, key string) int {
	for _, k := range n.Keys {
		if k.Value == key {
			return k.At.Line
		}
	}
	return 0
}

// TagOf returns the tag that YAML resolves plain text to: !!int for 12, !!str for twelve.
func TagOf(text string) string { return (&yaml.Node{Kind: yaml.ScalarNode, Value: text}).ShortTag() }
