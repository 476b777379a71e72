//go:build engine

package docker

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// A generated secret keeps its value over deploys. Rotated it gets a new one, only its reader is replaced, and rollback
// brings the old value back.
func TestRotateGenerated(t *testing.T) {
	t.Parallel()
	f := newFault(t)
	file := f.profile("old", "serve", "serve")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(data), "token: {env: TOKEN}", "token: {generate: true}", 1)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	at := func() (api, web, token string) {
		web = only(t, f.e, deployedStack(f), "web").ID
		return only(t, f.e, deployedStack(f), "api").ID, web, f.token(web)
	}
	f.must("", "deploy", "--verify=false", "-f", file)
	api, web, first := at()
	f.must("", "deploy", "--verify=false", "-f", file)
	if a, w, token := at(); a != api || w != web || token != first || len(token) < 20 {
		t.Errorf("an unchanged stack has another container or value")
	}
	out := f.must("", "secrets", "rotate", "token", "-f", file)
	a, w, second := at()
	if a != api || w == web || second == first || len(second) != len(first) {
		t.Errorf("rotated: api replaced %v, web replaced %v, value changed %v", a != api, w != web, second != first)
	}
	kept, err := f.e.KeptSecrets(t.Context(), f.name)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	for _, value := range kept["token"] {
		values = append(values, strings.TrimSpace(string(value.Reveal())))
	}
	if !slices.Contains(values, strings.TrimSpace(first)) || !slices.Contains(values, strings.TrimSpace(second)) {
		t.Errorf("the engine keeps %d values, and not both that services were given", len(values))
	}
	if strings.Contains(out, first) || strings.Contains(out, second) {
		t.Error("the output shows the value")
	}
	f.must("", "deploy", "--verify=false", "-f", file)
	if _, _, token := at(); token != second {
		t.Error("the next deploy changed the value again")
	}
	f.must("", "rollback", "--verify=false", "--stack", f.name)
	if a, _, token := at(); a != api || token != first {
		t.Errorf("rollback: api replaced %v, old value back %v", a != api, token == first)
	}
	f.leftovers()
}
