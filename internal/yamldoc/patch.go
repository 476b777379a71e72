package yamldoc

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// ErrUnpatchable is a change that would have to rewrite what a person has laid out.
var ErrUnpatchable = errors.New("this value can only be changed by hand")

// step matches one part of a path: a key, or an index.
var step = regexp.MustCompile(`[^.\[\]]+|\[\d+\]`)

// Edit is a change of one key: Value replaces a scalar, Item is added to a list. Exactly one of them is set.
type Edit struct{ Path, Value, Item string }

// Patch returns the profile with one key changed. All other bytes stay: comments, order and empty lines.
func Patch(data []byte, e Edit) ([]byte, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil || len(document.Content) == 0 {
		return nil, fmt.Errorf("changing %s: %w", e.Path, errors.Join(err, ErrUnpatchable))
	}
	node, missing := document.Content[0], []string(nil)
	steps := step.FindAllString(e.Path, -1)
	for i, s := range steps {
		next := child(node, s)
		if next == nil {
			missing = steps[i:]
			break
		}
		node = next
	}
	t := text(strings.SplitAfter(string(data), "\n"))
	var ok bool
	switch {
	case len(missing) == 0 && e.Item == "" && node.Kind == yaml.ScalarNode:
		ok = t.replace(node, e.Value)
	case len(missing) == 0 && e.Item != "" && node.Kind == yaml.SequenceNode:
		ok = t.add(node, e.Item)
	case len(missing) > 0 && node.Kind == yaml.MappingNode:
		ok = t.insert(node, missing, e)
	}
	if !ok {
		return nil, fmt.Errorf("changing %s: %w", e.Path, ErrUnpatchable)
	}
	return []byte(strings.Join(t, "")), nil
}

func child(n *yaml.Node, s string) *yaml.Node {
	if index, err := strconv.Atoi(strings.Trim(s, "[]")); err == nil && n.Kind == yaml.SequenceNode {
		if index < len(n.Content) {
			return n.Content[index]
		}
		return nil
	}
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == s {
			return n.Content[i+1]
		}
	}
	return nil
}

// text is a file as lines, each with its end.
type text []string

// replace puts a new value where a plain or quoted scalar of one line stands.
func (t text) replace(n *yaml.Node, value string) bool {
	line := t[n.Line-1]
	start := n.Column - 1
	old := n.Value
	switch n.Style {
	case yaml.DoubleQuotedStyle:
		old = `"` + old + `"`
	case yaml.SingleQuotedStyle:
		old = "'" + old + "'"
	case 0:
	default:
		return false
	}
	if start > len(line) || !strings.HasPrefix(line[start:], old) {
		return false
	}
	t[n.Line-1] = line[:start] + value + line[start+len(old):]
	return true
}

// add puts an entry before the first one of a list, in the style of the list.
func (t text) add(n *yaml.Node, item string) bool {
	if n.Style&yaml.FlowStyle != 0 {
		line, start := t[n.Line-1], n.Column
		if start > len(line) || line[start-1] != '[' {
			return false
		}
		if len(n.Content) > 0 {
			item += ", "
		}
		t[n.Line-1] = line[:start] + item + line[start:]
		return true
	}
	line := t[n.Line-1]
	if n.Column-1 >= len(line) || line[n.Column-1] != '-' {
		return false
	}
	t[n.Line-1] = strings.Repeat(" ", n.Column-1) + "- " + item + "\n" + line
	return true
}

// insert puts keys that are not there before the first key of a mapping, or at the beginning of one in braces.
func (t text) insert(n *yaml.Node, keys []string, e Edit) bool {
	if len(n.Content) == 0 || strings.HasPrefix(keys[0], "[") {
		return false
	}
	value := e.Value
	if e.Item != "" {
		value = "[" + e.Item + "]"
	}
	for _, key := range keys[1:] {
		value = "{" + key + ": " + value + "}"
	}
	entry := keys[0] + ": " + value
	line := t[n.Line-1]
	if n.Style&yaml.FlowStyle != 0 {
		t[n.Line-1] = line[:n.Column] + entry + ", " + line[n.Column:]
		return true
	}
	first := n.Content[0]
	indent := t[first.Line-1][:first.Column-1]
	if strings.TrimSpace(indent) != "" {
		return false // the first key stands behind something else, such as the dash of a list
	}
	t[first.Line-1] = indent + entry + "\n" + t[first.Line-1]
	return true
}
