package evidence

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/host"
)

// A review of a clone that lacks an object compares with nothing that it only could not read, whatever the object is.
func TestReviewOfABrokenClone(t *testing.T) {
	files := map[string]string{
		"hsectl.yaml":                         "apiVersion: hsectl/v1\nkind: Profile\nname: shop\nextends: ./layers/base.yaml\nservices:\n  web: {image: \"registry.example/web:1\", user: \"10001:10001\", limits: {cpus: 0.5, memory: 64M, pids: 100}, health: {command: [/app, health]}, build: {context: app}}\n",
		"layers/base.yaml":                    "apiVersion: hsectl/v1\nkind: Profile\ndefaults: {init: true}\n",
		"app/Dockerfile":                      "FROM scratch\nUSER 10001:10001\n",
		"hsectl.lock":                         "",
		"compose/docker-compose.yml":          "name: blog\nservices: {web: {image: \"registry.example/web:1\"}}\n",
		"compose/docker-compose.override.yml": "services: {web: {init: true}}\n",
	}
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	git := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "-q", "-b", "main")
	git("add", ".")
	git("commit", "-qm", "base")
	t.Chdir(dir)
	review := func(profile, base, head string) error {
		return Review(t.Context(), &app.Settings{File: app.Selection{Files: []string{profile}}}, app.Streams{Out: io.Discard, Err: io.Discard}, ReviewOptions{Format: "text", FailOn: "weaker"}, base, head)
	}
	compose := filepath.Join("compose", "hsectl.yaml")
	for _, profile := range []string{"hsectl.yaml", compose} {
		if err := review(profile, "main", ""); err != nil {
			t.Fatalf("nothing is missing, of %s: %v", profile, err)
		}
	}
	onDisk := map[string]string{"hsectl.yaml": "hsectl.yaml", compose: "compose/docker-compose.yml"}
	needs := map[string]string{"hsectl.yaml": "hsectl.yaml", "layers/base.yaml": "hsectl.yaml", "layers": "hsectl.yaml", "app/Dockerfile": "hsectl.yaml", "app": "hsectl.yaml",
		"hsectl.lock": "hsectl.yaml", "compose/docker-compose.yml": compose, "compose/docker-compose.override.yml": compose, "compose": compose, "": "hsectl.yaml"}
	for line := range strings.Lines(git("rev-list", "--objects", "main")) { // the commit, its tree, and what is in that
		object, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		profile, needed := needs[name]
		if !needed {
			t.Fatalf("%q is missing in the table", name)
		}
		file := filepath.Join(".git", "objects", object[:2], object[2:])
		data, err := os.ReadFile(file)
		if err = errors.Join(err, os.Remove(file)); err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{"as the base": review(profile, "main", ""), "as the head": review(profile, onDisk[profile], "main"), "in its directory": review(profile, "main:", ".")} {
			if what == "in its directory" && strings.HasSuffix(name, "override.yml") {
				continue // Compose files in directories are compared by themselves
			}
			if !app.IsType[*host.RepositoryError](err) || !strings.Contains(err.Error(), "git says: ") {
				t.Errorf("without %s (%q), %s: %v", object, name, what, err)
			}
		}
		if err := os.WriteFile(file, data, 0o444); err != nil {
			t.Fatal(err)
		}
	}
	for what, c := range map[string]struct{ base, want string }{
		"an unknown revision":       {"next", `"next" is neither a file nor a git revision`},
		"an unknown path":           {"main:next.yaml", "no profile"},
		"a commit that is not here": {"1234567890123456789012345678901234567890", "reading 1234567890123456789012345678901234567890 from git: object 12345"},
		"a file as a revision":      {git("rev-parse", "main:hsectl.yaml"), "is neither a file nor a git revision"},
	} {
		if err := review("hsectl.yaml", c.base, "missing.yaml"); err == nil || !strings.Contains(err.Error(), c.want) && what != "an unknown path" {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := os.Rename(".git", "git"); err != nil {
		t.Fatal(err)
	}
	if err := review("hsectl.yaml", "main", ""); err == nil || !strings.Contains(err.Error(), `"main" is not a file, and no git revision: reading main from git: no git repository: git says: not a git repository`) {
		t.Errorf("outside a repository: %v", err)
	}
}

// Names in a directory are relative to it, however it is named, and hidden directories are left out on disk and in git.
func TestReviewOfADirectoryWithDotFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		".golangci.yml":           "version: '2'\n",
		".hidden.yaml":            "kind: Profile\n",
		"shop/hsectl.yaml":        "apiVersion: hsectl/v1\nkind: Profile\nname: shop\n",
		".github/hsectl.yaml":     "kind: Profile\n",
		"node_modules/x/a.yaml":   "kind: Profile\n",
		"shop/.dot/a.yaml":        "kind: Profile\n",
		"shop/..dotted/deep.yaml": "kind: Profile\n",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "-f", "."}, {"-c", "user.name=Test", "-c", "user.email=test@example.com", "commit", "-qm", "base"}} {
		if out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	t.Chdir(dir)
	for argument, want := range map[string]string{
		".": ".hidden.yaml shop/hsectl.yaml", "./": ".hidden.yaml shop/hsectl.yaml", "shop": "hsectl.yaml", "./shop/": "hsectl.yaml", "shop/../.": ".hidden.yaml shop/hsectl.yaml", dir: ".hidden.yaml shop/hsectl.yaml",
		"main:": ".hidden.yaml shop/hsectl.yaml", "main:./": ".hidden.yaml shop/hsectl.yaml", "main:shop": "hsectl.yaml", "main:shop/": "hsectl.yaml",
	} {
		v, err := openSnapshot(t.Context(), &app.Settings{}, app.Inputs{}, argument)
		if got := strings.Join(v.names, " "); err != nil || got != want {
			t.Errorf("%s: %q, %v", argument, got, err)
		}
	}
}
