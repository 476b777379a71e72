package profile

import (
	"maps"
	"slices"
	"strings"
)

// maxExtends bounds how far a profile extends another one that extends another one.
const maxExtends = 8

// documents merges whole documents, weakest first: what the profile extends, the profile, the selected environment,
// the overlays in their order, and the values that were set by flag.
type documents struct {
	o Options
	c *collector
}

// merged returns the one tree of all documents, or nil when one of them cannot be read.
func (d *documents) merged(data []byte) *node {
	tree := parseTree(d.o.File, layerProfile, data, d.c)
	if tree == nil || tree.kind != mapping {
		return tree
	}
	base := tree.get("extends")
	if instead := tree.get("environments").get(d.o.Environment).get("extends"); instead != nil {
		base = instead
	}
	m := overlaying()
	out := m.merge(d.extended(base, d.o.File, nil), tree, "")
	if environment := d.environment(out); environment != nil {
		out = m.merge(out, relayer(environment, layerProfile, "environment "+d.o.Environment).without("extends"), "")
	}
	for _, overlay := range d.o.Overlays {
		out = m.merge(out, d.overlay(overlay), "")
	}
	for _, assignment := range d.o.Set {
		out = m.merge(out, d.set(assignment), "")
	}
	return (&variables{d.o.Variables, d.c}).expand(pruned(out, ""), "")
}

// environment returns the selected entry of environments, or nil.
func (d *documents) environment(tree *node) *node {
	if d.o.Environment == "" {
		return nil
	}
	all := tree.get("environments")
	entry := all.get(d.o.Environment)
	switch {
	case entry == nil && all == nil:
		d.c.add(tree.at, "write it under environments:, or leave --env out", "the profile has no environment %q", d.o.Environment)
	case entry == nil:
		d.c.add(all.at, didYouMean(d.o.Environment, slices.Collect(maps.Keys(all.vals))), "there is no environment %q", d.o.Environment)
	case entry.kind != mapping:
		return nil // an environment that changes nothing, or a mistake that is reported when it is decoded
	}
	return entry
}

// extended returns the document that n names, laid over the one that it extends itself.
func (d *documents) extended(n *node, from string, trail []string) *node {
	if n.isNull() {
		return nil
	}
	if n.kind != scalar {
		return nil // reported when it is decoded
	}
	if d.o.Load == nil {
		d.c.add(n.at, "", "nothing can be extended here")
		return nil
	}
	document, err := d.o.Load(n.value, from)
	if err != nil {
		d.c.add(n.at, "name a baseline (production, staging, development), or a file relative to this one", "extends %q: %v", n.value, err)
		return nil
	}
	if slices.Contains(trail, document.File) || len(trail) >= maxExtends {
		d.c.add(n.at, "drop one of these extends", "extends goes in a circle: %s", strings.Join(append(trail, document.File), " → "))
		return nil
	}
	layer := "extends " + n.value
	if document.Library {
		layer = "baseline " + n.value
	}
	tree := d.read(document, layer)
	if tree == nil {
		return nil
	}
	below := d.extended(tree.get("extends"), document.File, append(trail, document.File))
	return overlaying().merge(below, tree.without("extends"), "")
}

// overlay reads a file that is laid over the profile.
func (d *documents) overlay(document Document) *node {
	tree := d.read(document, "overlay "+document.File)
	if tree == nil {
		return nil
	}
	for _, key := range []string{"extends", "environments"} {
		if n := tree.get(key); n != nil {
			d.c.add(n.at, "write it in the profile itself", "an overlay cannot have %s", key)
		}
	}
	return tree.without("extends", "environments")
}

// read returns the tree of a document, which may be a whole profile or only an overlay.
func (d *documents) read(document Document, layer string) *node {
	tree := parseTree(document.File, layer, document.Data, d.c)
	if tree != nil && tree.kind != mapping {
		d.c.add(tree.at, "write the same keys as in a profile", "the document must be a mapping, not a %s", tree.what())
		return nil
	}
	if kind := tree.get("kind"); kind != nil && kind.value == "Overlay" {
		return tree.without("kind")
	}
	return tree
}

// pruned takes out what !reset removes, except within services and defaults: there it removes what presets say as well,
// when the service is put together.
func pruned(n *node, path string) *node {
	if n == nil || n.kind != mapping || path == "environments" || isService(path) {
		return n
	}
	out := n.without()
	var keys []*node
	for _, k := range out.keys {
		v := out.vals[k.value]
		if v.directive == reset {
			delete(out.vals, k.value)
			continue
		}
		keys = append(keys, k)
		out.vals[k.value] = pruned(v, join(path, k.value))
	}
	out.keys = keys
	return out
}

// isService reports whether a path is that of a service, or of the defaults of all services.
func isService(path string) bool {
	name, ok := strings.CutPrefix(path, "services.")
	return path == "defaults" || ok && name != ""
}
