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
	code := run(context.Background(), append([]string{"scan", "--host", "unix:///nonexistent.sock", "--offline"}, args...), streams{In: strings.NewReader(""), Out: &out, Err: &out})
	return code, out.String()
}

func TestScan(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
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
		{"mended", []string{"new.tar"}, exitOK, "0 vulnerabilities"},
		{"nothing new", []string{"old.tar", "--new-since", "old.tar"}, exitOK, "1 known"},
		{"a bill of materials", []string{"old.tar", "--format", "cyclonedx"}, exitOK, "pkg:npm/left@1.0.0"},
		{"too old a database", []string{"old.tar", "--max-db-age", "1ns"}, exitFailed, "is allowed"},
		{"no such format", []string{"old.tar", "--format", "xml"}, exitUsage, "there is no format"},
		{"no such severity", []string{"old.tar", "--fail-on", "bad"}, exitUsage, "is not a severity"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if code, out := scanned(t, append(c.args, flags...)...); code != c.code || !strings.Contains(out, c.want) {
				t.Errorf("exit %d, want %d with %q:\n%s", code, c.code, c.want, out)
			}
		})
	}
	if code, out := scanned(t, "old.tar", "--cache-dir", filepath.Join(dir, "empty")); code != exitFailed || !strings.Contains(out, "there is no vulnerability database of npm") {
		t.Errorf("without a database: exit %d\n%s", code, out)
	}
}
