package composefile

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

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
