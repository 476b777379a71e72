package profile

import "github.com/hsectl/hsectl/internal/yamldoc"

// Saying is what one layer says about a value.
type Saying struct {
	Path  string
	Value string // as it is used; lists and mappings in one line
	Text  string // what was written, when the value was computed from it
	Layer string // who says it
	At    yamldoc.Position
}

// Explain returns, for every plain value at or below a path, what each layer says about it, strongest first.
// It returns false when no layer says anything there; what hsectl derives itself was written by nobody.
func (p *Profile) Explain(path string) ([][]Saying, bool) {
	n, ok := p.Tree.Find(path)
	if !ok {
		return nil, false
	}
	var out [][]Saying
	n.Leaves(path, func(leaf *yamldoc.Node, at string) {
		var chain []Saying
		for ; leaf != nil; leaf = leaf.Overrides {
			chain = append(chain, Saying{Path: at, Value: leaf.Flow(), Text: leaf.Text, Layer: leaf.Layer, At: leaf.At})
		}
		out = append(out, chain)
	})
	return out, len(out) > 0
}
