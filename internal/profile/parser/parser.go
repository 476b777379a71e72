// Package parser turns the bytes of a profile into a validated Profile, or into every mistake at once, each with its file,
// line and column and a hint.
//
// A profile is merged from layers, weakest first: the built-in baseline, the preset of each service, the stack's own
// defaults, and the service as written. What the user wrote always wins. Parse is pure: it reads no file, no environment
// and no clock.
package parser

import (
	"maps"
	"reflect"
	"slices"

	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/profile/validation"
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
	Library     Library            // presets and the built-in baseline
	Load        Loader             // finds what a profile extends; nil when nothing can be extended
	Overlays    []Document         // laid over the profile, weakest first
	Environment string             // the one of environments: that is meant; empty for none
	Set         []string           // PATH=VALUE, strongest of all
	Variables   Lookup             // values of ${NAME}; nil when there are none
	Unset       func(name string)  // told of each variable without a value; its text stays as it is written then. nil makes it a mistake
	CheckImage  func(string) error // tells whether an image reference is well formed
}

// Document is a file that was read.
type Document struct {
	File    string // its name, for messages and for what it extends itself
	Data    []byte
	Library bool // comes with hsectl, and cannot be changed
}

// Loader reads what the file from extends: a baseline by its name, or a file by its path relative to from.
type Loader func(name, from string) (Document, error)

// Lookup returns the value of a variable, or false when it is not set.
type Lookup = yamldoc.Lookup

// Parse reads a profile. On failure the error carries every problem found; see Problems.
func Parse(data []byte, o Options) (*profile.Profile, error) {
	c := &yamldoc.Collector{}
	tree := (&documents{o: o, c: c}).merged(data)
	if tree == nil {
		return nil, c.Err()
	}
	d := yamldoc.NewDecoder(c)
	p := &profile.Profile{}
	d.Decode(tree, p, "")
	if tree.Kind != yamldoc.Mapping {
		return nil, c.Err()
	}

	// The layered services replace the services as written. Mistakes in what the user wrote are reported above.
	l := newLayers(c, d, o.Library)
	defaults := tree.Get("defaults").Relayer(profile.LayerProfile, profile.LayerDefaults)
	services := &yamldoc.Node{Kind: yamldoc.Mapping, Values: map[string]*yamldoc.Node{}}
	if written := tree.Get("services"); written != nil {
		services = written.Without()
	}
	d.Quiet = true
	for _, name := range slices.Sorted(maps.Keys(p.Services)) {
		written := tree.Get("services").Get(name)
		if written.IsNull() { // a service without a value takes everything from its defaults
			written = &yamldoc.Node{Kind: yamldoc.Mapping, At: written.At, Layer: profile.LayerProfile}
		}
		if written.Kind != yamldoc.Mapping {
			continue
		}
		merged := l.service(name, defaults, written)
		var s profile.Service
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
	validation.Check{Failed: d.Failed, Image: o.CheckImage}.Profile(p, c)
	if err := c.Err(); err != nil {
		return nil, err
	}
	return p, nil
}

// EnvFiles returns the files with values of variables that a profile names, before anything else of it is read; false where it names
// none. What is wrong with it Parse says.
func EnvFiles(data []byte) (files []string, named bool) {
	tree := yamldoc.Parse(yamldoc.Source{Data: data, Layer: profile.LayerProfile}, &yamldoc.Collector{})
	n := tree.Get("env_files")
	if n == nil {
		return nil, false
	}
	for _, item := range n.Items {
		if item.Kind == yamldoc.Scalar {
			files = append(files, item.Value)
		}
	}
	return files, true
}

// Format returns a profile with its keys in the order of the reference; see yamldoc.Format.
func Format(file string, data []byte) ([]byte, error) {
	return yamldoc.Format(yamldoc.Source{File: file, Layer: profile.LayerProfile, Data: data, Empty: emptyHint}, reflect.TypeFor[profile.Profile]())
}
