//go:build linux

package host_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/host"
)

// A full disk leaves yesterday's files, and nothing of today's.
func TestWriteTreeOnAFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("making a small disk needs root; the gate runs as root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatalf("making a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	old := []generate.File{{Path: "a.yml", Data: []byte("old\n")}, {Path: "b.yml", Data: []byte("old\n")}}
	if err := host.WriteTree(dir, old); err != nil {
		t.Fatal(err)
	}
	err := host.WriteTree(dir, []generate.File{{Path: "a.yml", Data: []byte("new\n")}, {Path: "b.yml", Data: make([]byte, 1<<20)}})
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v, want no space left", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2 {
		t.Errorf("%d files are left, want the 2 old ones", len(entries))
	}
	for _, f := range old {
		if data, err := os.ReadFile(filepath.Join(dir, f.Path)); err != nil || string(data) != "old\n" {
			t.Errorf("%s holds %q, %v", f.Path, data, err)
		}
	}
}
