//go:build engine

package docker

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/engine"
)

// A service with profiles: is deployed and proven when one of them is chosen, and gone with the next deploy that does not.
func TestChosenServices(t *testing.T) {
	t.Parallel()
	f := newFault(t)
	path := f.profile("old", "serve", "serve")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	with := strings.Replace(string(text), "\nsecrets:\n", "\n  batch: {image: "+f.image+", command: [serve], profiles: [nightly], depends_on: [api]}\nsecrets:\n", 1)
	if err := os.WriteFile(path, []byte(with), 0o644); err != nil {
		t.Fatal(err)
	}
	runs := func(want ...string) {
		t.Helper()
		list, err := f.e.Stack(t.Context(), f.name)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range list {
			got = append(got, c.Config.Labels[engine.ComposeService])
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%v run, want %v", got, want)
		}
	}
	f.must("old", "deploy", "--verify=false", "-f", path)
	runs("api", "web")
	f.must("old", "verify", "-f", path)
	if code, out := f.run("old", "verify", "-f", path, "--profiles", "nightly"); code != 3 || !strings.Contains(out, "batch") {
		t.Errorf("what was chosen and is not there is proven: exit %d\n%s", code, out)
	}
	f.must("old", "deploy", "-f", path, "--profiles", "nightly")
	runs("api", "batch", "web")
	f.must("old", "deploy", "--verify=false", "-f", path)
	runs("api", "web")
	f.leftovers()
}
