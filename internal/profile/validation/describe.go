package validation

import (
	"reflect"
	"strings"

	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/yamldoc"
)

// Key describes one key of the profile format.
type Key struct {
	Path string // services.NAME.limits.memory; NAME and [] stand for any name and any entry
	Type string
	Doc  string
}

// Describe lists every key of the format in the order in which a profile is written.
func Describe() []Key {
	return describe(reflect.TypeFor[profile.Profile](), "", nil)
}

func describe(t reflect.Type, path string, keys []Key) []Key {
	for i := range t.NumField() {
		f := t.Field(i)
		name := f.Tag.Get("yaml")
		if name == "" {
			continue
		}
		at := yamldoc.Join(path, name)
		keys = append(keys, Key{Path: at, Type: typeName(f.Type), Doc: f.Tag.Get("doc")})
		if at == "defaults" || at == "environments" {
			continue // the keys of a service, and of a profile
		}
		if inner, suffix := element(f.Type); inner.Kind() == reflect.Struct && !isText(inner) {
			keys = describe(inner, at+suffix, keys)
		}
	}
	return keys
}

// element returns what a field holds, and how its place is written.
func element(t reflect.Type) (reflect.Type, string) {
	suffix := ""
	for {
		switch t.Kind() {
		case reflect.Pointer:
			t = t.Elem()
		case reflect.Map:
			t, suffix = t.Elem(), suffix+".NAME"
		case reflect.Slice:
			t, suffix = t.Elem(), suffix+"[]"
		default:
			return t, suffix
		}
	}
}

// isText tells a type that is written as one plain value from a mapping.
func isText(t reflect.Type) bool {
	_, ok := reflect.PointerTo(t).MethodByName("UnmarshalText")
	return ok
}

func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return typeName(t.Elem())
	case reflect.Slice:
		return "list of " + typeName(t.Elem())
	case reflect.Map:
		if t == reflect.TypeFor[profile.Passthrough]() {
			return "mapping of Compose keys"
		}
		return "mapping of " + typeName(t.Elem())
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "whole number"
	case reflect.Struct:
		if !isText(t) {
			return "mapping"
		}
	}
	names := map[string]string{"Bytes": "size", "CPUs": "number", "Percent": "percentage", "Duration": "duration", "User": "uid:gid", "Mode": "octal mode", "Day": "day"}
	if name, ok := names[t.Name()]; ok {
		return name
	}
	return strings.ToLower(t.Kind().String())
}
