package atomicfile_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hsectl/hsectl/internal/atomicfile"
)

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

func rewrite(path, s string) error {
	f, err := atomicfile.Rewrite(path, 0o644)
	if err != nil {
		return err
	}
	return atomicfile.Write(f, text(s))
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// A file that is rewritten keeps everything but its content.
func TestRewriteKeepsModeOwnerAndLinks(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, mode := range []fs.FileMode{0o600, 0o640, 0o644, 0o664, 0o755, 0o444} {
		path := in("file")
		if err := errors.Join(os.WriteFile(path, []byte("old"), 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		if os.Getuid() == 0 {
			if err := os.Chown(path, 1234, 5678); err != nil {
				t.Fatal(err)
			}
		}
		if err := rewrite(path, "new"); err != nil {
			t.Fatal(err)
		}
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != mode {
			t.Errorf("the mode %v became %v", mode, info.Mode())
		}
		if s := info.Sys().(*syscall.Stat_t); os.Getuid() == 0 && (s.Uid != 1234 || s.Gid != 5678) {
			t.Errorf("it belongs to %d:%d now", s.Uid, s.Gid)
		}
		if data, err := os.ReadFile(path); err != nil || string(data) != "new" {
			t.Errorf("%q, %v", data, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}

	if err := errors.Join(os.Mkdir(in("real"), 0o755), os.WriteFile(in("real/file"), []byte("old"), 0o600), os.Symlink("real/file", in("link")), os.Symlink("link", in("linked"))); err != nil {
		t.Fatal(err)
	}
	if err := rewrite(in("linked"), "new"); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"linked": "link", "link": "real/file"} {
		if got, err := os.Readlink(in(link)); err != nil || got != to {
			t.Errorf("the link %s leads to %q, %v", link, got, err)
		}
	}
	if data, err := os.ReadFile(in("real/file")); err != nil || string(data) != "new" {
		t.Errorf("behind the links: %q, %v", data, err)
	}
	if info, err := os.Stat(in("linked")); err != nil || info.Mode() != 0o600 {
		t.Errorf("behind the links: %v, %v", info.Mode(), err)
	}
	if got := names(t, in("real")); !slices.Equal(got, []string{"file"}) {
		t.Errorf("left behind: %v", got)
	}

	if err := errors.Join(os.Symlink("missing", in("dangling")), syscall.Mkfifo(in("pipe"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"dangling": "following a link", "pipe": "not a regular file", "real": "a directory is in its place", "missing/file": "no such file"} {
		if err := rewrite(in(name), "new"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWriteIsAllOrNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	f, err := atomicfile.New(path, 0o640)
	if err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Write(f, text("first")); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	if f, err = atomicfile.New(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Write(f, func(w io.Writer) error { return errors.Join(text("half")(w), broken) }); !errors.Is(err, broken) {
		t.Error(err)
	}
	if f, err = atomicfile.New(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(text("more")(f), f.Discard()); err != nil {
		t.Error(err)
	}
	data, err := os.ReadFile(path)
	if info, statErr := os.Stat(path); err != nil || string(data) != "first" || statErr != nil || info.Mode() != 0o640 {
		t.Errorf("%q, %v, %v", data, err, info.Mode())
	}
	if got := names(t, dir); !slices.Equal(got, []string{"file"}) {
		t.Errorf("left behind: %v", got)
	}
	if f, err = atomicfile.New(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Write(f, text("second")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("a new file has the mode that was asked for: %v, %v", info.Mode(), err)
	}
}

// A user who may write the directory, and not give the file its owner back, is told so instead of taking the file over.
func TestRewriteTakesNoFileOver(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs two users")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o777), os.WriteFile(path, []byte("old"), 0o666), os.Chmod(path, 0o666)); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- asUser(65534, func() error { return rewrite(path, "new") }) }()
	if err := <-done; err == nil || !strings.Contains(err.Error(), "belongs to another user or group") {
		t.Errorf("%v", err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "old" {
		t.Errorf("%q, %v", data, err)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"file"}) {
		t.Errorf("left behind: %v", got)
	}
}

// asUser does something as another user. Its thread ends with the goroutine, which keeps it locked.
func asUser(id int, do func() error) error {
	runtime.LockOSThread()
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, uintptr(id), uintptr(id), uintptr(id)); errno != 0 {
		return errno
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(id), uintptr(id), uintptr(id)); errno != 0 {
		return errno
	}
	return do()
}
