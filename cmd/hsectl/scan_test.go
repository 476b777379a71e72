package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/finding"
)

// saved writes an image with one layer as docker save does.
func saved(t *testing.T, path string, files map[string]string) {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for file, data := range files {
		if err := w.WriteHeader(&tar.Header{Name: file, Mode: 0o644, Size: int64(len(data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.Append(empty.Image, mutate.Addendum{Layer: layer, History: v1.History{CreatedBy: "COPY . /app"}})
	if err != nil {
		t.Fatal(err)
	}
	if img, err = mutate.Config(img, v1.Config{User: "1000:1000"}); err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag("app:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := tarball.WriteToFile(path, tag, img); err != nil {
		t.Fatal(err)
	}
}

// scanned runs hsectl scan without an engine or a network.
func scanned(t *testing.T, args ...string) (int, string) {
	t.Helper()
	var out bytes.Buffer
	code := run(context.Background(), append([]string{"scan", "--host", "unix:///nonexistent.sock", "--offline"}, args...), app.Streams{In: strings.NewReader(""), Out: &out, Err: &out})
	return code, out.String()
}

// database is an OSV database with one advisory, about left before 2.0.0.
func database(t *testing.T, dir string) string {
	t.Helper()
	db := filepath.Join(dir, "db")
	if err := os.MkdirAll(filepath.Join(db, "npm"), 0o755); err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	w, err := z.Create("GHSA-1.json")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, `{"id":"GHSA-1","aliases":["CVE-2026-1"],"modified":"2026-11-01T00:00:00Z","database_specific":{"severity":"HIGH"},"affected":[{"package":{"ecosystem":"npm","name":"left"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"2.0.0"}]}]}]}`)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(db, "npm", "all.zip"), archive.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return db
}

func TestScan(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	db := database(t, dir)
	saved(t, "old.tar", map[string]string{"app/node_modules/left/package.json": `{"name":"left","version":"1.0.0"}`})
	saved(t, "new.tar", map[string]string{"app/node_modules/left/package.json": `{"name":"left","version":"2.0.0"}`})
	flags := []string{"--db", db, "--cache-dir", filepath.Join(dir, "cache")}
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"vulnerable", []string{"old.tar"}, exitFindings, "CVE-2026-1  left 1.0.0  fixed in 2.0.0  layer 1: COPY . /app"},
		{"below the threshold", []string{"old.tar", "--fail-on", "critical"}, exitOK, "0 at or above critical"},
		{"fixed", []string{"new.tar"}, exitOK, "0 vulnerabilities"},
		{"nothing new", []string{"old.tar", "--new-since", "old.tar"}, exitOK, "1 known"},
		{"a bill of materials", []string{"old.tar", "--format", "spdx"}, exitOK, "pkg:npm/left@1.0.0"},
		{"one with what is wrong", []string{"old.tar", "--format", "cyclonedx"}, exitOK, "pkg:npm/left@1.0.0"},
		{"too old a database", []string{"old.tar", "--max-db-age", "1ns"}, exitFailed, "is allowed"},
		{"no such format", []string{"old.tar", "--format", "xml"}, exitUsage, "unknown format"},
		{"no such severity", []string{"old.tar", "--fail-on", "bad"}, exitUsage, "is not a severity"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if code, out := scanned(t, append(c.args, flags...)...); code != c.code || !strings.Contains(out, c.want) {
				t.Errorf("exit %d, want %d with %q:\n%s", code, c.code, c.want, out)
			}
		})
	}
	if code, out := scanned(t, "old.tar", "--cache-dir", filepath.Join(dir, "empty")); code != exitFailed || !strings.Contains(out, "no vulnerability database of npm") {
		t.Errorf("without a database: exit %d\n%s", code, out)
	}
	if code, out := scanned(t, "old.tar", "--cache-dir", filepath.Join(dir, "empty"), "--format", "spdx"); code != exitOK || !strings.Contains(out, "pkg:npm/left@1.0.0") {
		t.Errorf("a bill of materials without a database: exit %d\n%s", code, out)
	}
	if code, out := scanned(t, "none.tar", "--cache-dir", filepath.Join(dir, "empty")); code != exitUsage || !strings.Contains(out, "file or directory none.tar not found") {
		t.Errorf("a file that is not there: exit %d\n%s", code, out)
	}
}

// The checklist rests on what is kept here, so only a scan by the profile's own rules is.
func TestScanIsKept(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("XDG_STATE_HOME", filepath.Join(dir, "state"))
	db := database(t, dir)
	image := map[string]string{"app/node_modules/left/package.json": `{"name":"left","version":"2.0.0"}`}
	saved(t, "app.tar", image)
	profile := "apiVersion: hsectl/v1\nkind: Profile\nname: shop\nservices:\n  app:\n    image: app.tar\n    user: \"1000:1000\"\n    health: {command: [/x]}\n    limits: {cpus: \"0.1\", memory: 16M}\n"
	for _, c := range []struct {
		name, env string
		args      []string
		code      int
		want      finding.Status
		kept      bool
	}{
		{"by milder rules", "", []string{"--fail-on", "critical"}, exitOK, 0, false},
		{"one image", "", []string{"app.tar"}, exitOK, 0, false},
		{"contents only", "", []string{"--format", "spdx"}, exitOK, 0, false},
		{"by the profile", "", nil, exitOK, finding.Pass, true},
		{"refused", "PASSWORD=ghp_" + strings.Repeat("aB1c", 9), nil, exitFindings, finding.Fail, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.env != "" {
				image["app/.env"] = c.env
				saved(t, "app.tar", image)
			}
			if err := os.WriteFile("hsectl.yaml", []byte(profile), 0o644); err != nil {
				t.Fatal(err)
			}
			if code, out := scanned(t, append(c.args, "--db", db, "--cache-dir", filepath.Join(dir, "cache"))...); code != c.code {
				t.Fatalf("exit %d, want %d:\n%s", code, c.code, out)
			}
			stored, ok := app.Kept("shop")["scan"]
			if ok != c.kept {
				t.Fatalf("kept: %v, want %v", ok, c.kept)
			}
			if ok && (len(stored.Findings) != 1 || stored.Findings[0].Subject != "app" || stored.Findings[0].Status != c.want || !strings.HasPrefix(stored.Findings[0].Detail, "sha256:")) {
				t.Errorf("kept %+v, want %s", stored.Findings, c.want)
			}
		})
	}
}
