package review_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/report"
	"github.com/hsectl/hsectl/internal/review"
)

// The owners of a service that became weaker are named, before and after the change, and no others.
func TestOwnersOfChanges(t *testing.T) {
	owned := []edit{{"  app:\n", "  app:\n    owner: team-web\n"}, {"  db:\n", "  db:\n    owner: \"@data\"\n"}}
	weaker := append(slices.Clone(owned), edit{`["8080:8080"]`, `["0.0.0.0:8080:8080"]`})
	r := review.Compare(side(t, shop, owned...), side(t, shop, weaker...), today)
	if got := r.Owners(); !slices.Equal(got, []string{"team-web (app)"}) {
		t.Errorf("owners: %q", got)
	}
	var text, markdown bytes.Buffer
	if err := report.ReviewText(&text, []review.Review{r}); err != nil || !strings.Contains(text.String(), "to be reviewed by team-web (app)") {
		t.Errorf("%v\n%s", err, text.String())
	}
	if err := report.ReviewMarkdown(&markdown, []review.Review{r}); err != nil || !strings.Contains(markdown.String(), "To be reviewed by team-web (app).") {
		t.Errorf("%v\n%s", err, markdown.String())
	}
	var sarif bytes.Buffer
	if err := report.ReviewSARIF(&sarif, []review.Review{r}, report.Sources{}); err != nil || !strings.Contains(sarif.String(), `. Owner: team-web"`) || !strings.Contains(sarif.String(), `"owner": "team-web"`) {
		t.Errorf("%v\n%s", err, sarif.String())
	}
	for name, c := range map[string]struct {
		from, to []edit
		want     string
	}{
		"a new owner":   {nil, owned, "neutral info"},
		"no owner":      {owned, nil, "neutral low"},
		"another owner": {owned, append(slices.Clone(owned), edit{"owner: team-web", "owner: team-app"}), "neutral low"},
	} {
		changes := review.Compare(side(t, shop, c.from...), side(t, shop, c.to...), today).Changes
		i := slices.IndexFunc(changes, func(c review.Change) bool { return c.What == "owner" && c.Service == "app" })
		if i < 0 || changes[i].Direction.String()+" "+changes[i].Severity.String() != c.want {
			t.Errorf("%s: %+v", name, changes)
		}
	}
}
