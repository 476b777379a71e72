package host_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/host"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// tree returns the content of every file below dir, by its path.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		out[rel] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func rendered(text string) []generate.File {
	return []generate.File{{Path: "a.yml", Data: []byte(text)}, {Path: "sub/b.yml", Data: []byte(text)}, {Path: "c.json", Data: []byte(text)}}
}

func TestWriteTree(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "build")
	for _, text := range []string{"one", "two"} {
		if err := host.WriteTree(dir, rendered(text)); err != nil {
			t.Fatal(err)
		}
		got := tree(t, dir)
		if len(got) != 3 || got["a.yml"] != text || got["sub/b.yml"] != text || got["c.json"] != text {
			t.Errorf("got %v", got)
		}
	}
	info, err := os.Stat(filepath.Join(dir, "a.yml"))
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// What is there already is not written again; what has other bytes, another mode or is a link is.
func TestWriteTreeLeavesWhatIsUnchanged(t *testing.T) {
	dir := t.TempDir()
	if err := host.WriteTree(dir, rendered("one")); err != nil {
		t.Fatal(err)
	}
	lstat := func(name string) fs.FileInfo {
		info, err := os.Lstat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	before := lstat("a.yml")
	write(t, filepath.Join(dir, "elsewhere"), "one")
	if err := errors.Join(os.Chmod(filepath.Join(dir, "sub", "b.yml"), 0o600), os.Remove(filepath.Join(dir, "c.json")), os.Symlink("elsewhere", filepath.Join(dir, "c.json"))); err != nil {
		t.Fatal(err)
	}
	if err := host.WriteTree(dir, rendered("one")); err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, lstat("a.yml")) {
		t.Error("a file was replaced by the same one")
	}
	if mode := lstat(filepath.Join("sub", "b.yml")).Mode(); mode != 0o644 {
		t.Errorf("mode %v", mode)
	}
	if !lstat("c.json").Mode().IsRegular() {
		t.Error("a link is left in the place of a file")
	}
}

// A file of the user keeps its mode and the link that leads to it; a new one is for everyone to read.
func TestRewrite(t *testing.T) {
	dir := t.TempDir()
	path, link, fresh := filepath.Join(dir, "profile.yaml"), filepath.Join(dir, "link.yaml"), filepath.Join(dir, "new", "profile.yaml")
	write(t, path, "old")
	if err := errors.Join(os.Chmod(path, 0o600), os.Symlink("profile.yaml", link)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{link, fresh} {
		if err := host.Rewrite(name, []byte("new")); err != nil {
			t.Fatal(err)
		}
	}
	if got := tree(t, dir); got["profile.yaml"] != "new" || got["new/profile.yaml"] != "new" || len(got) != 3 {
		t.Errorf("%v", got)
	}
	if to, err := os.Readlink(link); err != nil || to != "profile.yaml" {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	for name, want := range map[string]fs.FileMode{path: 0o600, fresh: 0o644} {
		if info, err := os.Stat(name); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

// A failure leaves yesterday's files as they were, and nothing next to them.
func TestWriteTreeIsAllOrNothing(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.yml"), "yesterday")
	write(t, filepath.Join(dir, "sub"), "a file where a directory is needed")
	if err := host.WriteTree(dir, rendered("today")); err == nil || !strings.Contains(err.Error(), "sub/b.yml") {
		t.Errorf("got %v", err)
	}
	if got := tree(t, dir); len(got) != 2 || got["a.yml"] != "yesterday" {
		t.Errorf("left behind: %v", got)
	}
}

func TestWriteTreeBelowAFile(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file"), "x")
	if err := host.WriteTree(filepath.Join(dir, "file", "build"), rendered("today")); err == nil || !strings.Contains(err.Error(), "making the output directory") {
		t.Errorf("got %v", err)
	}
	if got := tree(t, dir); len(got) != 1 || got["file"] != "x" {
		t.Errorf("left behind: %v", got)
	}
}

func TestStale(t *testing.T) {
	dir := t.TempDir()
	if got, err := host.Stale(filepath.Join(dir, "nowhere"), rendered("x")); err != nil || len(got) != 3 {
		t.Errorf("nothing is there: %v, %v", got, err)
	}
	if err := host.WriteTree(dir, rendered("x")); err != nil {
		t.Fatal(err)
	}
	if got, err := host.Stale(dir, rendered("x")); err != nil || len(got) != 0 {
		t.Errorf("all is there: %v, %v", got, err)
	}
	write(t, filepath.Join(dir, "a.yml"), "changed by hand")
	if err := os.Remove(filepath.Join(dir, "c.json")); err != nil {
		t.Fatal(err)
	}
	if got, err := host.Stale(dir, rendered("x")); err != nil || !slices.Equal(got, []string{"a.yml", "c.json"}) {
		t.Errorf("got %v, %v", got, err)
	}
	if err := errors.Join(os.Remove(filepath.Join(dir, "a.yml")), os.Mkdir(filepath.Join(dir, "a.yml"), 0o755)); err != nil {
		t.Fatal(err)
	}
	if _, err := host.Stale(dir, rendered("x")); err == nil {
		t.Error("a directory in place of a file can be compared")
	}
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "profile.yaml")
	write(t, path, "12345")
	for _, limit := range []int64{5, 100} {
		if data, err := host.ReadFile(path, limit); err != nil || string(data) != "12345" {
			t.Errorf("limit %d: %q, %v", limit, data, err)
		}
	}
	if data, _ := host.ReadFile(path, 2); len(data) > 3 {
		t.Errorf("a limit of 2 read %d bytes", len(data))
	}
	if _, err := host.ReadFile(dir, 100); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("a directory: %v", err)
	}
	if _, err := host.ReadFile(filepath.Join(dir, "none"), 100); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_COMMITTER_DATE=2026-06-15T10:00:00+02:00", "GIT_AUTHOR_DATE=2026-06-15T10:00:00+02:00")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

func TestGitRevision(t *testing.T) {
	dir := t.TempDir()
	ctx := context.Background()
	if got := host.GitRevision(ctx, dir); got != (host.Revision{}) {
		t.Errorf("outside a repository: %+v", got)
	}
	git(t, dir, "init", "-q")
	write(t, filepath.Join(dir, "app", "main.js"), "1")
	write(t, filepath.Join(dir, "other.txt"), "1")
	git(t, dir, "add", ".")
	git(t, dir, "commit", "-q", "-m", "first")
	git(t, dir, "remote", "add", "origin", "https://me:"+"hunter2"+"@example.com/shop.git")
	got := host.GitRevision(ctx, filepath.Join(dir, "app"))
	if len(got.Commit) != 40 || got.Source != "https://example.com/shop.git" || got.Created.UTC().Hour() != 8 {
		t.Errorf("clean: %+v", got)
	}
	write(t, filepath.Join(dir, "other.txt"), "2")
	if again := host.GitRevision(ctx, filepath.Join(dir, "app")); again != got {
		t.Errorf("a change elsewhere: %+v", again)
	}
	write(t, filepath.Join(dir, "app", "new.js"), "2")
	if dirty := host.GitRevision(ctx, filepath.Join(dir, "app")); dirty.Commit != got.Commit+"-dirty" {
		t.Errorf("a change here: %+v", dirty)
	}
}
