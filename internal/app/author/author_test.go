package author

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/app"
)

// written makes a new profile of presets in a directory of its own, and returns what later calls need to find it.
func written(t *testing.T, presets ...string) (*app.Settings, app.Streams, *bytes.Buffer) {
	t.Helper()
	out := &bytes.Buffer{}
	s := app.Streams{In: strings.NewReader(""), Out: out, Err: &bytes.Buffer{}}
	g := &app.Settings{File: app.Selection{Files: []string{filepath.Join(t.TempDir(), "shop.yaml")}}}
	if err := Init(context.Background(), g, s, InitOptions{Presets: presets, Name: "shop"}); err != nil {
		t.Fatal(err)
	}
	return g, s, out
}

// What is generated from a new profile is as it should be until a file changes.
func TestGenerate(t *testing.T) {
	g, s, out := written(t, "cache=redis")
	o := GenerateOptions{Out: filepath.Join(filepath.Dir(g.File.Files[0]), "build")}
	if err := Generate(g, s, o); err != nil {
		t.Fatal(err)
	}
	compose := filepath.Join(o.Out, "docker-compose.yml")
	if !strings.Contains(out.String(), compose) {
		t.Errorf("docker-compose.yml is not named:\n%s", out)
	}
	o.Check = true
	if err := Generate(g, s, o); err != nil {
		t.Errorf("stale at once: %v", err)
	}
	if err := os.WriteFile(compose, []byte("services: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Generate(g, s, o); !errors.Is(err, app.ErrFindings) || !strings.Contains(out.String(), "stale  "+compose) {
		t.Errorf("%v:\n%s", err, out)
	}
}

// A profile is not replaced unless that is asked for.
func TestInitKeepsAProfile(t *testing.T) {
	g, s, _ := written(t, "cache=redis")
	o := InitOptions{Presets: []string{"db=postgres"}, Name: "shop"}
	if err := Init(context.Background(), g, s, o); !app.IsType[*app.UsageError](err) {
		t.Errorf("it was replaced: %v", err)
	}
	o.Force = true
	if err := Init(context.Background(), g, s, o); err != nil {
		t.Error(err)
	}
}

// The order of a profile is restored, and a check only names the file.
func TestFormat(t *testing.T) {
	g, s, out := written(t, "cache=redis")
	file := g.File.Files[0]
	if err := os.WriteFile(file, []byte("name: shop # mine\nkind: Profile\napiVersion: hsectl/v1\nservices:\n  cache:\n    preset: redis\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	if err := Format(s, []string{file}, true); !errors.Is(err, app.ErrFindings) || out.String() != file+"\n" {
		t.Errorf("%v: %s", err, out)
	}
	if err := Format(s, []string{file}, false); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(data), "apiVersion: hsectl/v1\nkind: Profile\nname: shop # mine\n") {
		t.Errorf("%v:\n%s", err, data)
	}
	if err := Format(s, []string{file}, true); err != nil {
		t.Error(err)
	}
}
