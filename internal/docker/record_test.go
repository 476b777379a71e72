//go:build engine

package docker

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/record"
	"github.com/hsectl/hsectl/internal/stack"
)

// sealed is a record in an envelope of a version.
func sealed(t *testing.T, version string, body any) []byte {
	t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(map[string]any{"apiVersion": version, "kind": "Release", "sha256": record.Digest(data), "body": json.RawMessage(data)})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// asVersion1 is a release as version 1 of the records wrote it: with the hardened model by its Go names.
func asVersion1(t *testing.T, r record.Release) []byte {
	t.Helper()
	return sealed(t, record.First, struct {
		Stack       string                  `json:"stack"`
		Number      int                     `json:"number"`
		Made        record.Made             `json:"made"`
		Model       stack.Stack             `json:"model"`
		Environment map[string]string       `json:"environment,omitempty"`
		Compose     []byte                  `json:"compose"`
		Rendered    []struct{ Path string } `json:"rendered,omitempty"`
		Images      map[string]record.Image `json:"images"`
		Secrets     map[string]string       `json:"secrets,omitempty"`
		Configs     map[string]string       `json:"configs,omitempty"`
		Live        []string                `json:"live,omitempty"`
	}{r.Stack, r.Number, r.Made, r.Model(), r.Environment, r.Compose, nil, r.Images, r.Secrets, r.Configs, r.Live})
}

func (f *fault) first() record.Release {
	f.t.Helper()
	h, err := f.e.History(f.t.Context(), f.name)
	if err != nil || len(h) != 1 || h[0].Err != nil {
		f.t.Fatalf("%+v, %v", h, err)
	}
	return h[0].Release
}

// A release that version 1 recorded is what its stack is compared with, it can be returned to, and it is pruned like any other.
func TestReleaseOfVersion1(t *testing.T) {
	t.Parallel()
	f := newFault(t)
	old, next := f.profile("old", "serve", "serve"), f.profile("next", "serve", "serve")
	f.must("old", "deploy", "-f", old)
	if err := tamper(t, f.e, f.name, asVersion1(t, f.first())); err != nil {
		t.Fatal(err)
	}
	before := f.containers()
	f.must("old", "deploy", "-f", old)
	if !slices.Equal(f.containers(), before) || len(f.numbers()) != 1 {
		t.Errorf("nothing changed, and the containers are %v, not %v; releases %v", f.containers(), before, f.numbers())
	}
	f.must("next", "deploy", "-f", next)
	f.is("next", next)
	f.must("", "rollback", "--stack", f.name)
	f.is("old", old)
	f.must("next", "deploy", "-f", next, "--releases", "1")
	if got := f.numbers(); !slices.Equal(got, []int{4}) {
		t.Errorf("the releases are %v", got)
	}
	f.is("next", next)
}

// A program that meets a record of a later version says so in one line, and touches nothing.
func TestReleaseOfALaterVersion(t *testing.T) {
	t.Parallel()
	f := newFault(t)
	old, next := f.profile("old", "serve", "serve"), f.profile("next", "serve", "serve")
	f.must("old", "deploy", "--verify=false", "-f", old)
	if err := tamper(t, f.e, f.name, sealed(t, "hsectl/v3", map[string]string{"novelty": "of a later day"})); err != nil {
		t.Fatal(err)
	}
	before := f.containers()
	for _, args := range [][]string{{"deploy", "-f", next}, {"deploy", "-f", old}, {"rollback", "--stack", f.name}, {"deploy", "--abort", "-f", next}} {
		code, out := f.run("next", args...)
		var errs []string
		for _, line := range strings.Split(out, "\n") {
			if strings.HasPrefix(line, "error: ") {
				errs = append(errs, line)
			}
		}
		if code != 1 || len(errs) != 1 || !strings.Contains(errs[0], "hsectl/v3") {
			t.Errorf("%v: exit %d, want 1 and one line that names the version:\n%s", args, code, out)
		}
	}
	if !slices.Equal(f.containers(), before) || !slices.Equal(f.numbers(), []int{1}) {
		t.Errorf("the containers are %v, not %v; releases %v", f.containers(), before, f.numbers())
	}
	f.leftovers()
}

// What is not rendered touches no container: the deploy writes a record of the intent, and the next one finds nothing to do.
func TestIntentIsRecorded(t *testing.T) {
	t.Parallel()
	f := newFault(t)
	old := f.profile("old", "serve", "serve")
	f.must("old", "deploy", "-f", old)
	text, err := os.ReadFile(old)
	if err != nil {
		t.Fatal(err)
	}
	owned := filepath.Join(f.dir, "owned.yaml")
	if err := os.WriteFile(owned, []byte(strings.Replace(string(text), "  web:\n", "  web:\n    owner: team-shop\n", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if out := f.must("old", "plan", "-f", owned); !strings.Contains(out, "services.web.owner is new: team-shop") {
		t.Errorf("the plan does not name the intent:\n%s", out)
	}
	before := f.containers()
	f.must("old", "deploy", "-f", owned)
	if !slices.Equal(f.containers(), before) || !slices.Equal(f.numbers(), []int{1, 2}) {
		t.Errorf("the containers are %v, not %v; releases %v", f.containers(), before, f.numbers())
	}
	f.must("old", "deploy", "-f", owned)
	if got := f.numbers(); !slices.Equal(got, []int{1, 2}) {
		t.Errorf("the releases are %v", got)
	}
	f.is("old", owned)
}

// containers are the ids of all containers of the stack, sorted.
func (f *fault) containers() []string {
	f.t.Helper()
	list, err := f.e.Stack(f.t.Context(), f.name)
	if err != nil {
		f.t.Fatal(err)
	}
	var out []string
	for _, c := range list {
		out = append(out, c.ID)
	}
	slices.Sort(out)
	return out
}

// numbers are those of the releases on the engine, sorted.
func (f *fault) numbers() []int {
	f.t.Helper()
	h, err := f.e.History(f.t.Context(), f.name)
	if err != nil {
		f.t.Fatal(err)
	}
	var out []int
	for _, r := range h {
		out = append(out, r.Number)
	}
	slices.Sort(out)
	return out
}
