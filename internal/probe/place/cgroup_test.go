//go:build unix

package place

import (
	"os"
	"path/filepath"
	"testing"
)

func TestForeign(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("giving files to other users needs root; the gate runs as root")
	}
	for name, c := range map[string]struct {
		uid  int
		mode os.FileMode
		want bool
	}{
		"the machine's root, not mapped": {overflowUID, 0o644, true},
		"the container's root":           {0, 0o644, false},
		"another user of the container":  {10001, 0o644, false},
		"world-writable":                 {overflowUID, 0o646, false},
	} {
		root := t.TempDir()
		for _, file := range []string{"memory.max", "pids/pids.max"} {
			path := filepath.Join(root, "sys/fs/cgroup", file)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, c.mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(path, c.uid, 0); err != nil {
				t.Fatal(err)
			}
		}
		if got := Foreign(root); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if Foreign(t.TempDir()) {
		t.Error("no file at all is taken for one that is not writable")
	}
}
