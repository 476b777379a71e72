package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/profiles"
)

const shop = `apiVersion: hsectl/v1
kind: Profile
name: shop
services:
  cache:
    preset: redis
    limits: {memory: 1G}
environments:
  staging:
    services: {cache: {limits: {memory: 256M}}}
`

// directory writes files and returns the path of the first one.
func directory(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, files[i]), []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, files[0])
}

// Each layer of a profile reaches the rendered file, and --explain tells them apart.
func TestLayersOnTheCommandLine(t *testing.T) {
	file := directory(t, "shop.yaml", shop, "site.yaml", "kind: Overlay\nservices: {cache: {limits: {memory: 2G}}}\n")
	site := filepath.Join(filepath.Dir(file), "site.yaml")
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"the profile":    {nil, "1G"},
		"an environment": {[]string{"-e", "staging"}, "256M"},
		"an overlay":     {[]string{"-e", "staging", "-f", site}, "2G"},
		"a flag":         {[]string{"-f", site, "--set", "services.cache.limits.memory=3G"}, "3G"},
	} {
		t.Run(name, func(t *testing.T) {
			out := t.TempDir()
			args := append([]string{"generate", "-f", file, "--out", out}, c.args...)
			mustCLI(t, args...)
			data, err := os.ReadFile(filepath.Join(out, "docker-compose.yml"))
			if err != nil || !strings.Contains(string(data), "memory: "+c.want+"\n") {
				t.Errorf("%v: the limit is not %s:\n%s", err, c.want, data)
			}
			manifest, err := os.ReadFile(filepath.Join(out, "hsectl.manifest.json"))
			if err != nil {
				t.Fatal(err)
			}
			for _, arg := range c.args {
				if arg[0] != '-' && !strings.Contains(string(manifest), filepath.Base(arg)) {
					t.Errorf("%s is not in the manifest:\n%s", arg, manifest)
				}
			}
			stdout, _ := mustCLI(t, append(args, "--explain", "services.cache.limits.memory")...)
			if !strings.HasPrefix(stdout, "services.cache.limits.memory: "+c.want+"\n") || !strings.Contains(stdout, "preset redis") {
				t.Errorf("explained as\n%s", stdout)
			}
		})
	}
}

// What a profile extends is found next to the file that says so.
func TestExtendsAFile(t *testing.T) {
	file := directory(t, "shop.yaml", "extends: ./company.yaml\n"+shop, "company.yaml", "extends: production\ndefaults: {restart: always}\n")
	stdout, _ := mustCLI(t, "generate", "-f", file, "--explain", "services.cache.restart")
	if !strings.Contains(stdout, "restart: always") || !strings.Contains(stdout, "company.yaml:2:21") {
		t.Errorf("explained as\n%s", stdout)
	}
	stdout, _ = mustCLI(t, "generate", "-f", file, "--explain", "services.cache.logging.max_size")
	if !strings.Contains(stdout, "baselines/production.yaml") {
		t.Errorf("explained as\n%s", stdout)
	}
	code, _, stderr := cli(t, "lint", "-f", directory(t, "shop.yaml", "extends: prodction\n"+shop))
	if code != exitUsage || !strings.Contains(stderr, "shop.yaml:1:10") || !strings.Contains(stderr, "development, production, staging") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

func TestExplainNothing(t *testing.T) {
	code, _, stderr := cli(t, "generate", "-f", directory(t, "shop.yaml", shop), "--explain", "services.cash")
	if code != exitUsage || !strings.Contains(stderr, "hint:") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// fmt --check reports, fmt fixes, and then nothing is left to report.
func TestFmt(t *testing.T) {
	file := directory(t, "shop.yaml", "name: shop\nkind: Profile # ours\napiVersion: hsectl/v1\nservices: {cache: {preset: redis}}\n")
	if code, stdout, _ := cli(t, "fmt", "-f", file, "--check"); code != exitFindings || stdout != file+"\n" {
		t.Errorf("exit %d: %q", code, stdout)
	}
	mustCLI(t, "fmt", file)
	if stdout, _ := mustCLI(t, "fmt", "--check", file); stdout != "" {
		t.Errorf("still said: %q", stdout)
	}
	data, err := os.ReadFile(file)
	if err != nil || string(data) != "apiVersion: hsectl/v1\nkind: Profile # ours\nname: shop\nservices: {cache: {preset: redis}}\n" {
		t.Errorf("%v\n%s", err, data)
	}
	if code, _, stderr := cli(t, "fmt", directory(t, "x.yaml", "a: [")); code != exitUsage || !strings.Contains(stderr, "x.yaml:1") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// The profiles of this repository are in order.
func TestProfilesAreInOrder(t *testing.T) {
	presets, err := filepath.Glob("../../profiles/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	mustCLI(t, append([]string{"fmt", "--check", "../../testdata/profiles/valid-every-key.yaml"}, presets...)...)
}

// A preset is shown with everything that a reviewer asks for, or as the file itself.
func TestPresetsAreShown(t *testing.T) {
	stdout, _ := mustCLI(t, "presets")
	for _, name := range (profiles.Library{}).Presets() {
		if !strings.Contains(stdout, "\n"+name+" ") && !strings.HasPrefix(stdout, name+" ") {
			t.Errorf("%s is not listed", name)
		}
	}
	stdout, _ = mustCLI(t, "presets", "postgres")
	for _, want := range []string{"  user         999:999\n", "/var/lib/postgresql (volume, 0700): the database", "  capabilities none\n", "pg_isready",
		"SIGINT, then 120s of grace", "200 processes", "shared_buffers={{mib (percent .Memory 25)}}MB = shared_buffers=256MB", "POSTGRES_PASSWORD_FILE", "  breaks ", "  facts "} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is not in\n%s", want, stdout)
		}
	}
	stdout, _ = mustCLI(t, "presets", "postgres", "--yaml")
	if data, _ := (profiles.Library{}).Preset("postgres"); stdout != string(data) {
		t.Error("--yaml is not the file")
	}
	if code, _, _ := cli(t, "presets", "postgress"); code != exitUsage {
		t.Errorf("an unknown preset: exit %d", code)
	}
}

// The places of variables that the documentation names are those that the program knows, and its layers are documented.
func TestLayersPageIsComplete(t *testing.T) {
	data, err := os.ReadFile("../../docs/layers.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"services.*.image", "build.context", ".dockerfile", ".target", ".args.*", "services.*.labels.*", "services.*.ports[]",
		"services.*.limits.*", "services.*.reservations.*", "secrets.*.file", "!reset", "!override", "--set", "--env", "production"} {
		if !strings.Contains(string(data), word) {
			t.Errorf("docs/layers.md does not say %s", word)
		}
	}
}

// Flags that may be repeated may be lists in the configuration.
func TestRepeatedFlagsInTheConfiguration(t *testing.T) {
	file := directory(t, "shop.yaml", shop, "site.yaml", "services: {cache: {limits: {memory: 2G}}}\n",
		".hsectl.yaml", "file: [shop.yaml, site.yaml]\nset: [services.cache.restart=always]\n")
	t.Chdir(filepath.Dir(file))
	for path, want := range map[string]string{"services.cache.limits.memory": "2G", "services.cache.restart": "always"} {
		if stdout, _ := mustCLI(t, "generate", "--explain", path); !strings.HasPrefix(stdout, path+": "+want+"\n") {
			t.Errorf("explained as\n%s", stdout)
		}
	}
}
