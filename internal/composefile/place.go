package composefile

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/hsectl/hsectl/internal/policy/controls"
	"go.yaml.in/yaml/v3"
)

// LookUp returns the key and the value of a mapping, following aliases and merge keys. A key written beside a merge wins.
func LookUp(n *yaml.Node, key string) (k, v *yaml.Node) { return lookUpWithin(n, key, 0) }

func lookUpWithin(n *yaml.Node, key string, depth int) (k, v *yaml.Node) {
	n = resolve(n)
	if n == nil || n.Kind != yaml.MappingNode || depth > 16 {
		return nil, nil
	}
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		switch {
		case n.Content[i].Value == key && n.Content[i].Kind == yaml.ScalarNode:
			return n.Content[i], resolve(n.Content[i+1])
		case n.Content[i].ShortTag() == "!!merge":
			merged = append(merged, n.Content[i+1])
		}
	}
	for _, m := range merged {
		m = resolve(m)
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

// resolve follows an alias. An alias of an alias does not exist in YAML.
func resolve(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// entry is a service or a job as it is written.
type entry struct{ key, value *yaml.Node }

// entries are the services and jobs of a document, by name.
func entries(root *yaml.Node) map[string]entry {
	out := map[string]entry{}
	if len(root.Content) == 0 {
		return out
	}
	for _, section := range []string{"services", "jobs"} {
		_, all := LookUp(root.Content[0], section)
		for k, v := range pairs(all) {
			if _, ok := out[k.Value]; !ok {
				out[k.Value] = entry{k, resolve(v)}
			}
		}
	}
	return out
}

// service returns where a service or job is written: in the first file that has it, as the others are laid over it.
func (p *Project) service(name string) (in document, key, value *yaml.Node) {
	for _, d := range p.places {
		if e, ok := d.entries[name]; ok {
			return d, e.key, e.value
		}
	}
	return document{}, nil, nil
}

// Place is where something is written. Line and column count from 1; they are 0 where only the file is known.
type Place struct {
	File         string
	Line, Column int
}

// String returns file:line:column.
func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Place returns where a key is written, such as services, web, ports, 0: in the last file that has all of it, otherwise where
// the most of it is. Items of lists are numbered from 0.
func (p *Project) Place(keys ...string) Place {
	best, deepest := Place{File: p.places[0].path}, 0
	for _, d := range slices.Backward(p.places) {
		if len(d.root.Content) == 0 {
			continue
		}
		at := d.root.Content[0]
		for depth, key := range keys {
			k, v := LookUp(at, key)
			if list := resolve(at); list.Kind == yaml.SequenceNode {
				if n, err := strconv.Atoi(key); err == nil && n >= 0 && n < len(list.Content) {
					k, v = list.Content[n], list.Content[n]
				}
			}
			if k == nil {
				break
			}
			if depth+1 > deepest {
				best, deepest = Place{d.path, k.Line, k.Column}, depth+1
			}
			at = v
		}
	}
	return best
}

// place returns file:line:column of the first of the keys that the service has, or of the service. A service that comes
// from an included file has the place of the first file.
func (p *Project) place(service string, keys ...string) string {
	for _, key := range keys {
		for i := len(p.places) - 1; i >= 0; i-- {
			one := Project{places: p.places[i : i+1]}
			d, _, value := one.service(service)
			if k, _ := LookUp(value, key); k != nil {
				return fmt.Sprintf("%s:%d:%d", d.path, k.Line, k.Column)
			}
		}
	}
	if d, k, _ := p.service(service); k != nil {
		return fmt.Sprintf("%s:%d:%d", d.path, k.Line, k.Column)
	}
	return p.places[0].path
}

// keys returns the keys of a service as written, in any of the files.
func (p *Project) keys(service string) map[string]bool {
	out := map[string]bool{}
	for i := range p.places {
		one := Project{places: p.places[i : i+1]}
		_, _, value := one.service(service)
		collect(value, out, 0)
	}
	return out
}

func collect(n *yaml.Node, into map[string]bool, depth int) {
	n = resolve(n)
	if n == nil || depth > 16 {
		return
	}
	if n.Kind == yaml.SequenceNode {
		for _, item := range n.Content {
			collect(item, into, depth+1)
		}
		return
	}
	if n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].ShortTag() == "!!merge" {
			collect(n.Content[i+1], into, depth+1)
			continue
		}
		into[n.Content[i].Value] = true
	}
}

// Raw returns the value of a variable of a service as it is written, before variables are replaced; empty when it
// is not in one of the files themselves.
func (p *Project) Raw(service, name string) string {
	for i := len(p.places) - 1; i >= 0; i-- {
		one := Project{places: p.places[i : i+1]}
		_, _, value := one.service(service)
		_, environment := LookUp(value, "environment")
		if environment == nil {
			continue
		}
		if _, v := LookUp(environment, name); v != nil && v.Kind == yaml.ScalarNode {
			return v.Value
		}
		if environment.Kind != yaml.SequenceNode {
			continue
		}
		for _, item := range environment.Content {
			if item = resolve(item); len(item.Value) > len(name) && item.Value[:len(name)+1] == name+"=" {
				return item.Value[len(name)+1:]
			}
		}
	}
	return ""
}

// RawKey returns a plain value of a service as it is written; empty when it is not in one of the files themselves.
func (p *Project) RawKey(service, key string) string {
	for i := len(p.places) - 1; i >= 0; i-- {
		one := Project{places: p.places[i : i+1]}
		_, _, value := one.service(service)
		if _, v := LookUp(value, key); v != nil && v.Kind == yaml.ScalarNode {
			return v.Value
		}
	}
	return ""
}

// Locate returns where a change is written: the value of a control when the change has one, otherwise the service.
func (p *Project) Locate(service, control string) string {
	if service == "" {
		return p.places[0].path
	}
	for _, c := range controls.All() {
		if c.ID == control {
			return p.place(service, KeysOf(c)...)
		}
	}
	return p.place(service)
}
