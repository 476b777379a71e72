//go:build unix

package ask

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The program is a stand-in that checks how it is called; the reports in internal/verify/testdata are real.
func TestLoadScript(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "tests", "load.yml")
	program := filepath.Join(dir, "node_modules", ".bin", "artillery")
	t.Setenv("PATH", os.Getenv("PATH"))
	for _, path := range []string{script, program} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	path := os.Getenv("PATH")
	t.Setenv("PATH", t.TempDir())
	if _, err := FindArtillery(script); err == nil || errors.Is(err, ErrNoArtillery) {
		t.Errorf("a script that is not there: %v", err)
	}
	write(script, "config: {}")
	if _, err := FindArtillery(script); !errors.Is(err, ErrNoArtillery) {
		t.Errorf("no program: %v", err)
	}
	t.Setenv("PATH", path)
	const report = `{"aggregate":{"counters":{"http.requests":10,"http.codes.200":10},"summaries":{"http.response_time":{"p50":1,"p95":2,"p99":3,"max":4}}}}`
	for _, c := range []struct{ name, body, ended, fails string }{
		{"good", "echo '" + report + "' > \"$6\"", "", ""},
		{"its own checks fail", "echo '" + report + "' > \"$6\"; exit 1", "exit status 1", ""},
		{"no report", "echo password; exit 3", "", "it wrote no report"},
		{"no JSON", "echo x > \"$6\"", "", "reading Artillery's report"},
	} {
		write(program, "#!/bin/sh\n[ \"$1 $2 $3 $4 $5\" = 'run --quiet --target http://127.0.0.1:1 --output' ] && [ \"$ARTILLERY_DISABLE_TELEMETRY\" = true ] && [ \"$7\" = '"+script+"' ] || exit 9\n"+c.body+"\n")
		found, err := FindArtillery(script)
		if err != nil || found != program {
			t.Fatalf("%s: found %s, %v", c.name, found, err)
		}
		got, err := LoadScript(t.Context(), found, script, "http://127.0.0.1:1")
		switch {
		case c.fails != "":
			if err == nil || !strings.Contains(err.Error(), c.fails) || strings.Contains(err.Error(), "password") {
				t.Errorf("%s: %v", c.name, err)
			}
		case err != nil || got.Requests != 10 || got.Success != 1 || !strings.HasSuffix(got.Ended, c.ended) || (got.Ended == "") != (c.ended == ""):
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
}
