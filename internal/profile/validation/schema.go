package validation

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strings"

	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/profile"
)

// object is a JSON object of the schema.
type object map[string]any

// presetsOnly begins the documentation of keys that a profile cannot have.
const presetsOnly = "presets only: "

// Schema returns the JSON Schema (draft 2020-12) of profiles, generated from the types that Parse fills, so that editors
// complete and check what hsectl accepts. Files laid over a profile are checked by #/$defs/Overlay.
func Schema() ([]byte, error) {
	g := schemas{}
	g.of(reflect.TypeFor[profile.Profile]())
	g.of(reflect.TypeFor[profile.Overlay]())
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
	if s, ok := written()[t]; ok {
		return s
	}
	if isText(t) {
		return object{"type": []string{"string", "number", "boolean"}}
	}
	switch t.Kind() {
	case reflect.Struct:
		return g.structure(t)
	case reflect.Map:
		out := object{"type": "object", "additionalProperties": g.of(t.Elem())}
		if t.Elem() == reflect.TypeFor[profile.Network]() || t.Elem() == reflect.TypeFor[profile.Volume]() {
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
			maps.Copy(property, constraint(t.Name()+"."+key))
			property["description"] = doc
			properties[key] = property
		}
		definition["properties"] = properties
		if keys := required(t.Name()); keys != nil {
			definition["required"] = keys
		}
	}
	if s, ok := shorthand()[t]; ok {
		return object{"anyOf": []object{s, ref}}
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
		return object{"const": profile.APIVersion}
	case "Profile.kind":
		return object{"const": "Profile"}
	case "Overlay.kind":
		return object{"enum": []string{"Overlay", "Profile"}}
	case "Profile.name":
		return object{"pattern": namePattern().String()}
	case "Profile.services", "Overlay.services", "Profile.networks", "Overlay.networks":
		return names(namePattern().String())
	case "Profile.secrets", "Overlay.secrets", "Profile.volumes", "Overlay.volumes":
		return names(volumePattern().String())
	case "Service.environment":
		return names(settingPattern.String())
	case "Service.restart":
		return object{"pattern": restartPattern.String()}
	case "Shutdown.signal":
		return object{"enum": signals()}
	case "Logging.driver":
		return object{"enum": logDrivers()}
	case "Logging.max_files", "Health.retries":
		return object{"minimum": 1}
	case "Service.replicas":
		return object{"minimum": 1, "maximum": mostReplicas}
	case "Dependency.condition":
		return object{"enum": conditions()}
	case "Reach.url":
		return object{"pattern": reachPattern()}
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

// holder is what stands for a variable in a place that may have one: see VariablePlaces.
const holder = `|\$\{`

// reachPattern is a question in one of the protocols in which may be asked.
func reachPattern() string {
	return "^(" + strings.Join(profile.ReachSchemes(), "|") + ")://.+" + holder
}

// written returns the schema of the types that are written as one plain value.
func written() map[reflect.Type]object {
	return map[reflect.Type]object{
		reflect.TypeFor[profile.Bytes]():    {"type": []string{"string", "integer"}, "pattern": `^\d+(\.\d+)? ?([kKmMgGtTpP][iI]?)?[bB]?$` + holder},
		reflect.TypeFor[profile.CPUs]():     {"type": []string{"string", "number"}, "pattern": `^\d{1,5}(\.\d{1,9})?$` + holder},
		reflect.TypeFor[profile.Percent]():  {"type": []string{"string", "number"}, "pattern": `^\d{1,2}(\.\d{1,9})?%?$` + holder},
		reflect.TypeFor[profile.Duration](): {"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`},
		reflect.TypeFor[profile.User]():     {"type": "string", "pattern": `^\d+:\d+$`},
		reflect.TypeFor[profile.Mode]():     {"type": []string{"string", "integer"}, "pattern": `^(0o)?[0-7]{1,4}$`},
		reflect.TypeFor[profile.Day]():      {"type": "string", "pattern": `^\d{4}-\d{2}-\d{2}$`},
		reflect.TypeFor[profile.Text]():     {"type": []string{"string", "number", "boolean"}},

		reflect.TypeFor[profile.Passthrough](): {"type": "object"},
	}
}

// shorthand returns the schema of the other form of those types that have one besides their mapping.
func shorthand() map[reflect.Type]object {
	return map[reflect.Type]object{
		reflect.TypeFor[profile.Port]():       {"type": "string", "pattern": `^(.+:)?\d+:\d+(/(tcp|udp))?$` + holder},
		reflect.TypeFor[profile.SecretUse]():  {"type": "string"},
		reflect.TypeFor[profile.Dependency](): {"type": "string"},
		reflect.TypeFor[profile.Reach]():      {"type": "string", "pattern": reachPattern()},
		reflect.TypeFor[profile.Env]():        {"type": []string{"string", "number", "boolean"}},
		reflect.TypeFor[profile.Drain]():      {"type": "string"},
	}
}
