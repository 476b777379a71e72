package parser

import (
	"fmt"
	"strings"

	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/yamldoc"
)

// Preset is what the library knows about one image, for people to read.
type Preset struct {
	Name     string
	Purpose  string          // what the image is, and where it comes from
	Facts    string          // what the values rest on
	Service  profile.Service // the service it makes by itself
	Formulas []Formula       // values that follow the limits
}

// Formula is a value of a preset that is computed.
type Formula struct {
	Path  string
	Text  string // as it stands in the preset
	Value string // for the preset's own limits
}

// ReadPreset returns a preset of the library. The first line of its comment is its purpose, the rest are its facts.
func ReadPreset(name string, library Library) (Preset, error) {
	data, ok := library.Preset(name)
	if !ok {
		return Preset{}, fmt.Errorf("unknown preset %q", name)
	}
	c := &yamldoc.Collector{}
	d := yamldoc.NewDecoder(c)
	l := newLayers(c, d, library)
	merged := l.service(name, nil, &yamldoc.Node{Kind: yamldoc.Mapping, Layer: profile.LayerProfile, Values: map[string]*yamldoc.Node{
		"preset": {Tag: "!!str", Value: name, Layer: profile.LayerProfile},
	}, Keys: []*yamldoc.Node{{Tag: "!!str", Value: "preset"}}})
	out := Preset{Name: name}
	d.Decode(merged, &out.Service, name)
	if err := c.Err(); err != nil {
		return Preset{}, fmt.Errorf("reading the preset %s: %w", name, err)
	}
	out.Purpose, out.Facts = heading(string(data))
	formulas(merged, "", &out.Formulas)
	return out, nil
}

// heading splits the comment at the top of a preset into its first line and the rest.
func heading(data string) (purpose, facts string) {
	var words []string
	for i, text := range strings.Split(data, "\n") {
		comment, ok := strings.CutPrefix(text, "#")
		if !ok {
			break
		}
		if i == 0 {
			purpose = strings.TrimSuffix(strings.TrimSpace(comment), ".")
			continue
		}
		words = append(words, strings.Fields(comment)...)
	}
	return purpose, strings.TrimPrefix(strings.Join(words, " "), "Facts: ")
}

// formulas lists the computed values of a service.
func formulas(n *yamldoc.Node, path string, out *[]Formula) {
	if n == nil {
		return
	}
	if n.Text != "" {
		*out = append(*out, Formula{Path: path, Text: n.Text, Value: n.Value})
	}
	for i, item := range n.Items {
		formulas(item, fmt.Sprintf("%s[%d]", path, i), out)
	}
	for _, k := range n.Keys {
		formulas(n.Values[k.Value], yamldoc.Join(path, k.Value), out)
	}
}
