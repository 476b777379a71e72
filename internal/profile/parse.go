package profile

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// Library holds the presets and the baseline that profiles are merged with.
type Library interface {
	// Baseline returns the values that every service starts from.
	Baseline() []byte
	// Preset returns the preset of that name, or false.
	Preset(name string) ([]byte, bool)
	// Presets returns the names of all presets, sorted.
	Presets() []string
}

// Options are what Parse must know besides the bytes. Everything that is an effect comes in here as a value or a function.
type Options struct {
	File        string             // name of the file, for messages
	Today       time.Time          // exceptions that expired before it are refused
	Library     Library            // presets and the built-in baseline
	Load        Loader             // finds what a profile extends; nil when nothing can be extended
	Overlays    []Document         // laid over the profile, weakest first
	Environment string             // the one of environments: that is meant; empty for none
	Set         []string           // PATH=VALUE, strongest of all
	Variables   Lookup             // values of ${NAME}; nil when there are none
	CheckImage  func(string) error // tells whether an image reference is well formed
}

// Document is a file that was read.
type Document struct {
	File    string // its name, for messages and for what it extends itself
	Data    []byte
	Library bool // comes with hsectl, and is nobody's to change
}

// Loader reads what the file from extends: a baseline by its name, or a file by its path relative to from.
type Loader func(name, from string) (Document, error)

// Lookup returns the value of a variable, or false when it is not set.
type Lookup func(name string) (string, bool)

// Parse reads a profile. On failure the error carries every problem found; see Problems.
func Parse(data []byte, o Options) (*Profile, error) {
	c := &collector{}
	tree := (&documents{o: o, c: c}).merged(data)
	if tree == nil {
		return nil, c.err()
	}
	d := newDecoder(c)
	p := &Profile{}
	d.decode(tree, p, "")
	if tree.kind != mapping {
		return nil, c.err()
	}

	// The layered services replace the services as written. Mistakes in what the user wrote are reported above.
	l := newLayers(d, o.Library)
	defaults := relayer(tree.get("defaults"), layerProfile, layerDefaults)
	services := &node{kind: mapping, vals: map[string]*node{}}
	if written := tree.get("services"); written != nil {
		services = written.without()
	}
	d.quiet = true
	for _, name := range slices.Sorted(maps.Keys(p.Services)) {
		written := tree.get("services").get(name)
		if written.isNull() { // a service without a value takes everything from its defaults
			written = &node{kind: mapping, at: written.at, layer: layerProfile}
		}
		if written.kind != mapping {
			continue
		}
		merged := l.service(name, defaults, written)
		var s Service
		d.decode(merged, &s, "services."+name)
		p.Services[name] = s
		services.vals[name] = merged
	}
	l.edge(p, tree, defaults, services, d)
	l.monitoring(p, tree.get("monitoring"), d)
	p.positions, p.tree = d.positions, tree.with("services", services)
	complete(p)
	if m := p.MonitoringProfile(); m != nil {
		complete(m)
	}
	newValidator(p, o, d).profile()
	if err := c.err(); err != nil {
		return nil, err
	}
	return p, nil
}

// layers merges what a service is made of.
type layers struct {
	c        *collector
	library  Library
	baseline *node
	presets  map[string]*node
	failed   map[string]bool // paths whose value could not be read
}

func newLayers(d *decoder, library Library) *layers {
	return &layers{c: d.c, library: library, presets: map[string]*node{}, failed: d.failed,
		baseline: parseTree("baseline.yaml", layerBuiltIn, library.Baseline(), d.c)}
}

func (l *layers) service(name string, defaults, written *node) *node {
	m, merged := layering(), l.baseline
	if preset := written.get("preset"); preset != nil {
		merged = m.merge(merged, l.preset(name, preset), "")
	}
	merged = m.merge(merged, defaults, "")
	merged = m.merge(merged, written, "")
	return tuned(name, merged, l.c)
}

// preset returns the tree of the preset that n names for a service, or nil after reporting that there is none.
func (l *layers) preset(service string, n *node) *node {
	if tree, ok := l.presets[n.value]; ok {
		return tree
	}
	data, ok := l.library.Preset(n.value)
	if !ok {
		l.failed["services."+service+".preset"] = true
		if n.kind == scalar {
			hint := cmp.Or(didYouMean(n.value, l.library.Presets()), "list them with: hsectl presets")
			l.c.add(n.at, hint, "there is no preset %q", n.value)
		}
		return nil
	}
	tree := parseTree("presets/"+n.value+".yaml", "preset "+n.value, data, l.c)
	l.presets[n.value] = tree
	return tree
}

// relayer returns the tree with the values of one layer given to another.
func relayer(n *node, from, to string) *node {
	if n == nil {
		return nil
	}
	out := *n
	if out.layer == from {
		out.layer = to
	}
	out.items = nil
	for _, item := range n.items {
		out.items = append(out.items, relayer(item, from, to))
	}
	if n.vals != nil {
		out.vals = make(map[string]*node, len(n.vals))
		for k, v := range n.vals {
			out.vals[k] = relayer(v, from, to)
		}
	}
	return &out
}

// complete fills what follows from other values, and is nobody's to write.
func complete(p *Profile) {
	for name, s := range p.Services {
		if len(s.Networks) == 0 && (p.Edge == nil || name != EdgeService) {
			s.Networks = []string{NetworkBackend}
			if len(s.Ports) > 0 {
				s.Networks = append(s.Networks, NetworkEdge)
			}
		}
		if s.Metrics != nil && s.Metrics.Path == "" {
			metrics := *s.Metrics
			metrics.Path = "/metrics"
			s.Metrics = &metrics
		}
		for i := range s.HostPaths {
			if s.HostPaths[i].Path == "" {
				s.HostPaths[i].Path = s.HostPaths[i].Host
			}
		}
		for i := range s.DependsOn {
			if s.DependsOn[i].Condition == "" {
				s.DependsOn[i].Condition = "healthy"
			}
		}
		for i := range s.Ports {
			if s.Ports[i].Address == "" {
				s.Ports[i].Address = "127.0.0.1"
			}
			if s.Ports[i].Protocol == "" {
				s.Ports[i].Protocol = "tcp"
			}
		}
		if s.Image == "" && s.Build != nil {
			s.Image = p.Name + "-" + name + ":latest"
		}
		for i := range s.Capabilities {
			s.Capabilities[i].Name = strings.TrimPrefix(strings.ToUpper(s.Capabilities[i].Name), "CAP_")
		}
		p.Services[name] = s
	}
	completeEdge(p)
	if p.Monitoring != nil {
		p.watch()
	}
	p.declare()
}

// declare adds the networks that are used and need no declaration.
func (p *Profile) declare() {
	used := map[string]Network{}
	if p.Edge != nil {
		used[NetworkEdge] = Network{Publish: true}
	}
	for _, s := range p.Services {
		for _, name := range s.Networks {
			if name == NetworkBackend || name == NetworkEdge || p.Monitoring != nil && strings.HasPrefix(name, NetworkMonitoring) {
				used[name] = Network{Publish: name == NetworkEdge}
			}
		}
	}
	if p.Networks == nil {
		p.Networks = map[string]Network{}
	}
	for name, network := range used {
		if _, ok := p.Networks[name]; !ok {
			p.Networks[name] = network
		}
	}
}

// Networks that need no declaration.
const (
	NetworkBackend = "backend" // internal: no way out, nothing published
	NetworkEdge    = "edge"    // ports may be published; still no way out
)
