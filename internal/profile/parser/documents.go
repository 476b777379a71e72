package parser

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/yamldoc"
)

// emptyHint is what to do about a file that says nothing.
const emptyHint = "start with: hsectl init"

// maxExtends bounds how far a profile extends another one that extends another one.
const maxExtends = 8

// documents merges whole documents, weakest first: what the profile extends, the profile, the selected environment,
// the overlays in their order, and the values that were set by flag.
type documents struct {
	o Options
	c *yamldoc.Collector
}

// merged returns the one tree of all documents, or nil when one of them cannot be read.
func (d *documents) merged(data []byte) *yamldoc.Node {
	tree := yamldoc.Parse(yamldoc.Source{File: d.o.File, Layer: profile.LayerProfile, Data: data, Empty: emptyHint}, d.c)
	if tree == nil || tree.Kind != yamldoc.Mapping {
		return tree
	}
	base := tree.Get("extends")
	if instead := tree.Get("environments").Get(d.o.Environment).Get("extends"); instead != nil {
		base = instead
	}
	m := overlaying()
	out := m.Merge(d.extended(base, d.o.File, nil), tree, "")
	if environment := d.environment(out); environment != nil {
		out = m.Merge(out, environment.Relayer(profile.LayerProfile, "environment "+d.o.Environment).Without("extends"), "")
	}
	for _, overlay := range d.o.Overlays {
		out = m.Merge(out, d.overlay(overlay), "")
	}
	for _, assignment := range d.o.Set {
		out = m.Merge(out, d.set(assignment), "")
	}
	return (&variables{d.o.Variables, d.o.Unset, d.c}).expand(out.Prune("", func(path string) bool { return path == "environments" || isService(path) }), "")
}

// environment returns the selected entry of environments, or nil.
func (d *documents) environment(tree *yamldoc.Node) *yamldoc.Node {
	if d.o.Environment == "" {
		return nil
	}
	all := tree.Get("environments")
	entry := all.Get(d.o.Environment)
	switch {
	case entry == nil && all == nil:
		d.c.Add(tree.At, "declare it under environments:, or omit --env", "the profile has no environment %q", d.o.Environment)
	case entry == nil:
		d.c.Add(all.At, yamldoc.DidYouMean(d.o.Environment, slices.Collect(maps.Keys(all.Values))), "environment %q not found", d.o.Environment)
	case entry.Kind != yamldoc.Mapping:
		return nil // an environment that changes nothing, or a mistake that is reported when it is decoded
	}
	return entry
}

// extended returns the document that n names, laid over the one that it extends itself.
func (d *documents) extended(n *yamldoc.Node, from string, trail []string) *yamldoc.Node {
	if n.IsNull() {
		return nil
	}
	if n.Kind != yamldoc.Scalar {
		return nil // reported when it is decoded
	}
	if d.o.Load == nil {
		d.c.Add(n.At, "", "nothing can be extended here")
		return nil
	}
	document, err := d.o.Load(n.Value, from)
	if err != nil {
		d.c.Add(n.At, "name a baseline (production, staging, development), or a file relative to this one", "extends %q: %v", n.Value, err)
		return nil
	}
	if slices.Contains(trail, document.File) || len(trail) >= maxExtends {
		d.c.Add(n.At, "drop one of these extends", "cycle in extends: %s", strings.Join(append(trail, document.File), " → "))
		return nil
	}
	layer := "extends " + n.Value
	if document.Library {
		layer = "baseline " + n.Value
	}
	tree := d.read(document, layer)
	if tree == nil {
		return nil
	}
	below := d.extended(tree.Get("extends"), document.File, append(trail, document.File))
	return overlaying().Merge(below, tree.Without("extends"), "")
}

// overlay reads a file that is laid over the profile.
func (d *documents) overlay(document Document) *yamldoc.Node {
	tree := d.read(document, "overlay "+document.File)
	if tree == nil {
		return nil
	}
	for _, key := range []string{"extends", "environments"} {
		if n := tree.Get(key); n != nil {
			d.c.Add(n.At, "write it in the profile itself", "an overlay cannot have %s", key)
		}
	}
	return tree.Without("extends", "environments")
}

// read returns the tree of a document, which may be a whole profile or only an overlay.
func (d *documents) read(document Document, layer string) *yamldoc.Node {
	tree := yamldoc.Parse(yamldoc.Source{File: document.File, Layer: layer, Data: document.Data, Empty: emptyHint}, d.c)
	if tree != nil && tree.Kind != yamldoc.Mapping {
		d.c.Add(tree.At, "use the same keys as in a profile", "the document must be a mapping, not a %s", tree.What())
		return nil
	}
	if kind := tree.Get("kind"); kind != nil && kind.Value == "Overlay" {
		return tree.Without("kind")
	}
	return tree
}

