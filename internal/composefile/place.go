package composefile

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/hsectl/hsectl/internal/composefile/specification"
	"github.com/hsectl/hsectl/internal/policy/controls"
	"go.yaml.in/yaml/v3"
)

// document is one of the files as written, or a part of one, for places and comments.
type document struct {
	path string
	root *yaml.Node
	data []byte

	entries map[string]entry // its services and jobs
}

// written are the documents of the files, each laid over the ones before it.
type written []document

// entry is a service or a job as it is written.
type entry struct{ key, value *yaml.Node }

// entries are the services and jobs of a document, by name.
func entries(root *yaml.Node) map[string]entry {
	out := map[string]entry{}
	if len(root.Content) == 0 {
		return out
	}
	for _, section := range []string{"services", "jobs"} {
		_, all := specification.LookUp(root.Content[0], section)
		for k, v := range specification.Pairs(all) {
			if _, ok := out[k.Value]; !ok {
				out[k.Value] = entry{k, specification.Resolve(v)}
			}
		}
	}
	return out
}

// service returns where a service or job is written: in the first file that has it, as the others are laid over it.
func (w written) service(name string) (in document, key, value *yaml.Node) {
	for _, d := range w {
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
func (w written) Place(keys ...string) Place {
	best, deepest := Place{File: w[0].path}, 0
	for _, d := range slices.Backward(w) {
		if len(d.root.Content) == 0 {
			continue
		}
		at := d.root.Content[0]
		for depth, key := range keys {
			k, v := specification.LookUp(at, key)
			if list := specification.Resolve(at); list.Kind == yaml.SequenceNode {
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
func (w written) place(service string, keys ...string) string {
	for _, key := range keys {
		for i := len(w) - 1; i >= 0; i-- {
			d, _, value := w[i : i+1].service(service)
			if k, _ := specification.LookUp(value, key); k != nil {
				return fmt.Sprintf("%s:%d:%d", d.path, k.Line, k.Column)
			}
		}
	}
	if d, k, _ := w.service(service); k != nil {
		return fmt.Sprintf("%s:%d:%d", d.path, k.Line, k.Column)
	}
	return w[0].path
}

// keys returns the keys of a service as written, in any of the files.
func (w written) keys(service string) map[string]bool {
	out := map[string]bool{}
	for i := range w {
		_, _, value := w[i : i+1].service(service)
		collect(value, out, 0)
	}
	return out
}

func collect(n *yaml.Node, into map[string]bool, depth int) {
	n = specification.Resolve(n)
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
func (w written) Raw(service, name string) string {
	for i := len(w) - 1; i >= 0; i-- {
		_, _, value := w[i : i+1].service(service)
		_, environment := specification.LookUp(value, "environment")
		if environment == nil {
			continue
		}
		if _, v := specification.LookUp(environment, name); v != nil && v.Kind == yaml.ScalarNode {
			return v.Value
		}
		if environment.Kind != yaml.SequenceNode {
			continue
		}
		for _, item := range environment.Content {
			if item = specification.Resolve(item); len(item.Value) > len(name) && item.Value[:len(name)+1] == name+"=" {
				return item.Value[len(name)+1:]
			}
		}
	}
	return ""
}

// BareArguments returns the build arguments of a service that are written without a value: it is that of the variable of the name.
func (w written) BareArguments(service string) []string {
	var out []string
	for i := range w {
		_, _, value := w[i : i+1].service(service)
		_, build := specification.LookUp(value, "build")
		_, args := specification.LookUp(specification.Resolve(build), "args")
		out = append(out, specification.Bare(args)...)
	}
	return out
}

// RawKey returns a plain value of a service as it is written; empty when it is not in one of the files themselves.
func (w written) RawKey(service, key string) string {
	for i := len(w) - 1; i >= 0; i-- {
		_, _, value := w[i : i+1].service(service)
		if _, v := specification.LookUp(value, key); v != nil && v.Kind == yaml.ScalarNode {
			return v.Value
		}
	}
	return ""
}

// Locate returns where a change is written: the value of a control when the change has one, otherwise the service.
func (p *Project) Locate(service, control string) string {
	if service == "" {
		return p.written[0].path
	}
	for _, c := range controls.All() {
		if c.ID == control {
			return p.place(service, KeysOf(c)...)
		}
	}
	return p.place(service)
}
