package validation_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/internal/profile/validation"
	"github.com/hsectl/hsectl/profiles"
)

// parse reads a profile that extends nothing but baselines.
func parse(text string) (*profile.Profile, error) {
	load := func(name, _ string) (parser.Document, error) {
		data, ok := profiles.Library{}.Extension(name)
		if !ok {
			return parser.Document{}, fmt.Errorf("baseline %s not found", name)
		}
		return parser.Document{File: name + ".yaml", Data: data, Library: true}, nil
	}
	return parser.Parse([]byte(text), parser.Options{File: "shop.yaml", Library: profiles.Library{}, Load: load})
}

func compiled(t *testing.T, definition string) *jsonschema.Schema {
	t.Helper()
	data, err := validation.Schema()
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("profile.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("profile.json" + definition)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// asJSON reads YAML as an editor does: as JSON values, in which a day is a string.
func asJSON(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return days(v)
}

func days(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			v[k] = days(inner)
		}
	case []any:
		for i, inner := range v {
			v[i] = days(inner)
		}
	case time.Time:
		return v.Format(time.DateOnly)
	}
	return v
}

// validProfiles are the reference profile and every valid-*.yaml of the test data.
func validProfiles(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("../../../testdata/profiles/valid-*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatalf("no valid profiles: %v", err)
	}
	out := map[string]string{}
	for _, name := range append(names, "../../../profiles/hse-digital.yaml") {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(name)] = string(data)
	}
	return out
}

// TestValidProfilesFitTheSchema: what is called valid parses, and the schema takes it.
func TestValidProfilesFitTheSchema(t *testing.T) {
	schema := compiled(t, "")
	for name, text := range validProfiles(t) {
		t.Run(name, func(t *testing.T) {
			if _, err := parse(text); err != nil {
				t.Error(err)
			}
			if err := schema.Validate(asJSON(t, text)); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSchemaRefuses: the schema and the parser agree on what is wrong.
func TestSchemaRefuses(t *testing.T) {
	schema := compiled(t, "")
	text := validProfiles(t)["valid-every-key.yaml"]
	for name, change := range map[string][2]string{
		"an unknown key":           {"hostname: app", "hostnme: app"},
		"a signal":                 {"SIGTERM", "SIGTREM"},
		"a user by name":           {`user: "1000:1000"`, "user: node"},
		"a size":                   {"memory: 512M", "memory: much"},
		"a duration":               {"grace: 30s", "grace: 30"},
		"a restart policy":         {"restart: on-failure:5", "restart: sometimes"},
		"a log driver":             {"driver: json-file", "driver: syslog"},
		"a capability":             {"NET_BIND_SERVICE", "NET_BIND"},
		"no reason":                {", reason: runs on the host's network in one place", ""},
		"a port":                   {"host: 8000", "host: 80000"},
		"a condition":              {"condition: healthy", "condition: happy"},
		"a version":                {"hsectl/v1", "hsectl/v2"},
		"a name":                   {"name: every-key", "name: Every Key"},
		"what is for presets":      {"hostname: app", "probes: {tcp: [nc]}"},
		"a relative path":          {"path: /data", "path: data"},
		"an exception without day": {"    expires: 2030-06-30\n", ""},
		"a list that is none":      {"arguments: [--verbose]", "arguments: --verbose"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := strings.Replace(text, change[0], change[1], 1)
			if changed == text {
				t.Fatalf("%q is not in the profile", change[0])
			}
			if err := schema.Validate(asJSON(t, changed)); err == nil {
				t.Error("the schema takes it")
			}
			if _, err := parse(changed); err == nil {
				t.Error("the parser takes it")
			}
		})
	}
}

// TestSchemaOfOverlays: an overlay needs nothing but what it says, and cannot say what belongs to the profile.
func TestSchemaOfOverlays(t *testing.T) {
	schema := compiled(t, "#/$defs/Overlay")
	if err := schema.Validate(asJSON(t, "kind: Overlay\nservices: {app: {limits: {memory: 1G}}}")); err != nil {
		t.Error(err)
	}
	if err := schema.Validate(asJSON(t, "environments: {}")); err == nil {
		t.Error("an overlay with environments is taken")
	}
}

// TestSchemaDescribesEverything: an editor can say what every key is for.
func TestSchemaDescribesEverything(t *testing.T) {
	data, err := validation.Schema()
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Defs map[string]struct {
			Properties map[string]struct{ Description string }
		} `json:"$defs"`
	}
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	for name, d := range schema.Defs {
		for key, p := range d.Properties {
			if p.Description == "" {
				t.Errorf("%s.%s has no description", name, key)
			}
		}
	}
	if len(schema.Defs) < 15 {
		t.Errorf("only %d definitions", len(schema.Defs))
	}
}
