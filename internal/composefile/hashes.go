package composefile

import (
	"cmp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/hsectl/hsectl/internal/composefile/specification"
	"github.com/hsectl/hsectl/internal/composefile/variable"
	"github.com/hsectl/hsectl/internal/policy"
)

// Undoubled returns where hashes of passwords are written whose dollar signs Compose takes for variables: each must be doubled.
func (w written) Undoubled() []Place {
	var out []Place
	for _, d := range w {
		for _, e := range d.entries {
			for key, value := range specification.Pairs(e.value) {
				for _, n := range undoubled(value) {
					place := Place{d.path, n.Line, n.Column}
					if n.Line == 0 {
						place = Place{d.path, key.Line, key.Column}
					}
					if !slices.Contains(out, place) {
						out = append(out, place)
					}
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b Place) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line, a.Column-b.Column)
	})
	return out
}

func undoubled(n *yaml.Node) []*yaml.Node {
	n = specification.Resolve(n)
	if n == nil {
		return nil
	}
	if n.Kind == yaml.ScalarNode {
		bare := slices.ContainsFunc(variable.In(n.Value), func(v variable.Variable) bool { return v.Form == "" && v.Text == "$"+v.Name })
		if bare && policy.PasswordHash(n.Value) {
			return []*yaml.Node{n}
		}
		return nil
	}
	var out []*yaml.Node
	for _, c := range n.Content {
		out = append(out, undoubled(c)...)
	}
	return out
}
