package parser_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/internal/yamldoc"
)

func format(t *testing.T, text string) string {
	t.Helper()
	out, err := parser.Format("shop.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

const untidy = `# This profile is about a shop.
# It stays at the top.
name: shop


# the services
services:
  # the application
  app:
    limits: {memory: 1G, cpus: "1"}   # small
    # who it runs as
    user: "1000:1000"
    writable:
      # data first
      - volume: data
        # where
        path: /data
      - why: temporary
        path: /tmp
        tmpfs: 8M
    health:
      shell: |
        # not a comment

        test -f /ready   
      interval: 5s
    image: shop:1
  cache: {preset: redis}
secrets: {a: {env: A}}
kind: Profile
# what we read
apiVersion: hsectl/v1
# the end
`

const tidy = `# This profile is about a shop.
# It stays at the top.
# what we read
apiVersion: hsectl/v1
# the end
kind: Profile
name: shop

# the services
services:
  # the application
  app:
    image: shop:1
    # who it runs as
    user: "1000:1000"
    writable:
      # data first
      - volume: data
        # where
        path: /data
      - path: /tmp
        tmpfs: 8M
        why: temporary
    limits: {memory: 1G, cpus: "1"}   # small
    health:
      shell: |
        # not a comment

        test -f /ready   
      interval: 5s
  cache: {preset: redis}
secrets: {a: {env: A}}
`

func TestFormat(t *testing.T) {
	if got := format(t, untidy); got != tidy {
		t.Errorf("got\n%s", got)
	}
	if got := format(t, tidy); got != tidy {
		t.Errorf("a second time changes it again:\n%s", got)
	}
}

// TestFormatKeepsEverything: formatting loses no line and changes no meaning, whatever the file.
func TestFormatKeepsEverything(t *testing.T) {
	names, _ := filepath.Glob("../../../profiles/*.yaml")
	presets, _ := filepath.Glob("../../../profiles/presets/*.yaml")
	valid, _ := filepath.Glob("../../../testdata/profiles/valid-*.yaml")
	for _, name := range slices.Concat(names, presets, valid) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		once := format(t, string(data))
		if got, want := lines(once), lines(string(data)); !slices.Equal(got, want) {
			t.Errorf("%s: lines were lost", name)
		}
		if twice := format(t, once); twice != once {
			t.Errorf("%s is not the same the second time", name)
		}
	}
}

func lines(text string) []string {
	var out []string
	for l := range strings.Lines(text) {
		if l = strings.TrimSpace(l); l != "" {
			out = append(out, strings.TrimSpace(strings.TrimPrefix(l, "- ")))
		}
	}
	slices.Sort(out)
	return out
}

// TestFormatLeavesAlone: what cannot be moved without changing the meaning is an error, and syntax errors have a place.
func TestFormatLeavesAlone(t *testing.T) {
	alias := "services:\n  a: &a {preset: redis}\nname: x\ndefaults: &d {restart: always}\nnetworks: {b: {}}\n"
	if got := format(t, alias); !strings.HasPrefix(got, "name: x\ndefaults:") {
		t.Errorf("got\n%s", got)
	}
	moved := "secrets: &s {a: {env: A}}\nservices: {}\nenvironments: {x: {secrets: *s}}\ndefaults: {labels: *s}\n"
	if _, err := parser.Format("x.yaml", []byte(moved)); err == nil || !strings.Contains(err.Error(), "alias") {
		t.Errorf("an alias before its anchor: %v", err)
	}
	if _, err := parser.Format("x.yaml", []byte("a: [")); len(yamldoc.Problems(err)) != 1 {
		t.Errorf("a syntax error: %v", err)
	}
	if got := format(t, "--- # start\nname: x\nkind: Profile\n"); got != "--- # start\nkind: Profile\nname: x\n" {
		t.Errorf("got\n%s", got)
	}
	if got := format(t, "name: x\r\nkind: Profile\r\n"); got != "kind: Profile\nname: x\n" {
		t.Errorf("got %q", got)
	}
}

// FuzzFormat: formatting never panics, and what it returns says the same and stays as it is.
func FuzzFormat(f *testing.F) {
	for _, seed := range []string{untidy, tidy, "a: |\n  x\n\n", "- a\n- b", "{a: 1}", "a:\n- b: 1\n  c: 2\n", "services:\n  a:\n    writable:\n    - # c\n      path: x\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		once, err := parser.Format("f.yaml", []byte(text))
		if err != nil {
			return
		}
		if twice, err := parser.Format("f.yaml", once); err != nil || string(twice) != string(once) {
			t.Errorf("%q, then %q, %v", once, twice, err)
		}
	})
}

// FuzzLayers: overlays, flags and variables never panic or hang.
func FuzzLayers(f *testing.F) {
	f.Add("services: {app: {ports: !reset []}}", "services.app.limits.memory=2G", "x")
	f.Add("services: !override {a: {preset: redis}}", `services.app.labels."a.b"={c: d}`, "${A:-b}")
	f.Add("environments: {a: {}}", "a..b=c", "$${")
	f.Fuzz(func(_ *testing.T, over, assignment, image string) {
		text := strings.Replace(base, "shop:1", image, 1)
		_, _ = parser.Parse([]byte(text), optionsWith(func(o *parser.Options) {
			overlay(over)(o)
			o.Set, o.Load, o.Environment = []string{assignment}, memory{}.load, "a"
		}))
	})
}
