package specification

import (
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/schema"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/hsectl/hsectl/internal/policy/controls"
)

// Every key that compose-go knows has a row: a newer compose-go with a new key does not build into a pass.
func TestEveryKeyHasATreatment(t *testing.T) {
	c := NewCatalogue()
	seen := map[string]bool{}
	var walk func(typ reflect.Type, path string)
	walk = func(typ reflect.Type, path string) {
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice:
			walk(typ.Elem(), path)
		case reflect.Map:
			if inner := typ.Elem(); inner.Kind() == reflect.Struct || inner.Kind() == reflect.Pointer && inner.Elem().Kind() == reflect.Struct {
				walk(inner, path+".*")
			}
		case reflect.Struct:
			for i := range typ.NumField() {
				name, inline := keyOf(typ.Field(i))
				switch at := path + "." + name; {
				case inline:
					walk(typ.Field(i).Type, path)
				case name == "":
				default:
					seen[at] = true
					_, all, known := c.treatment(at)
					if !known {
						t.Errorf("no row for %s", at)
					}
					if known && !all {
						walk(typ.Field(i).Type, at)
					}
				}
			}
		}
	}
	for path, typ := range map[string]reflect.Type{
		"service": reflect.TypeFor[types.ServiceConfig](), "network": reflect.TypeFor[types.NetworkConfig](), "volume": reflect.TypeFor[types.VolumeConfig](),
		"secret": reflect.TypeFor[types.SecretConfig](), "config": reflect.TypeFor[types.ConfigObjConfig](), "model": reflect.TypeFor[types.ModelConfig](),
	} {
		walk(typ, path)
	}
	walk(reflect.TypeFor[types.JobConfig](), "service")
	for _, k := range Keys() {
		path := strings.TrimSuffix(strings.TrimSuffix(k.Path, ".**"), ".*")
		if !seen[path] {
			t.Errorf("%s is no key of compose-go", k.Path)
		}
	}
}

// Rows say why, name controls that exist, and name each key once.
func TestKeysAreExplained(t *testing.T) {
	ids := map[string]bool{}
	for _, c := range controls.Catalogue() {
		ids[c.ID] = true
	}
	once := map[string]bool{}
	control := regexp.MustCompile(`HSE-[A-Z]+-\d+`)
	for _, k := range Keys() {
		if once[k.Path] {
			t.Errorf("%s has two rows", k.Path)
		}
		once[k.Path] = true
		named := control.FindAllString(k.Why, -1)
		if k.Why == "" || k.Treatment == Judged && len(named) == 0 && k.Why != "its keys are judged" {
			t.Errorf("%s: judged by nothing", k.Path)
		}
		for _, id := range named {
			if !ids[id] {
				t.Errorf("%s: there is no control %s", k.Path, id)
			}
		}
	}
}

// What the specification allows and compose-go does not read into its types has a row as well.
func TestTheSchemaHasNoFurtherKeys(t *testing.T) {
	var spec struct {
		Definitions map[string]struct {
			Properties map[string]any `json:"properties"`
			OneOf      []struct {
				Properties map[string]any `json:"properties"`
			} `json:"oneOf"`
			AnyOf []struct {
				Properties map[string]any `json:"properties"`
			} `json:"anyOf"`
			AllOf []struct {
				Properties map[string]any `json:"properties"`
			} `json:"allOf"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal([]byte(schema.Schema), &spec); err != nil {
		t.Fatal(err)
	}
	c := NewCatalogue()
	n := 0
	for definition, path := range map[string]string{"service": "service", "container_spec": "service", "workload_spec": "service", "job": "service", "network": "network", "volume": "volume", "secret": "secret", "config": "config", "model": "model",
		"deployment": "service.deploy", "healthcheck": "service.healthcheck", "service_hook": "service.post_start"} {
		d, ok := spec.Definitions[definition]
		if !ok {
			t.Errorf("the schema has no %s", definition)
		}
		for name := range d.Properties {
			n++
			if _, _, known := c.treatment(path + "." + name); !known {
				t.Errorf("no row for %s.%s", path, name)
			}
		}
	}
	if n < 60 {
		t.Errorf("%d keys", n)
	}
}
