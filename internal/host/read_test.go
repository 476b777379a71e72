package host_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/host"
)

func TestBelowReadsNothingElse(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "tree")
	for path, text := range map[string]string{"tree/file": "inside", "tree/below/file": "below", "outside": "outside", "tree-2/file": "other"} {
		if err := os.MkdirAll(filepath.Join(top, filepath.Dir(path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(top, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"link": "below/file", "out": "../outside", "dir": "..", "chain": "out", "absolute": filepath.Join(top, "outside")} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Skip("this system has no links:", err)
		}
	}
	b, err := host.NewBelow(dir, "allow it")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"file": "inside", "below/file": "below", "below/../file": "inside", "link": "below"} {
		if data, err := b.ReadFile(filepath.Join(dir, path), 100); err != nil || string(data) != want {
			t.Errorf("%s is %q: %v", path, data, err)
		}
		if !b.Holds(filepath.Join(dir, path)) {
			t.Errorf("%s is said to be outside", path)
		}
	}
	for _, path := range []string{"../outside", "../tree-2/file", "out", "dir/outside", "chain", "absolute"} {
		data, err := b.ReadFile(filepath.Join(dir, path), 100)
		if !errors.Is(err, host.ErrOutside) || len(data) > 0 || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is %q: %v", path, data, err)
		}
		if err != nil && !strings.Contains(err.Error(), "allow it") {
			t.Errorf("%s: no hint in %v", path, err)
		}
		if b.Holds(filepath.Join(dir, path)) {
			t.Errorf("%s is said to be inside", path)
		}
	}
	if _, err := b.ReadFile(filepath.Join(top, "none"), 100); !errors.Is(err, host.ErrOutside) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that exists nowhere: %v", err)
	}
	if _, err := b.ReadFile(filepath.Join(dir, "none"), 100); errors.Is(err, host.ErrOutside) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that does not exist: %v", err)
	}
}

func TestReadFileRefusesWhatIsNoFile(t *testing.T) {
	for _, path := range []string{"/dev/zero", "/dev/full", "/dev/tty"} {
		if info, err := os.Stat(path); err != nil || info.Mode().IsRegular() {
			continue
		}
		if _, err := host.ReadFile(path, 100); err == nil || !strings.Contains(err.Error(), "is a device, not a file") {
			t.Errorf("%s: %v", path, err)
		}
	}
	huge := filepath.Join(t.TempDir(), "huge")
	if err := os.WriteFile(huge, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(huge, 1<<40); err != nil {
		t.Skip("no sparse files here:", err)
	}
	if _, err := host.ReadFile(huge, 100); err == nil || !strings.Contains(err.Error(), "more than the 100 allowed") {
		t.Error(err)
	}
}
