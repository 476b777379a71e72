package generate

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// mapping is a YAML mapping that keeps its order.
type mapping[T any] []entry[T]

type entry[T any] struct {
	key   string
	value T
}

// IsZero lets omitempty leave out an empty mapping.
func (m mapping[T]) IsZero() bool { return len(m) == 0 }

// MarshalYAML writes the entries in order.
func (m mapping[T]) MarshalYAML() (any, error) {
	out := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, e := range m {
		key, value := &yaml.Node{}, &yaml.Node{}
		key.SetString(e.key)
		if err := value.Encode(e.value); err != nil {
			return nil, err
		}
		out.Content = append(out.Content, key, value)
	}
	return out, nil
}

func (m mapping[T]) sorted() mapping[T] {
	slices.SortFunc(m, func(a, b entry[T]) int { return strings.Compare(a.key, b.key) })
	return m
}

// quoted is a string that stays one for every reader, although it looks like a number.
type quoted string

// MarshalYAML writes the string in double quotes.
func (q quoted) MarshalYAML() (any, error) {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Value: string(q)}, nil
}

// indented tells lines that the YAML package writes wrongly as a block: the first begins with a space or is empty.
func indented(s string) bool {
	return strings.Contains(s, "\n") && strings.TrimLeft(s, " \t\n") != s
}

// text is a string from a profile. It may be anything.
type text string

// MarshalYAML puts in double quotes what the YAML package would write wrongly: << as a merge key, and a block of lines
// whose first begins with a space or is empty.
func (t text) MarshalYAML() (any, error) {
	s := string(t)
	if s == "<<" || indented(s) {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Value: s}, nil
	}
	return s, nil
}
