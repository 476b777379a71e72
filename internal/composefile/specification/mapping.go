package specification

import (
	"iter"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// LookUp returns the key and the value of a mapping, following aliases and merge keys. A key written next to a merge wins.
func LookUp(n *yaml.Node, key string) (k, v *yaml.Node) { return lookUpWithin(n, key, 0) }

func lookUpWithin(n *yaml.Node, key string, depth int) (k, v *yaml.Node) {
	n = Resolve(n)
	if n == nil || n.Kind != yaml.MappingNode || depth > 16 {
		return nil, nil
	}
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		switch {
		case n.Content[i].Value == key && n.Content[i].Kind == yaml.ScalarNode:
			return n.Content[i], Resolve(n.Content[i+1])
		case n.Content[i].ShortTag() == "!!merge":
			merged = append(merged, n.Content[i+1])
		}
	}
	for _, m := range merged {
		m = Resolve(m)
		sources := []*yaml.Node{m}
		if m != nil && m.Kind == yaml.SequenceNode {
			sources = m.Content
		}
		for _, source := range sources {
			if k, v := lookUpWithin(source, key, depth+1); k != nil {
				return k, v
			}
		}
	}
	return nil, nil
}

// Resolve follows an alias. An alias of an alias does not exist in YAML.
func Resolve(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// Pairs yields the keys of a mapping with their values, and then those that are merged into it.
func Pairs(n *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(*yaml.Node, *yaml.Node) bool) {
		seen := map[string]bool{}
		var walk func(*yaml.Node, int) bool
		walk = func(n *yaml.Node, depth int) bool {
			n = Resolve(n)
			if n == nil || depth > 16 {
				return true
			}
			var merged []*yaml.Node
			if n.Kind == yaml.SequenceNode && depth > 0 {
				merged = n.Content
			}
			for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
				key := n.Content[i]
				switch {
				case key.ShortTag() == "!!merge":
					merged = append(merged, n.Content[i+1])
				case !seen[key.Value]:
					seen[key.Value] = true
					if !yield(key, n.Content[i+1]) {
						return false
					}
				}
			}
			for _, m := range merged {
				if !walk(m, depth+1) {
					return false
				}
			}
			return true
		}
		walk(n, 0)
	}
}

// remove takes a key out of a mapping, and out of what is merged into it.
func remove(n *yaml.Node, key string, depth int) {
	n = Resolve(n)
	if n == nil || depth > 16 {
		return
	}
	if n.Kind == yaml.SequenceNode {
		for _, item := range n.Content {
			remove(item, key, depth+1)
		}
		return
	}
	for i := len(n.Content) - 2; i >= 0 && n.Kind == yaml.MappingNode; i -= 2 {
		switch {
		case n.Content[i].ShortTag() == "!!merge":
			remove(n.Content[i+1], key, depth+1)
		case n.Content[i].Value == key:
			n.Content = slices.Delete(n.Content, i, i+2)
		}
	}
}

// Bare returns the names of a list of NAME=VALUE, or of a mapping, that are written without a value.
func Bare(list *yaml.Node) []string {
	list = Resolve(list)
	if list == nil {
		return nil
	}
	var out []string
	for _, item := range list.Content {
		if item = Resolve(item); list.Kind == yaml.SequenceNode && !strings.Contains(item.Value, "=") {
			out = append(out, item.Value)
		}
	}
	for key, v := range Pairs(list) {
		if list.Kind == yaml.MappingNode && Resolve(v).ShortTag() == "!!null" {
			out = append(out, key.Value)
		}
	}
	return out
}
