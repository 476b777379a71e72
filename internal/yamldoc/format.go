package yamldoc

import (
	"bytes"
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Format returns a document with its keys in the order in which a Go type has its fields. Only whole lines move, each with the comments
// above it, so that every comment, blank line and quoting style is kept. Mappings whose keys are names and mappings between braces keep their order.
func Format(s Source, as reflect.Type) ([]byte, error) {
	c := &Collector{}
	if bytes.ContainsAny(s.Data, "\u0085\u2028\u2029") {
		return nil, fmt.Errorf("formatting %s: it has line breaks that editors do not show; replace them by ordinary ones", s.File)
	}
	s.Data = []byte(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(s.Data)))
	before := Parse(s, c)
	if err := c.Err(); err != nil {
		return nil, err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(s.Data, &doc); err != nil {
		return nil, fmt.Errorf("reading %s: %w", s.File, err)
	}
	f := newFormatter(s.Data, doc.Content[0])
	s.Data = f.text(doc.Content[0], as)
	if after := Parse(s, c); c.Err() != nil || !before.Equal(after) {
		return nil, fmt.Errorf("formatting %s would change what it says: an alias stands before its anchor; nothing was changed", s.File)
	}
	return s.Data, nil
}

// line is one line of the file. Lines of block scalars are fixed: their blanks and # are text.
type line struct {
	text  string
	fixed bool
}

func (l line) blank() bool { return !l.fixed && strings.TrimSpace(l.text) == "" }

func (l line) comment() bool { return !l.fixed && strings.HasPrefix(strings.TrimSpace(l.text), "#") }

func (l line) indent() int { return len(l.text) - len(strings.TrimLeft(l.text, " ")) }

type formatter struct{ lines []line }

func newFormatter(data []byte, root *yaml.Node) *formatter {
	f := &formatter{}
	for _, text := range strings.Split(strings.TrimRight(string(data), "\n"), "\n") {
		f.lines = append(f.lines, line{text: text})
	}
	f.fix(root)
	return f
}

// fix marks the lines of block scalars and of quoted text over several lines.
func (f *formatter) fix(n *yaml.Node) {
	for _, child := range n.Content {
		f.fix(child)
	}
	if n.Kind != yaml.ScalarNode || n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
		return
	}
	outer := f.lines[n.Line-1].indent()
	for i := n.Line; i < len(f.lines); i++ {
		if strings.TrimSpace(f.lines[i].text) != "" && f.lines[i].indent() <= outer {
			break
		}
		f.lines[i].fixed = true
	}
}

// text returns the whole file: the comment at its top stays there.
func (f *formatter) text(root *yaml.Node, as reflect.Type) []byte {
	first := len(f.lines)
	if len(root.Content) > 0 {
		first = root.Content[0].Line - 1
	}
	top := 0
	for top < first && f.lines[top].comment() {
		top++
	}
	for i := range first {
		if strings.HasPrefix(f.lines[i].text, "---") {
			top = i + 1
		}
	}
	out := slices.Clone(f.lines[:top])
	if root.Kind == yaml.MappingNode && root.Style&yaml.FlowStyle == 0 {
		out = append(out, f.mapping(root, as, top, len(f.lines))...)
	} else {
		out = append(out, f.lines[top:]...)
	}
	return []byte(clean(out))
}

// clean drops blanks at the ends of lines, and blank lines beyond one.
func clean(lines []line) string {
	var b strings.Builder
	blank := true // none at the top
	for _, l := range lines {
		if l.blank() {
			blank = blank || b.Len() == 0
			if !blank {
				b.WriteByte('\n')
			}
			blank = true
			continue
		}
		blank = false
		text := l.text
		if !l.fixed {
			text = strings.TrimRight(text, " \t")
		}
		b.WriteString(text + "\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// entry is a key with all its lines: the comments above it, and its value.
type entry struct {
	rank  int
	lines []line
}

// mapping returns the lines from (inclusive) to (exclusive) of a block mapping with its keys in order.
func (f *formatter) mapping(n *yaml.Node, t reflect.Type, from, to int) []line {
	var entries []entry
	start := from
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		end := to
		if i+2 < len(n.Content) {
			end = f.above(n.Content[i+2], key.Line)
		}
		rank, inner := place(t, key.Value)
		body := slices.Clone(f.lines[start:key.Line])
		body = append(body, f.value(value, inner, key.Line, end)...)
		entries = append(entries, entry{rank, body})
		start = end
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return cmp.Compare(a.rank, b.rank) })
	var out []line
	for _, e := range entries {
		out = append(out, e.lines...)
	}
	return out
}

// above returns where the lines of a key begin, with the comments that stand above it; after is a line that belongs to
// the key before.
func (f *formatter) above(key *yaml.Node, after int) int {
	start := key.Line - 1
	for start > after && (f.lines[start-1].blank() || f.lines[start-1].comment() && f.lines[start-1].indent() == key.Column-1) {
		start--
	}
	return start
}

// value returns the lines below a key.
func (f *formatter) value(n *yaml.Node, t reflect.Type, from, to int) []line {
	if t == nil || n.Style&yaml.FlowStyle != 0 || len(n.Content) == 0 || n.Content[0].Line <= from {
		return f.lines[from:to]
	}
	switch {
	case n.Kind == yaml.MappingNode && (t.Kind() == reflect.Struct || t.Kind() == reflect.Map):
		return f.mapping(n, t, from, to)
	case n.Kind == yaml.SequenceNode && t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		return f.list(n, t.Elem(), from, to)
	}
	return f.lines[from:to]
}

// list orders the keys of each item. The dash stands before the first key, whichever it is.
func (f *formatter) list(n *yaml.Node, t reflect.Type, from, to int) []line {
	var out []line
	start := from
	for i, item := range n.Content {
		end := to
		if i+1 < len(n.Content) {
			end = f.above(n.Content[i+1], item.Line)
		}
		first := item.Line - 1
		dash := -1
		if first < len(f.lines) && item.Column > 1 {
			dash = strings.LastIndexByte(f.lines[first].text[:min(item.Column-1, len(f.lines[first].text))], '-')
		}
		if item.Kind != yaml.MappingNode || item.Style&yaml.FlowStyle != 0 || dash < 0 || first < start {
			out = append(out, f.lines[start:end]...)
			start = end
			continue
		}
		out = append(out, f.lines[start:first]...)
		out = append(out, f.item(item, t, dash, end)...)
		start = end
	}
	return out
}

func (f *formatter) item(n *yaml.Node, t reflect.Type, dash, to int) []line {
	first := n.Line - 1
	written := f.lines[first].text
	f.lines[first].text = written[:dash] + " " + written[dash+1:]
	ordered := slices.Clone(f.mapping(n, t, first, to))
	f.lines[first].text = written
	if ordered[0].comment() || ordered[0].blank() { // a comment cannot stand between the dash and its key
		return f.lines[first:to]
	}
	text := ordered[0].text
	ordered[0].text = text[:dash] + "-" + text[dash+1:]
	return ordered
}

// place returns the rank of a key within its type, and the type of its value; nil when nothing is known about it.
func place(t reflect.Type, key string) (int, reflect.Type) {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || key == "<<" {
		return -1, nil
	}
	if t.Kind() == reflect.Map {
		return 0, bare(t.Elem())
	}
	if i, ok := fieldsOf(t)[key]; ok {
		return i, bare(t.Field(i).Type)
	}
	return t.NumField(), nil
}

func bare(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}
