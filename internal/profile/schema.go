package profile

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/hsectl/hsectl/internal/policy"
)

// object is a JSON object of the schema.
type object map[string]any

// presetsOnly begins the documentation of keys that a profile cannot have.
const presetsOnly = "presets only: "

// Schema returns the JSON Schema (draft 2020-12) of profiles, generated from the types that Parse fills, so that editors
// complete and check what hsectl accepts. Files laid over a profile are checked by #/$defs/Overlay.
func Schema() ([]byte, error) {
	g := schemas{}
	g.of(reflect.TypeFor[Profile]())
	g.of(reflect.TypeFor[Overlay]())
	g["Profile"]["required"] = []string{"apiVersion", "kind"}
	g["Profile"]["anyOf"] = []object{{"required": []string{"extends"}}, {"required": []string{"name", "services"}}}
	root := object{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "urn:hsectl:v1:profile",
		"title": "hsectl profile", "$ref": "#/$defs/Profile", "$defs": g,
	}
	data, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the schema: %w", err)
	}
	return append(data, '\n'), nil
}

// schemas are the definitions by the name of their type.
type schemas map[string]object

// of returns the schema of a Go type. Structures become definitions of their own.
func (g schemas) of(t reflect.Type) object {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if s, ok := reflect.Zero(t).Interface().(interface{ schema() object }); ok {
		return s.schema()
	}
	if isText(t) {
		return object{"type": []string{"string", "number", "boolean"}}
	}
	switch t.Kind() {
	case reflect.Struct:
		return g.structure(t)
	case reflect.Map:
		out := object{"type": "object", "additionalProperties": g.of(t.Elem())}
		if t.Elem() == reflect.TypeFor[Network]() || t.Elem() == reflect.TypeFor[Volume]() {
			out["additionalProperties"] = object{"anyOf": []object{g.of(t.Elem()), {"type": "null"}}}
		}
		return out
	case reflect.Slice:
		return object{"type": "array", "items": g.of(t.Elem())}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int:
		return object{"type": "integer"}
	}
	return object{"type": "string"}
}

func (g schemas) structure(t reflect.Type) object {
	ref := object{"$ref": "#/$defs/" + t.Name()}
	if g[t.Name()] == nil {
		definition := object{"type": "object", "additionalProperties": false}
		g[t.Name()] = definition // before its fields: types may contain themselves
		properties := object{}
		for i := range t.NumField() {
			field := t.Field(i)
			key, doc := field.Tag.Get("yaml"), field.Tag.Get("doc")
			if key == "" || strings.HasPrefix(doc, presetsOnly) {
				continue
			}
			property := g.of(field.Type)
			for k, v := range constraint(t.Name() + "." + key) {
				property[k] = v
			}
			property["description"] = doc
			properties[key] = property
		}
		definition["properties"] = properties
		if keys := required(t.Name()); keys != nil {
			definition["required"] = keys
		}
	}
	if s, ok := reflect.Zero(t).Interface().(interface{ short() object }); ok {
		return object{"anyOf": []object{s.short(), ref}}
	}
	return ref
}

// required returns the keys without which a value means nothing.
func required(name string) []string {
	return map[string][]string{
		"Capability": {"name", "reason"},
		"Exception":  {"control", "service", "reason", "expires"},
		"Writable":   {"path"},
	}[name]
}

// constraint returns what a key allows beyond its type. The values are those that validation uses.
func constraint(key string) object {
	names := func(pattern string) object { return object{"propertyNames": object{"pattern": pattern}} }
	number := object{"minimum": 1, "maximum": 65535}
	switch key {
	case "Profile.apiVersion", "Overlay.apiVersion":
		return object{"const": APIVersion}
	case "Profile.kind":
		return object{"const": "Profile"}
	case "Overlay.kind":
		return object{"enum": []string{"Overlay", "Profile"}}
	case "Profile.name":
		return object{"pattern": namePattern.String()}
	case "Profile.services", "Overlay.services", "Profile.networks", "Overlay.networks":
		return names(namePattern.String())
	case "Profile.secrets", "Overlay.secrets", "Profile.volumes", "Overlay.volumes":
		return names(volumePattern().String())
	case "Service.environment":
		return names(settingPattern.String())
	case "Service.restart":
		return object{"pattern": restartPattern.String()}
	case "Shutdown.signal":
		return object{"enum": Signals()}
	case "Logging.driver":
		return object{"enum": logDrivers()}
	case "Logging.max_files", "Health.retries":
		return object{"minimum": 1}
	case "Service.replicas":
		return object{"minimum": 1, "maximum": mostReplicas}
	case "Dependency.condition":
		return object{"enum": conditions()}
	case "Port.protocol":
		return object{"enum": []string{"tcp", "udp"}}
	case "Port.host", "Port.container", "HTTPTest.port", "Health.tcp":
		return number
	case "HTTPTest.path":
		return object{"pattern": "^/"}
	case "Resources.pids":
		return object{"type": []string{"integer", "string"}, "minimum": 1, "pattern": `\$\{`}
	case "Capability.name":
		var prefixed []string
		for _, name := range policy.Capabilities() {
			prefixed = append(prefixed, "CAP_"+name)
		}
		return object{"enum": append(policy.Capabilities(), prefixed...)}
	case "Writable.path":
		return object{"pattern": "^/."}
	case "Writable.volume":
		return object{"pattern": volumePattern().String()}
	case "Secret.env":
		return object{"pattern": envPattern.String()}
	}
	return nil
}
