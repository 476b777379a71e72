package review_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/report"
	"github.com/hsectl/hsectl/internal/review"
)

// What a Dockerfile does now that it did not do is weaker, what it does no more is stronger, and what moved to another line
// is neither.
func TestDockerfiles(t *testing.T) {
	const build = "    build: {context: app}\n"
	at := func(control, detail, where string) finding.Finding {
		return finding.Finding{Control: control, Title: "The Dockerfile follows best practices", Detail: detail, Remedy: "fix it", Severity: finding.Low, Status: finding.Fail, Where: where}
	}
	sudo, curl := at("HSE-IMG-013", "uses sudo", "app/Dockerfile:3"), at("HSE-IMG-013", "runs what it downloads", "app/Dockerfile:9")
	moved := at("HSE-IMG-013", "uses sudo", "app/Dockerfile:4")
	secret := at("HSE-IMG-005", "ENV TOKEN has a value", "app/Dockerfile:5")
	secret.Severity = finding.Critical
	waived := sudo
	waived.Status = finding.Waived
	none := []finding.Finding{}
	for name, c := range map[string]struct {
		old, now []finding.Finding // nil when the Dockerfile cannot be read
		want     []string
	}{
		"nothing changes":             {[]finding.Finding{sudo}, []finding.Finding{sudo}, nil},
		"a line moves":                {[]finding.Finding{sudo}, []finding.Finding{moved}, nil},
		"a bad habit more":            {none, []finding.Finding{sudo}, []string{"weaker low HSE-IMG-013: uses sudo (new) app/Dockerfile:3"}},
		"the same habit again":        {[]finding.Finding{sudo}, []finding.Finding{sudo, moved}, []string{"weaker low HSE-IMG-013: uses sudo (new) app/Dockerfile:4"}},
		"a secret":                    {[]finding.Finding{sudo}, []finding.Finding{sudo, secret}, []string{"weaker critical HSE-IMG-005: ENV TOKEN has a value (new) app/Dockerfile:5"}},
		"a bad habit less":            {[]finding.Finding{sudo, curl}, []finding.Finding{curl}, []string{"stronger low HSE-IMG-013: uses sudo (gone) "}},
		"one for another":             {[]finding.Finding{sudo}, []finding.Finding{curl}, []string{"neutral low HSE-IMG-013: uses sudo → runs what it downloads app/Dockerfile:9"}},
		"an exception came":           {[]finding.Finding{sudo}, []finding.Finding{waived}, nil},
		"an exception went":           {[]finding.Finding{waived}, []finding.Finding{sudo}, nil},
		"new, with its own exception": {none, []finding.Finding{waived}, nil},
		"it cannot be read any more":  {none, nil, []string{"neutral low : differs "}},
		"it could not be read before": {nil, []finding.Finding{sudo}, []string{"weaker low HSE-IMG-013: uses sudo (new) app/Dockerfile:3", "neutral info : differs "}},
		"it never could":              {nil, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			with := func(findings []finding.Finding) review.Side {
				out := side(t, shop, edit{"  app:\n", "  app:\n" + build})
				if findings != nil {
					out.Dockerfiles = map[string][]finding.Finding{"app": findings}
				}
				return out
			}
			r := review.Compare(with(c.old), with(c.now), today)
			var text bytes.Buffer
			if err := report.ReviewText(&text, []review.Review{r}); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, change := range r.Changes {
				value := map[bool]string{true: "differs"}[change.Old+change.New == ""]
				switch {
				case change.Old == "" && change.New != "":
					value = change.New + " (new)"
				case change.New == "" && change.Old != "":
					value = change.Old + " (gone)"
				case change.Old != "":
					value = change.Old + " → " + change.New
				}
				got = append(got, change.Direction.String()+" "+change.Severity.String()+" "+change.Control+": "+value+" "+change.Where)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q\nwant %q\n%s", got, c.want, text.String())
			}
		})
	}
	t.Run("a new service", func(t *testing.T) {
		head := side(t, shop, edit{"  app:\n", "  app:\n" + build})
		head.Dockerfiles = map[string][]finding.Finding{"app": {secret}}
		r := review.Compare(review.Side{}, head, today)
		if !slices.ContainsFunc(r.Changes, func(c review.Change) bool {
			return c.Control == "HSE-IMG-005" && c.Direction == review.Weaker && strings.Contains(c.New, "TOKEN")
		}) {
			t.Errorf("%+v", r.Changes)
		}
	})
}
