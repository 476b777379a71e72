package evidence

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/app"
)

const cache = `apiVersion: hsectl/v1
kind: Profile
name: shop
services:
  cache:
    preset: redis
`

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func streams() (app.Streams, *bytes.Buffer) {
	out := &bytes.Buffer{}
	return app.Streams{In: strings.NewReader(""), Out: out, Err: &bytes.Buffer{}}, out
}

// A hardened profile is clean; a Compose file that says nothing is not.
func TestLint(t *testing.T) {
	for _, c := range []struct {
		name, file, text string
		want             error
	}{
		{"a profile", "hsectl.yaml", cache, nil},
		{"a Compose file", "compose.yaml", "name: shop\nservices: {cache: {image: redis, privileged: true}}\n", app.ErrFindings},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, out := streams()
			o := LintOptions{ReportOptions: app.ReportOptions{Format: "text"}}
			err := Lint(context.Background(), &app.Settings{}, s, o, []string{file(t, c.file, c.text)})
			if !errors.Is(err, c.want) {
				t.Errorf("%v:\n%s", err, out)
			}
		})
	}
}

// What became weaker is told, and fails where that is asked for.
func TestReview(t *testing.T) {
	base := file(t, "shop.yaml", cache)
	head := file(t, "shop.yaml", cache+"    ports: [{container: 6379, host: 6379, address: 0.0.0.0}]\n")
	for _, c := range []struct {
		failOn string
		want   error
	}{{"", nil}, {"weaker", app.ErrFindings}} {
		s, out := streams()
		err := Review(context.Background(), &app.Settings{}, s, ReviewOptions{Format: "text", FailOn: c.failOn}, base, head)
		if !errors.Is(err, c.want) || !strings.Contains(out.String(), "6379") {
			t.Errorf("--fail-on %q: %v:\n%s", c.failOn, err, out)
		}
	}
}

// What cannot be asked is refused before an engine is looked for.
func TestProbeRefuses(t *testing.T) {
	s, _ := streams()
	for _, what := range []string{"ftp://example.org", "http://"} {
		if err := Probe(context.Background(), &app.Settings{}, s, what, ProbeOptions{}); !app.IsType[*app.UsageError](err) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
