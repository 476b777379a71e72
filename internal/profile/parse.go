package profile

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/yamldoc"
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
type Lookup = yamldoc.Lookup

// Parse reads a profile. On failure the error carries every problem found; see Problems.
func Parse(data []byte, o Options) (*Profile, error) {
	c := &yamldoc.Collector{}
	tree := (&documents{o: o, c: c}).merged(data)
	if tree == nil {
		return nil, c.Err()
	}
	d := yamldoc.NewDecoder(c)
	p := &Profile{}
	d.Decode(tree, p, "")
	if tree.Kind != yamldoc.Mapping {
		return nil, c.Err()
	}

	// The layered services replace the services as written. Mistakes in what the user wrote are reported above.
	l := newLayers(c, d, o.Library)
	defaults := tree.Get("defaults").Relayer(layerProfile, layerDefaults)
	services := &yamldoc.Node{Kind: yamldoc.Mapping, Values: map[string]*yamldoc.Node{}}
	if written := tree.Get("services"); written != nil {
		services = written.Without()
	}
	d.Quiet = true
	for _, name := range slices.Sorted(maps.Keys(p.Services)) {
		written := tree.Get("services").Get(name)
		if written.IsNull() { // a service without a value takes everything from its defaults
			written = &yamldoc.Node{Kind: yamldoc.Mapping, At: written.At, Layer: layerProfile}
		}
		if written.Kind != yamldoc.Mapping {
			continue
		}
		merged := l.service(name, defaults, written)
		var s Service
		d.Decode(merged, &s, "services."+name)
		p.Services[name] = s
		services.Values[name] = merged
	}
	l.edge(p, tree, defaults, services, d)
	l.monitoring(p, tree.Get("monitoring"), d)
	p.Places, p.Tree = d.Places, tree.With("services", services)
	complete(p)
	if m := p.MonitoringProfile(); m != nil {
		complete(m)
	}
	newValidator(p, o, d, c).profile()
	if err := c.Err(); err != nil {
		return nil, err
	}
	return p, nil
}

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
		baseline: yamldoc.Parse(yamldoc.Source{File: "baseline.yaml", Layer: layerBuiltIn, Data: library.Baseline()}, c)}
}

func (l *layers) service(name string, defaults, written *yamldoc.Node) *yamldoc.Node {
	m, merged := layering(), l.baseline
	if preset := written.Get("preset"); preset != nil {
		merged = m.Merge(merged, l.preset(name, preset), "")
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
			l.c.Add(n.At, hint, "there is no preset %q", n.Value)
		}
		return nil
	}
	tree := yamldoc.Parse(yamldoc.Source{File: "presets/" + n.Value + ".yaml", Layer: "preset " + n.Value, Data: data}, l.c)
	l.presets[n.Value] = tree
	return tree
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
