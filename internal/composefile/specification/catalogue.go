package specification

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v3"
)

// Catalogue finds keys by their paths.
type Catalogue struct {
	keys   map[string]Key
	inside map[string]bool // paths with keys below them
}

// NewCatalogue returns the keys that this version knows.
func NewCatalogue() Catalogue {
	out := Catalogue{map[string]Key{}, map[string]bool{}}
	for _, k := range Keys() {
		path := strings.TrimSuffix(k.Path, ".**")
		out.keys[path] = k
		for i := range path {
			if path[i] == '.' {
				out.inside[path[:i]] = true
			}
		}
	}
	return out
}

// treatment of a key, and whether it is meant with all below it.
func (c Catalogue) treatment(path string) (t Treatment, all, known bool) {
	k, ok := c.keys[path]
	return k.Treatment, strings.HasSuffix(k.Path, ".**"), ok
}

// Open lists what is set in a value of compose-go and that no control judges: a service, or what services use, whose path is
// the kind of it. Shown is how the value is named in the file; it may be empty.
func (c Catalogue) Open(v any, kind, shown string) []string {
	return c.open(reflect.ValueOf(v), kind, shown)
}

// open lists what is set in a value of compose-go and that no control judges. Shown is how the path is written in the file.
func (c Catalogue) open(v reflect.Value, path, shown string) []string {
	var out []string
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			return c.open(v.Elem(), path, shown)
		}
	case reflect.Slice:
		for i := range v.Len() {
			out = append(out, c.open(v.Index(i), path, shown)...)
		}
	case reflect.Map:
		if !c.inside[path+".*"] {
			return nil
		}
		for _, key := range v.MapKeys() {
			out = append(out, c.open(v.MapIndex(key), path+".*", under(shown, key.String()))...)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			name, inline := keyOf(v.Type().Field(i))
			switch {
			case inline:
				out = append(out, c.open(v.Field(i), path, shown)...)
			case name != "" && !v.Field(i).IsZero():
				out = append(out, c.openKey(v.Field(i), path+"."+name, under(shown, name))...)
			}
		}
	}
	return out
}

func (c Catalogue) openKey(v reflect.Value, path, shown string) []string {
	treatment, all, _ := c.treatment(path)
	switch {
	case treatment == Open:
		return []string{shown}
	case all:
		return nil
	}
	return c.open(v, path, shown)
}

func under(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// keyOf returns the key of a field in a Compose file; it is empty for what has none, such as extensions, which Compose ignores.
func keyOf(f reflect.StructField) (name string, inline bool) {
	tag, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	switch {
	case !f.IsExported(), tag == "-", f.Type == reflect.TypeFor[types.Extensions]():
		return "", false
	case strings.Contains(options, "inline"):
		return "", true
	}
	return tag, false
}

// Sections are those of a Compose file, and what the paths of their keys begin with.
func Sections() map[string]string {
	return map[string]string{"services": "service", "jobs": "service", "networks": "network", "volumes": "volume", "secrets": "secret", "configs": "config", "models": "model"}
}

// Novelty is a key as it is written that this version does not know, such as services, web, newkey.
type Novelty struct {
	Path   []string
	parent *yaml.Node
}

// Novelties finds the keys that this version does not know in what is written.
func (c Catalogue) Novelties(root *yaml.Node) []Novelty {
	if len(root.Content) == 0 {
		return nil
	}
	var out []Novelty
	for k, value := range Pairs(root.Content[0]) {
		key := k.Value
		kind, section := Sections()[key]
		switch {
		case section:
			for name, v := range Pairs(value) {
				out = append(out, c.below(v, kind, []string{key, name.Value}, 0)...)
			}
		case !slices.Contains([]string{"name", "version", "include"}, key) && !strings.HasPrefix(key, "x-"):
			out = append(out, Novelty{[]string{key}, Resolve(root.Content[0])})
		}
	}
	return out
}

func (c Catalogue) below(n *yaml.Node, path string, written []string, depth int) []Novelty {
	n = Resolve(n)
	if n == nil || depth > 32 || !c.inside[path] {
		return nil
	}
	var out []Novelty
	if n.Kind == yaml.SequenceNode {
		for _, item := range n.Content {
			out = append(out, c.below(item, path, written, depth+1)...)
		}
		return out
	}
	for k, value := range Pairs(n) {
		key := k.Value
		at, next := append(slices.Clone(written), key), path+"."+key
		if c.inside[path+".*"] {
			out = append(out, c.below(value, path+".*", at, depth+1)...)
			continue
		}
		switch _, all, known := c.treatment(next); {
		case strings.HasPrefix(key, "x-") || all:
		case !known:
			out = append(out, Novelty{at, n})
		default:
			out = append(out, c.below(value, next, at, depth+1)...)
		}
	}
	return out
}

// Stripped returns a file without the keys that this version does not know: compose-go refuses a file that has one.
func (c Catalogue) Stripped(data []byte) ([]byte, error) {
	var out bytes.Buffer
	decoder, encoder := yaml.NewDecoder(bytes.NewReader(data)), yaml.NewEncoder(&out)
	for {
		var root yaml.Node
		if err := decoder.Decode(&root); errors.Is(err, io.EOF) {
			return out.Bytes(), encoder.Close()
		} else if err != nil {
			return nil, err
		}
		for _, n := range c.Novelties(&root) {
			remove(n.parent, n.Path[len(n.Path)-1], 0)
		}
		if err := encoder.Encode(&root); err != nil {
			return nil, err
		}
	}
}
