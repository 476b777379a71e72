package supply

import (
	"testing"

	"github.com/hsectl/hsectl/internal/image/audit"
	"github.com/hsectl/hsectl/internal/policy/controls"
)

// One control has one title, whether the image or the running container is judged.
func TestTitlesOfScanAreTheCatalogues(t *testing.T) {
	titles := map[string]string{}
	for _, c := range controls.Catalogue() {
		titles[c.ID] = c.Title
	}
	found := audit.Judge(audit.Subject{Reference: "app:1"}, audit.Policy{})
	if len(found) == 0 {
		t.Fatal("no control was judged")
	}
	for _, f := range found {
		if titles[f.Control] != f.Title {
			t.Errorf("%s is %q in scan, and %q in the catalogue", f.Control, f.Title, titles[f.Control])
		}
	}
}
