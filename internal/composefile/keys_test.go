package composefile

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/schema"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/hsectl/hsectl/internal/policy/controls"
)

// Every key that compose-go knows has a row: a newer compose-go with a new key does not build into a pass.
func TestEveryKeyHasATreatment(t *testing.T) {
	c := newCatalogue()
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
	c := newCatalogue()
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

func read(t *testing.T, text string) *Project {
	t.Helper()
	p, err := Read(t.Context(), "compose.yml", []byte(text), Environment{Dir: "/srv/shop"})
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return p
}

// A key that this version does not know is named for each service that it concerns, and for no other.
func TestUnknownKeysAreNamed(t *testing.T) {
	for name, c := range map[string]struct {
		text     string
		app, off []string // what is named for the services app and other
	}{
		"nothing":               {"services: {app: {image: x}, other: {image: x}}", nil, nil},
		"of a service":          {"services: {app: {image: x, novelty: {a: 1}}, other: {image: x}}", []string{"novelty"}, nil},
		"nested":                {"services: {app: {image: x, healthcheck: {test: [CMD, x], elsewhere: 1}, deploy: {resources: {limits: {gpus: 1}}}}, other: {image: x}}", []string{"deploy.resources.limits.gpus", "healthcheck.elsewhere"}, nil},
		"of an item of a list":  {"services: {app: {image: x, ports: [{target: 80, published: '80', novelty: x}]}, other: {image: x}}", []string{"ports.novelty"}, nil},
		"below a name":          {"services: {app: {image: x, networks: {a: {novelty: 1}}}, other: {image: x}}\nnetworks: {a: {}}", []string{"networks.a.novelty"}, nil},
		"merged":                {"x-b: &b {novelty: 1}\nservices: {app: {<<: *b, image: x}, other: {image: x}}", []string{"novelty"}, nil},
		"merged twice":          {"x-b: &b {novelty: 1}\nservices: {app: {<<: [*b], image: x}, other: {<<: *b, image: x}}", []string{"novelty"}, []string{"novelty"}},
		"extended":              {"services: {app: {extends: other}, other: {image: x, novelty: 1}}", []string{"novelty"}, []string{"novelty"}},
		"extended, long":        {"services: {app: {extends: {service: other}}, other: {image: x, novelty: 1}}", []string{"novelty"}, []string{"novelty"}},
		"of a network":          {"services: {app: {image: x, networks: [a]}, other: {image: x}}\nnetworks: {a: {novelty: 1}}", []string{"networks.a.novelty"}, nil},
		"of a volume":           {"services: {app: {image: x, volumes: ['data:/a']}, other: {image: x}}\nvolumes: {data: {novelty: 1}}", []string{"volumes.data.novelty"}, nil},
		"of a secret":           {"services: {app: {image: x, secrets: [a]}, other: {image: x}}\nsecrets: {a: {file: ./a, novelty: 1}}", []string{"secrets.a.novelty"}, nil},
		"of the file":           {"services: {app: {image: x}, other: {image: x}}\nnovelty: {a: 1}", []string{"novelty"}, []string{"novelty"}},
		"of a second document":  {"services: {app: {image: x}, other: {image: x}}\n---\nservices: {app: {image: x, novelty: 1}}", []string{"novelty"}, nil},
		"an extension":          {"services: {app: {image: x, x-novelty: 1}, other: {image: x}}\nx-top: 1", nil, nil},
		"free keys":             {"services: {app: {image: x, environment: {NOVELTY: 1}, labels: {novelty: a}, sysctls: {net.core.somaxconn: 1}}, other: {image: x}}", nil, nil},
		"an open one":           {"services: {app: {image: x, volumes_from: [other], develop: {watch: [{path: ., action: rebuild}]}}, other: {image: x}}", []string{"develop", "volumes_from"}, nil},
		"a build that may much": {"services: {app: {build: {context: ., privileged: true, ssh: [default], network: host}}, other: {image: x}}", []string{"build.network host", "build.privileged", "build.ssh"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := read(t, c.text)
			for service, want := range map[string][]string{"app": c.app, "other": c.off} {
				if got := p.Facts(service).Unjudged.Value; !slices.Equal(got, want) {
					t.Errorf("%s: %q, want %q", service, got, want)
				}
			}
		})
	}
}

// What is wrong otherwise is still refused, and the rest of a file with a novelty is read.
func TestNoveltiesHideNothing(t *testing.T) {
	if _, err := Read(t.Context(), "x.yml", []byte("services: {app: {image: [x], novelty: 1}}"), Environment{}); err == nil {
		t.Error("an image that is a list was read")
	}
	p := read(t, "services:\n  app:\n    image: x\n    novelty: 1\n    privileged: true\n")
	if f := p.Facts("app"); !f.Privileged.Value {
		t.Error("a key after a novelty was lost")
	}
	if at := p.Place("services", "app", "novelty").String(); at != "compose.yml:4:5" {
		t.Errorf("the novelty is at %s", at)
	}
}

// What hsectl renders, and the stacks of the examples, are judged to the last key.
func TestRenderedFilesAreJudged(t *testing.T) {
	n := 0
	for _, pattern := range []string{"../../testdata/golden/*/docker-compose*.yml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			p, err := Read(t.Context(), file, data, Environment{Dir: "/srv"})
			if err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			n++
			for _, s := range p.Services() {
				if open := p.Facts(s).Unjudged.Value; len(open) > 0 {
					t.Errorf("%s: %s: %q", file, s, open)
				}
			}
		}
	}
	if n == 0 {
		t.Error("there is no rendered file")
	}
}
