package review_test

import (
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/review"
)

// A program that runs on the deploying machine is named whenever it is new or another one.
func TestHooks(t *testing.T) {
	const hooks = "hooks:\n  tell: {when: before, command: [./tell, ops]}\njobs:\n  migrate: {service: app, command: [migrate]}\nnetworks:\n  backend: {}\n"
	base := strings.Replace(shop, "networks:\n  backend: {}\n", hooks, 1)
	for name, c := range map[string]struct {
		base, old, new string
		want           string
	}{
		"nothing":          {base, "", "", ""},
		"another hook":     {base, "  tell:", "  also: {when: failed, command: [./also]}\n  tell:", "neutral high hook also: → failed: ./also (1m0s)"},
		"another argument": {base, "./tell, ops", "./tell, all", "neutral high hook tell: before: ./tell ops (1m0s) → before: ./tell all (1m0s)"},
		"another moment":   {base, "when: before", "when: after", "neutral high hook tell: before: ./tell ops (1m0s) → after: ./tell ops (1m0s)"},
		"a secret":         {base, "[./tell, ops]", "[./tell, ops], secrets: [token]", "weaker high HSE-SEC-001 secret of hook tell: → token"},
		"no hook any more": {base, "hooks:\n  tell: {when: before, command: [./tell, ops]}\n", "", "neutral low hook tell: before: ./tell ops (1m0s) →"},
		"another job":      {base, "command: [migrate]", "command: [migrate, all]", "neutral low job migrate: before app: migrate (5m0s) → before app: migrate all (5m0s)"},
		"no job any more":  {base, "jobs:\n  migrate: {service: app, command: [migrate]}\n", "", "neutral info job migrate: before app: migrate (5m0s) →"},
	} {
		t.Run(name, func(t *testing.T) {
			var edits []edit
			if c.old != "" {
				edits = []edit{{c.old, c.new}}
			}
			lines := printed(review.Compare(side(t, c.base), side(t, c.base, edits...), today))
			if text := strings.Join(lines, "\n"); c.want == "" && text != "" || !strings.Contains(text, c.want) {
				t.Errorf("want %q\ngot:\n%s", c.want, text)
			}
		})
	}
}