// isService reports whether a path is that of a service, or of the defaults of all services.
func isService(path string) bool {
	name, ok := strings.CutPrefix(path, "services.")
	return path == "defaults" || ok && name != ""
}

// set returns the tree that an assignment such as services.app.limits.memory=2G stands for, or nil after reporting what
// is wrong with it. The value is YAML; it replaces what weaker layers say.
func (d *documents) set(assignment string) *yamldoc.Node {
	at := yamldoc.Position{File: profile.LayerFlag + " " + assignment}
	path, value, ok := strings.Cut(assignment, "=")
	if !ok {
		d.c.Add(at, "write PATH=VALUE, such as services.app.limits.memory=2G", "the value is missing")
		return nil
	}
	keys, ok := yamldoc.SplitPath(path)
	if !ok {
		d.c.Add(at, "write the keys with dots between them; a key that has dots itself in double quotes", "%q is not a path", path)
		return nil
	}
	if strings.ContainsAny(keys[len(keys)-1], "[]") {
		d.c.Add(at, "give the whole list: PATH=[a, b]", "a single list item cannot be set")
		return nil
	}
	if keys[0] == "extends" || keys[0] == "environments" {
		d.c.Add(at, "write it in the profile itself", "%s cannot be set by a flag", keys[0])
		return nil
	}
	return yamldoc.Set(keys, value, at, profile.LayerFlag, d.c)
}

// VariablePlaces are the values of a profile that may contain ${NAME}; * stands for any key or item. Everywhere else a
// dollar sign is a dollar sign: commands and health tests have shells of their own.
func VariablePlaces() []string {
	return []string{
		"services.*.image", "services.*.build.context", "services.*.build.dockerfile", "services.*.build.target", "services.*.build.args.*",
		"services.*.labels.*", "services.*.ports.*", "services.*.limits.*", "services.*.reservations.*", "secrets.*.file",
	}
}

// variables puts values in the places of ${NAME}.
type variables struct {
	lookup Lookup
	unset  func(string)
	c      *yamldoc.Collector
}

// expand returns the tree with the variables of all places put in. Library layers are left alone.
func (v *variables) expand(n *yamldoc.Node, path string) *yamldoc.Node {
	if n == nil || n.Kind == yamldoc.Scalar {
		return v.scalar(n, path)
	}
	out := *n
	out.Items = nil
	for i, item := range n.Items {
		out.Items = append(out.Items, v.expand(item, fmt.Sprintf("%s.%d", path, i)))
	}
	if n.Values != nil {
		out.Values = make(map[string]*yamldoc.Node, len(n.Values))
		for k, value := range n.Values {
			out.Values[k] = v.expand(value, yamldoc.Join(path, k))
		}
	}
	return &out
}

func (v *variables) scalar(n *yamldoc.Node, path string) *yamldoc.Node {
	if n == nil || !profile.Own(n.Layer) || !strings.Contains(n.Value, "${") {
		return n
	}
	unselected := strings.HasPrefix(path, "environments.")
	if unselected { // what counts is the copy of the selected one, laid over the profile
		_, path, _ = strings.Cut(strings.TrimPrefix(path, "environments."), ".")
	}
	if strings.HasPrefix(path, "defaults.") {
		path = "services." + path
	}
	if !variablePlace(path) {
		return n
	}
	substitute := v.lookup.Substitute
	if v.unset != nil && isText(path) {
		substitute = func(text string) (string, error) { return v.lookup.SubstituteSet(text, v.unset) }
	}
	value, err := substitute(n.Value)
	if err != nil {
		if unselected {
			return &yamldoc.Node{Tag: "!!null", At: n.At, Layer: n.Layer}
		}
		hint := yamldoc.Hint(err)
		if v.unset != nil {
			hint = "name the variable with --env-from or --env-file, or give it a default: ${NAME:-…}"
		}
		v.c.Add(n.At, hint, "%v", err)
	}
	out := *n
	out.Text, out.Value = n.Value, value
	if strings.HasSuffix(path, ".pids") {
		out.Tag = yamldoc.TagOf(value)
	}
	return &out
}

// isText reports whether any text is a value of a place, also one with a variable in it.
func isText(path string) bool {
	return !strings.Contains(path, ".ports.") && !strings.Contains(path, ".limits.") && !strings.Contains(path, ".reservations.")
}

// variablePlace reports whether the value at a path may contain variables.
func variablePlace(path string) bool {
	keys := strings.Split(path, ".")
	for _, place := range VariablePlaces() {
		pattern := strings.Split(place, ".")
		if len(keys) < len(pattern) || len(keys) > len(pattern) && pattern[len(pattern)-1] != "*" {
			continue
		}
		match := true
		for i, p := range pattern {
			match = match && (p == "*" || p == keys[i])
		}
		if match {
			return true
		}
	}
	return false
}
