package yamldoc

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
)

// Decoder fills Go values from a tree. It goes on after a mistake, so that all are reported at once,
// and records where every value was written.
type Decoder struct {
	Places Places
	Failed map[string]bool // paths whose value could not be read; nothing more is said about them
	Quiet  bool            // the same mistakes were reported before

	c        *Collector
	reported map[Position]bool
}

// NewDecoder returns a decoder that reports to c.
func NewDecoder(c *Collector) *Decoder {
	return &Decoder{c: c, Places: Places{}, Failed: map[string]bool{}, reported: map[Position]bool{}}
}

// report notes a mistake in the value at path, once: the value of an environment is also read as part of the profile.
func (d *Decoder) report(path string, at Position, hint, format string, args ...any) {
	d.Failed[path] = true
	if !d.Quiet && !d.reported[at] {
		d.reported[at] = at.Line > 0
		d.c.Add(at, hint, format, args...)
	}
}

// Origin is where a value was written, and by which layer.
type Origin struct {
	At    Position
	Layer string
}

// Places are the origins of all values by their path, as in services.app.writable[0].path. The key of a mapping itself is
// at the path of its value and #key.
type Places map[string]Origin

// Origin returns where the value at path was written, or the nearest value around it.
func (p Places) Origin(path string) Origin {
	for path != "" {
		if o, ok := p[path]; ok {
			return o
		}
		path = Parent(path)
	}
	return p[""]
}

// Shorthand lets a type accept a form besides its mapping, such as a port written "3001:3001".
// It reports false when it leaves the node to the ordinary decoding.
type Shorthand interface {
	DecodeShort(n *Node) (handled bool, err error)
}

// Decode fills the value that into points to from a tree. Keys are matched by the yaml tags of fields.
func (d *Decoder) Decode(n *Node, into any, path string) {
	d.value(n, reflect.ValueOf(into).Elem(), path)
}

func (d *Decoder) value(n *Node, v reflect.Value, path string) {
	d.Places[path] = Origin{n.At, n.Layer}
	if n.IsNull() {
		return // a key without a value says nothing, as if it were not written
	}
	if s, ok := v.Addr().Interface().(Shorthand); ok {
		handled, err := s.DecodeShort(n)
		if err != nil {
			d.fail(n, path, err)
			return
		}
		if handled {
			return
		}
	}
	if t, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if n.Kind != Scalar {
			d.wrong(n, path, "a plain value")
			return
		}
		if err := t.UnmarshalText([]byte(n.Value)); err != nil {
			d.fail(n, path, err)
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), path)
	case reflect.Struct:
		d.structure(n, v, path)
	case reflect.Map:
		d.mapping(n, v, path)
	case reflect.Slice:
		d.list(n, v, path)
	default:
		d.scalar(n, v, path)
	}
}

func (d *Decoder) structure(n *Node, v reflect.Value, path string) {
	if n.Kind != Mapping {
		d.wrong(n, path, "a mapping")
		return
	}
	fields := fieldsOf(v.Type())
	for _, k := range n.Keys {
		i, ok := fields[k.Value]
		if !ok {
			d.report(Join(path, k.Value), k.At, DidYouMean(k.Value, keysOf(fields)), "unknown key %q%s", k.Value, under(path))
			continue
		}
		d.value(n.Values[k.Value], v.Field(i), Join(path, k.Value))
	}
}

func (d *Decoder) mapping(n *Node, v reflect.Value, path string) {
	if n.Kind != Mapping {
		d.wrong(n, path, "a mapping")
		return
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(n.Keys)))
	for _, k := range n.Keys {
		elem := reflect.New(v.Type().Elem()).Elem()
		d.value(n.Values[k.Value], elem, Join(path, k.Value))
		d.Places[Join(path, k.Value)+"#key"] = Origin{k.At, k.Layer}
		v.SetMapIndex(reflect.ValueOf(k.Value), elem)
	}
}

func (d *Decoder) list(n *Node, v reflect.Value, path string) {
	if n.Kind != Sequence {
		hint := ""
		if n.Kind == Scalar {
			hint = fmt.Sprintf("write it as a list: [%q]", n.Value)
		}
		d.report(path, n.At, hint, "%s must be a list, not a %s", path, n.What())
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Items), len(n.Items)))
	for i, item := range n.Items {
		d.value(item, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
}

func (d *Decoder) scalar(n *Node, v reflect.Value, path string) {
	want := map[reflect.Kind]string{reflect.String: "a string", reflect.Bool: "true or false", reflect.Int: "a whole number"}[v.Kind()]
	if n.Kind != Scalar {
		d.wrong(n, path, want)
		return
	}
	switch v.Kind() {
	case reflect.String:
		if n.Tag != "!!str" && n.Tag != "!!timestamp" {
			d.report(path, n.At, fmt.Sprintf("put it in quotes: %q", n.Value), "%s must be a string, not a %s", path, n.What())
			return
		}
		v.SetString(n.Value)
	case reflect.Bool:
		if n.Tag != "!!bool" {
			d.wrong(n, path, want)
			return
		}
		v.SetBool(n.Value == "true" || n.Value == "True" || n.Value == "TRUE")
	case reflect.Int:
		i, err := strconv.Atoi(n.Value)
		if err != nil || n.Tag != "!!int" {
			d.wrong(n, path, want)
			return
		}
		v.SetInt(int64(i))
	}
}

func (d *Decoder) wrong(n *Node, path, want string) {
	what := path
	if what == "" {
		what = "the document"
	}
	d.report(path, n.At, "", "%s must be %s, not a %s", what, want, n.What())
}

func (d *Decoder) fail(n *Node, path string, err error) {
	d.report(path, n.At, Hint(err), "%s: %v", path, err)
}

// fieldsOf returns the index of each field by its key in the file.
func fieldsOf(t reflect.Type) map[string]int {
	fields := make(map[string]int, t.NumField())
	for i := range t.NumField() {
		if key := t.Field(i).Tag.Get("yaml"); key != "" {
			fields[key] = i
		}
	}
	return fields
}

func keysOf(fields map[string]int) []string {
	keys := make([]string, 0, len(fields))
	for k := range fields {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Join returns the path of a key within a mapping.
func Join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// Parent returns the path of what the value at path lies in.
func Parent(path string) string {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '.' || path[i] == '[' {
			return path[:i]
		}
	}
	return ""
}

func under(path string) string {
	if path == "" {
		return " at the top level"
	}
	return " in " + path
}
