package host_test

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/hsectl/hsectl/internal/host"
)

// A walk shows files with their content, goes through no link, and ends where it is told to.
func TestWalk(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "sub"), 0o750), os.WriteFile(filepath.Join(dir, "sub", "a"), []byte("hello"), 0o600),
		os.Symlink("/etc", filepath.Join(dir, "out"))); err != nil {
		t.Fatal(err)
	}
	var seen []string
	walk := func(end error) error {
		seen = nil
		return host.Walk(dir, func(h *tar.Header, content io.Reader) error {
			data, err := io.ReadAll(content)
			seen = append(seen, fmt.Sprintf("%s %c %q", h.Name, h.Typeflag, data))
			if err != nil {
				return err
			}
			return end
		})
	}
	if err := walk(nil); err != nil {
		t.Error(err)
	}
	if want := []string{`. 5 ""`, `out 2 ""`, `sub 5 ""`, `sub/a 0 "hello"`}; !slices.Equal(seen, want) {
		t.Errorf("got %q, want %q", seen, want)
	}
	if err := walk(fs.SkipAll); err != nil || len(seen) != 1 {
		t.Errorf("it did not end: %q, %v", seen, err)
	}
	if err := host.Walk(filepath.Join(dir, "sub", "a"), func(*tar.Header, io.Reader) error { return nil }); err == nil {
		t.Error("a file was walked")
	}
}
