package parser

import (
	"cmp"
	"slices"

	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/yamldoc"
)

// layers merges what a service is made of.
type layers struct {
	c        *yamldoc.Collector
	library  Library
	baseline *yamldoc.Node
	presets  map[string]*yamldoc.Node
	failed   map[string]bool // paths whose value could not be read
}

func newLayers(c *yamldoc.Collector, d *yamldoc.Decoder, library Library) *layers {
	return &layers{c: c, library: library, presets: map[string]*yamldoc.Node{}, failed: d.Failed,
		baseline: yamldoc.Parse(yamldoc.Source{File: "baseline.yaml", Layer: profile.LayerBuiltIn, Data: library.Baseline()}, c)}
}

func (l *layers) service(name string, defaults, written *yamldoc.Node) *yamldoc.Node {
	m, merged := layering(), l.baseline
	if preset := written.Get("preset"); preset != nil {
		tree := l.preset(name, preset)
		image := tree.Get("image")
		for _, n := range []*yamldoc.Node{defaults, written} {
			if own := n.Get("image"); own != nil {
				image = own
			}
		}
		if image != nil && tree != nil {
			tree = fitting(tree, image.Value)
		}
		merged = m.Merge(merged, tree, "")
	}
	merged = m.Merge(merged, defaults, "")
	merged = m.Merge(merged, written, "")
	return tuned(name, merged, l.c)
}

// preset returns the tree of the preset that n names for a service, or nil after reporting that there is none.
func (l *layers) preset(service string, n *yamldoc.Node) *yamldoc.Node {
	if tree, ok := l.presets[n.Value]; ok {
		return tree
	}
	data, ok := l.library.Preset(n.Value)
	if !ok {
		l.failed["services."+service+".preset"] = true
		if n.Kind == yamldoc.Scalar {
			hint := cmp.Or(yamldoc.DidYouMean(n.Value, l.library.Presets()), "list them with: hsectl presets")
			l.c.Add(n.At, hint, "unknown preset %q", n.Value)
		}
		return nil
	}
	tree := yamldoc.Parse(yamldoc.Source{File: "presets/" + n.Value + ".yaml", Layer: "preset " + n.Value, Data: data}, l.c)
	l.presets[n.Value] = tree
	return tree
}

const (
	edgePreset = "caddy"    // knows the image of the edge
	edgeOut    = "edge-out" // the network by which the edge reaches certificate authorities
)

// edge adds the service that the section edge: stands for. What the user wrote about services.edge is laid over it.
func (l *layers) edge(p *profile.Profile, tree, defaults, services *yamldoc.Node, d *yamldoc.Decoder) {
	if p.Edge == nil || tree.Get("edge").Kind != yamldoc.Mapping {
		return
	}
	written := tree.Get("services").Get(profile.EdgeService)
	if written != nil && written.Kind != yamldoc.Mapping {
		written = nil
	}
	merged := l.service(profile.EdgeService, defaults, presetOf(edgePreset, written))
	var s profile.Service
	d.Decode(merged, &s, "services."+profile.EdgeService)
	if p.Services == nil {
		p.Services = map[string]profile.Service{}
	}
	p.Services[profile.EdgeService] = s
	services.Values[profile.EdgeService] = merged
	if written == nil {
		services.Keys = append(services.Keys, &yamldoc.Node{Tag: "!!str", Value: profile.EdgeService, At: tree.Get("edge").At, Layer: profile.LayerBuiltIn})
	}
}

// monitoring merges each part that is on with its preset, and fills what was not written.
func (l *layers) monitoring(p *profile.Profile, written *yamldoc.Node, d *yamldoc.Decoder) {
	m := p.Monitoring
	if m == nil {
		return
	}
	monitoringDefaults(p)
	services := map[string]profile.Service{}
	for part, port := range profile.Parts() {
		if !p.On(part) {
			continue
		}
		n := written.Get("services").Get(part)
		if n != nil && n.Kind != yamldoc.Mapping {
			continue
		}
		for _, name := range p.ServicesOf(part) {
			of := presetOf(part, n)
			if single := written.Get("services").Get(name); name != part && single != nil && single.Kind == yamldoc.Mapping {
				of = layering().Merge(of, single, "")
			}
			merged := l.service(name, nil, of)
			var s profile.Service
			d.Decode(merged, &s, "monitoring.services."+name)
			if s.Ports == nil && port != 0 {
				s.Ports = []profile.Port{{Host: port, Container: port}}
			}
			services[name] = s
		}
	}
	for name, s := range m.Services {
		if !slices.Contains(p.PartNames(), name) {
			services[name] = s // reported by the validator
		}
	}
	m.Services = services
}

// presetOf returns what was written about a part with the preset of its name.
func presetOf(part string, written *yamldoc.Node) *yamldoc.Node {
	name := &yamldoc.Node{Kind: yamldoc.Scalar, Tag: "!!str", Value: part, Layer: profile.LayerBuiltIn}
	out := &yamldoc.Node{Kind: yamldoc.Mapping, Keys: []*yamldoc.Node{{Kind: yamldoc.Scalar, Tag: "!!str", Value: "preset"}}, Values: map[string]*yamldoc.Node{"preset": name}, Layer: profile.LayerBuiltIn}
	if written == nil {
		return out
	}
	return layering().Merge(out, written, "")
}
