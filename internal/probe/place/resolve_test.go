//go:build linux

package place

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Links of a container are followed within it, however they are written.
func TestResolve(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{"run/lock", "data/deep"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{
		"var": "/data", "data/run": "/run", "data/up": "../../../../run", "data/same": "./deep", "loop": "loop", "etc": "/nowhere",
	} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"/": "", "/run/lock": "run/lock", "/var/run/lock": "run/lock", "/var/up/lock": "run/lock", "/data/same": "data/deep",
		"/../../run": "run", "/etc/passwd": "nowhere/passwd", "/none/x": "none/x",
	} {
		got, err := Resolve(root, name)
		if err != nil || got != filepath.Join(root, want) {
			t.Errorf("%s leads to %s, %v; want %s", name, got, err, want)
		}
	}
	if _, err := Resolve(root, "/loop"); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("a link to itself: %v", err)
	}
}
