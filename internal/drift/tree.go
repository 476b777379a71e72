package drift

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// entries is a mapping whose keys are data, such as labels: an entry counts even when its value is empty. A mapping of fields is
// a map[string]any, where an empty field is like one that is not there.
type entries map[string]any

// errNoObject is an answer of an engine that is no JSON object.
var errNoObject = errors.New("the answer is no JSON object")

// decoded reads one JSON object with numbers as they are written.
func decoded(raw json.RawMessage) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var out map[string]any
	if err := d.Decode(&out); err != nil {
		return nil, fmt.Errorf("reading an answer of the engine: %w", err)
	}
	if out == nil {
		return nil, errNoObject
	}
	return out, nil
}

// object is a field that holds an object, or an empty one.
func object(in map[string]any, key string) map[string]any {
	out, ok := in[key].(map[string]any)
	if !ok {
		return map[string]any{}
	}
	return out
}

func text(in map[string]any, key string) string {
	out, _ := in[key].(string)
	return out
}

func list(in map[string]any, key string) []any {
	out, _ := in[key].([]any)
	return out
}

func words(in map[string]any, key string) []string {
	var out []string
	for _, v := range list(in, key) {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func number(in map[string]any, key string) int64 {
	n, _ := in[key].(json.Number)
	out, err := n.Int64()
	if err != nil {
		return 0
	}
	return out
}

func flag(in map[string]any, key string) bool {
	out, _ := in[key].(bool)
	return out
}

// empty tells a value that is like one that is not there.
func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case json.Number:
		return v == "0"
	case []any:
		return len(v) == 0
	case map[string]any:
		for _, value := range v {
			if !empty(value) {
				return false
			}
		}
		return true
	case entries:
		return len(v) == 0
	}
	return false
}

// cleaned is a value without its empty fields.
func cleaned(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, value := range v {
			if !empty(value) {
				out[key] = cleaned(value)
			}
		}
		return out
	case entries:
		out := map[string]any{}
		for key, value := range v {
			out[key] = cleaned(value)
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, value := range v {
			out = append(out, cleaned(value))
		}
		return out
	}
	return v
}

// canonical is the one text of a value.
func canonical(v any) string {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(cleaned(v)); err != nil {
		return fmt.Sprintf("%q", fmt.Sprint(v)) // no value that was decoded gets here
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// set turns a list whose order means nothing into entries. What is there twice counts twice.
func set(values []any, key func(any) string) entries {
	out := entries{}
	for _, v := range values {
		out.add(key(v), nil)
	}
	return out
}

// add never takes the place of another entry.
func (e entries) add(key string, value any) {
	name := key
	for n := 2; ; n++ {
		if _, taken := e[name]; !taken {
			e[name] = value
			return
		}
		name = key + " #" + strconv.Itoa(n)
	}
}

// keyed turns a list of objects into entries by one of their fields. What is no object, or has no such field, is named by itself.
func keyed(values []any, field string) entries {
	out := entries{}
	for _, v := range values {
		o, ok := v.(map[string]any)
		if name := text(o, field); ok && name != "" {
			out.add(name, o)
			continue
		}
		out.add(canonical(v), nil)
	}
	return out
}

// mapping marks an object as one whose keys are data. Anything else stays what it is.
func mapping(in map[string]any, keys ...string) {
	for _, key := range keys {
		if o, ok := in[key].(map[string]any); ok {
			in[key] = entries(o)
		}
	}
}

// sets marks lists as those whose order means nothing.
func sets(in map[string]any, keys ...string) {
	for _, key := range keys {
		if values, ok := in[key].([]any); ok {
			in[key] = set(values, plain)
		}
	}
}

func plain(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return canonical(v)
}

// field is a name that an engine gives to a field. Any other key of an object is data.
var field = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*$`)

// path leads to a value: names of fields, and keys in brackets.
type path []string

// String joins them, as people read it.
func (p path) String() string {
	var out strings.Builder
	for i, token := range p {
		if i > 0 && !strings.HasPrefix(token, "[") {
			out.WriteByte('.')
		}
		out.WriteString(token)
	}
	return out.String()
}

func (p path) with(token string) path { return append(p[:len(p):len(p)], token) }

// leaves are the values of a tree that are not empty, by path.
type leaves map[string]leaf

type leaf struct {
	path  path
	value any
	whole bool // an entry, and its value is all that it holds
}

// flatten takes a tree apart. An entry has a leaf of its own, which says that it is there.
func flatten(tree map[string]any) leaves {
	out := leaves{}
	out.fields(nil, tree)
	return out
}

func (l leaves) fields(at path, in map[string]any) {
	for key, value := range in {
		if field.MatchString(key) {
			l.add(at.with(key), value)
		} else {
			l.entry(at.with("["+key+"]"), value)
		}
	}
}

func (l leaves) add(at path, value any) {
	switch v := value.(type) {
	case map[string]any:
		l.fields(at, v)
	case entries:
		for key, value := range v {
			l.entry(at.with("["+key+"]"), value)
		}
	default:
		if !empty(value) {
			l[at.String()] = leaf{path: at, value: value}
		}
	}
}

func (l leaves) entry(at path, value any) {
	switch value.(type) {
	case map[string]any, entries:
		l[at.String()] = leaf{path: at, value: value, whole: true}
		l.add(at, value)
	default:
		if value == nil {
			value = ""
		}
		l[at.String()] = leaf{path: at, value: value}
	}
}
