package importer

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// ordered is a YAML mapping that is written in the order in which it was filled, with comments.
type ordered struct{ n *yaml.Node }

func newOrdered() ordered { return ordered{&yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}} }

// set adds a key. The comment stands above it, one line for each.
func (o ordered) set(key string, value any, comments ...string) {
	k := &yaml.Node{}
	k.SetString(key)
	for _, c := range comments {
		if c != "" && k.HeadComment != "" {
			k.HeadComment += "\n"
		}
		if c != "" {
			k.HeadComment += "# " + c
		}
	}
	o.n.Content = append(o.n.Content, k, node(value))
}

// node turns plain values into nodes; mappings come out sorted.
func node(value any) *yaml.Node {
	switch v := value.(type) {
	case ordered:
		return v.n
	case *yaml.Node:
		return v
	case []any:
		out := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, item := range v {
			out.Content = append(out.Content, node(item))
		}
		return out
	case map[string]any:
		out := newOrdered()
		for _, key := range slices.Sorted(maps.Keys(v)) {
			out.set(key, v[key])
		}
		return out.n
	case string:
		return scalarNode(v)
	}
	out := &yaml.Node{}
	if err := out.Encode(value); err != nil {
		return scalarNode(fmt.Sprint(value))
	}
	return out
}

// safe texts are strings for every reader, unless they are a word that YAML knows: numbers and dates begin otherwise.
var safe = regexp.MustCompile(`^[/a-zA-Z]([a-zA-Z0-9 /_.-]*[a-zA-Z0-9])?$`)

// scalarNode writes a string so that every reader takes it for one.
func scalarNode(text string) *yaml.Node {
	if slices.Contains([]string{"yes", "no", "on", "off", "y", "n"}, strings.ToLower(text)) {
		return quoted(text) // a truth for readers of YAML 1.1
	}
	if strings.Contains(text, "\n") && strings.TrimLeft(text, " \t\n") != text {
		return quoted(text) // as a block it would lose its first lines
	}
	out := &yaml.Node{}
	out.SetString(text)
	if safe.MatchString(text) && !slices.Contains([]string{"true", "false", "null"}, strings.ToLower(text)) {
		return out
	}
	var back yaml.Node
	data, err := yaml.Marshal(out)
	if err == nil && yaml.Unmarshal(data, &back) == nil && len(back.Content) == 1 && back.Content[0].ShortTag() == "!!str" && back.Content[0].Value == text && text != "<<" {
		return out
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Value: text}
}

// quoted writes a string that older readers take for a number or a truth.
func quoted(text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Value: text}
}

// flow writes a value on one line.
func flow(value any) *yaml.Node {
	n := node(value)
	n.Style |= yaml.FlowStyle
	return n
}

func (o ordered) bytes() ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(o.n); err != nil {
		return nil, fmt.Errorf("writing the profile: %w", err)
	}
	if err := e.Close(); err != nil {
		return nil, fmt.Errorf("writing the profile: %w", err)
	}
	return b.Bytes(), nil
}

// Document writes values as YAML, mappings sorted.
func Document(values map[string]any) ([]byte, error) { return ordered{node(values)}.bytes() }
