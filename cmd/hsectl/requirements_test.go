package main

import (
	"encoding/json"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// forTests are the modules that go.mod requires for tests only, each with the reason why users of the module carry it.
// Anything larger belongs to the module in test/.
func forTests() map[string]string {
	return map[string]string{
		"github.com/creack/pty": "a terminal for the questions of init; it requires no other module",
	}
}

// What go.mod requires directly is part of the program, or has a reason above.
func TestRequirementsAreOfTheProgram(t *testing.T) {
	var module struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	if err := json.Unmarshal(inRepository(t, "go", "mod", "edit", "-json"), &module); err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, path := range strings.Fields(string(inRepository(t, "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "./..."))) {
		used[path] = true
	}
	reasons := forTests()
	for _, r := range module.Require {
		if r.Indirect {
			continue
		}
		if _, ok := reasons[r.Path]; !ok && !used[r.Path] {
			t.Errorf("go.mod requires %s, which no package of the program uses: its tests belong to the module in test/", r.Path)
		}
		delete(reasons, r.Path)
	}
	if len(reasons) > 0 {
		t.Errorf("go.mod does not require %v", slices.Sorted(maps.Keys(reasons)))
	}
}

// inRepository returns what a command prints at the root of the repository.
func inRepository(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	return out
}
