package profile

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
)

// decoder fills Go values from a tree. It goes on after a mistake, so that all are reported at once,
// and records where every value was written.
type decoder struct {
	c         *collector
	positions map[string]origin
	failed    map[string]bool // paths whose value could not be read; nothing more is said about them
	reported  map[Position]bool
	quiet     bool // the same mistakes were reported before
}

func newDecoder(c *collector) *decoder {
	return &decoder{c: c, positions: map[string]origin{}, failed: map[string]bool{}, reported: map[Position]bool{}}
}

// report notes a mistake in the value at path, once: the value of an environment is also read as part of the profile.
func (d *decoder) report(path string, at Position, hint, format string, args ...any) {
	d.failed[path] = true
	if !d.quiet && !d.reported[at] {
		d.reported[at] = at.Line > 0
		d.c.add(at, hint, format, args...)
	}
}

// origin is where a value was written, and by which layer.
type origin struct {
	at    Position
	layer string
}

// shorthand lets a type accept a form besides its mapping, such as a port written "3001:3001".
// It reports false when it leaves the node to the ordinary decoding.
type shorthand interface {
	decodeShort(n *node) (handled bool, err error)
}

func (d *decoder) decode(n *node, into any, path string) {
	d.value(n, reflect.ValueOf(into).Elem(), path)
}

func (d *decoder) value(n *node, v reflect.Value, path string) {
	d.positions[path] = origin{n.at, n.layer}
	if n.isNull() {
		return // a key without a value says nothing, as if it were not written
	}
	if s, ok := v.Addr().Interface().(shorthand); ok {
		handled, err := s.decodeShort(n)
		if err != nil {
			d.fail(n, path, err)
			return
		}
		if handled {
			return
		}
	}
	if t, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if n.kind != scalar {
			d.wrong(n, path, "a plain value")
			return
		}
		if err := t.UnmarshalText([]byte(n.value)); err != nil {
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

func (d *decoder) structure(n *node, v reflect.Value, path string) {
	if n.kind != mapping {
		d.wrong(n, path, "a mapping")
		return
	}
	fields := fieldsOf(v.Type())
	for _, k := range n.keys {
		i, ok := fields[k.value]
		if !ok {
			d.report(join(path, k.value), k.at, didYouMean(k.value, keysOf(fields)), "unknown key %q%s", k.value, under(path))
			continue
		}
		d.value(n.vals[k.value], v.Field(i), join(path, k.value))
	}
}

func (d *decoder) mapping(n *node, v reflect.Value, path string) {
	if n.kind != mapping {
		d.wrong(n, path, "a mapping")
		return
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(n.keys)))
	for _, k := range n.keys {
		elem := reflect.New(v.Type().Elem()).Elem()
		d.value(n.vals[k.value], elem, join(path, k.value))
		d.positions[join(path, k.value)+"#key"] = origin{k.at, k.layer}
		v.SetMapIndex(reflect.ValueOf(k.value), elem)
	}
}

func (d *decoder) list(n *node, v reflect.Value, path string) {
	if n.kind != sequence {
		hint := ""
		if n.kind == scalar {
			hint = fmt.Sprintf("write it as a list: [%q]", n.value)
		}
		d.report(path, n.at, hint, "%s must be a list, not a %s", path, n.what())
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.items), len(n.items)))
	for i, item := range n.items {
		d.value(item, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
}

func (d *decoder) scalar(n *node, v reflect.Value, path string) {
	want := map[reflect.Kind]string{reflect.String: "a string", reflect.Bool: "true or false", reflect.Int: "a whole number"}[v.Kind()]
	if n.kind != scalar {
		d.wrong(n, path, want)
		return
	}
	switch v.Kind() {
	case reflect.String:
		if n.tag != "!!str" && n.tag != "!!timestamp" {
			d.report(path, n.at, fmt.Sprintf("put it in quotes: %q", n.value), "%s must be a string, not a %s", path, n.what())
			return
		}
		v.SetString(n.value)
	case reflect.Bool:
		if n.tag != "!!bool" {
			d.wrong(n, path, want)
			return
		}
		v.SetBool(n.value == "true" || n.value == "True" || n.value == "TRUE")
	case reflect.Int:
		i, err := strconv.Atoi(n.value)
		if err != nil || n.tag != "!!int" {
			d.wrong(n, path, want)
			return
		}
		v.SetInt(int64(i))
	}
}

func (d *decoder) wrong(n *node, path, want string) {
	what := path
	if what == "" {
		what = "the document"
	}
	d.report(path, n.at, "", "%s must be %s, not a %s", what, want, n.what())
}

func (d *decoder) fail(n *node, path string, err error) {
	hint := ""
	if h, ok := err.(interface{ Hint() string }); ok {
		hint = h.Hint()
	}
	d.report(path, n.at, hint, "%s: %v", path, err)
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

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func under(path string) string {
	if path == "" {
		return " at the top level"
	}
	return " in " + path
}
