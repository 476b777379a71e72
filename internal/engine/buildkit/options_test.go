package buildkit

import (
	"testing"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/image"
)

// What a runner of GitHub has in its environment reaches BuildKit, in addition to what the flag says; without it nothing is built.
func TestGitHubCache(t *testing.T) {
	e, err := engine.NoEngine()
	if err != nil {
		t.Fatal(err)
	}
	r := image.BuildRequest{Context: t.TempDir(), Dockerfile: "Dockerfile", Caches: image.BuildCaches{From: []string{"type=gha,scope=app"}, To: []string{"type=gha,scope=app,mode=max"}}}
	for _, name := range []string{"ACTIONS_CACHE_SERVICE_V2", "ACTIONS_RESULTS_URL", "ACTIONS_RUNTIME_TOKEN", "ACTIONS_CACHE_URL"} {
		t.Setenv(name, "")
	}
	t.Setenv("ACTIONS_CACHE_SERVICE_V2", "true")
	t.Setenv("ACTIONS_RESULTS_URL", "https://results.example/")
	t.Setenv("ACTIONS_RUNTIME_TOKEN", "of the runner")
	o, err := New(e, nil, nil).solveOptions(r)
	if err != nil || len(o.CacheImports) != 1 || len(o.CacheExports) != 1 {
		t.Fatalf("%+v, %v", o, err)
	}
	for name, want := range map[string]string{"scope": "app", "mode": "max", "token": "of the runner", "url_v2": "https://results.example/"} {
		if got := o.CacheExports[0].Attrs[name]; got != want {
			t.Errorf("%s of the export is %q, want %q", name, got, want)
		}
		if got := o.CacheImports[0].Attrs[name]; got != want && name != "mode" {
			t.Errorf("%s of the import is %q, want %q", name, got, want)
		}
	}
}
