//go:build linux

package place

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hsectl/hsectl/internal/verify"
	"github.com/hsectl/hsectl/internal/verify/kernel"
)

// lay writes a file of a container.
func lay(t *testing.T, root, name, text string) {
	t.Helper()
	at := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// walked is what is found in a place below a directory that stands for a container's root.
func walked(t *testing.T, root string, left int) ([]verify.Special, error) {
	t.Helper()
	var out []verify.Special
	w := walk{left: left, until: time.Now().Add(time.Minute)}
	err := w.from(root, "/data", func(at string, s unix.Stat_t, dir int, name string) {
		if found, is := special(verify.WritablePlace{Path: "/data", Rights: true, Devices: true}, at, s, dir, name); is {
			out = append(out, found)
		}
	})
	return out, err
}

// What gives rights is found however deep it lies; links lead nowhere.
func TestWalkFindsWhatGivesRights(t *testing.T) {
	root := t.TempDir()
	lay(t, root, "data/a/b/c/plain", "x")
	lay(t, root, "data/a/b/c/tool", "x")
	lay(t, root, "outside/tool", "x")
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.Chdir(here) }() // the walk has left it
	for _, name := range []string{"data/a/b/c/tool", "outside/tool"} {
		if err := os.Chmod(filepath.Join(root, name), 0o755|os.ModeSetuid); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(root, "outside"), filepath.Join(root, "data/link")); err != nil {
		t.Fatal(err)
	}
	found, err := walked(t, root, 100)
	if err != nil || len(found) != 1 || found[0].Path != "/data/a/b/c/tool" || found[0].Mode&0o7777 != 0o4755 {
		t.Errorf("%+v, %v", found, err)
	}
	if os.Geteuid() != 0 {
		t.Skip("capabilities of files are root's to give")
	}
	// CAP_NET_RAW, permitted, in the form of version 2 (capabilities(7)).
	value := []byte{1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	lay(t, root, "data/ping", "x")
	if err := os.Chmod(filepath.Join(root, "data/ping"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setxattr(filepath.Join(root, "data/ping"), "security.capability", value, 0); err != nil {
		t.Skipf("this file system keeps no capabilities: %v", err)
	}
	if found, err = walked(t, root, 100); err != nil || !slices.ContainsFunc(found, func(s verify.Special) bool { return s.Path == "/data/ping" && s.Capabilities }) {
		t.Errorf("%+v, %v", found, err)
	}
}

// A walk ends, and says when it has not seen everything: by files, by depth, by time.
func TestWalkIsBounded(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for i := range 20 {
		lay(t, root, fmt.Sprintf("data/%d", i), "x")
	}
	if _, err := walked(t, root, 20); err != nil {
		t.Error(err)
	}
	if _, err := walked(t, root, 19); err == nil || !strings.Contains(err.Error(), "more files") {
		t.Errorf("too many files: %v", err)
	}
	if err := os.MkdirAll(filepath.Join(root, "data", strings.Repeat("d/", maxDepth+2)), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := walked(t, root, 1000); err == nil || !strings.Contains(err.Error(), "deeper") {
		t.Errorf("too deep: %v", err)
	}
	lay(t, root, "slow/file", "x")
	w := walk{left: 1000}
	if err := w.from(root, "/slow", func(string, unix.Stat_t, int, string) {}); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("no time: %v", err)
	}
}

// A kernel answers every question, and what it says of this machine's network can be read.
func TestWires(t *testing.T) {
	t.Parallel()
	answers, err := Wires()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (kernel.Wiring{}).Strange(answers); err != nil {
		t.Error(err)
	}
	for name := range kernel.Questions() {
		if _, ok := answers[name]; !ok {
			t.Errorf("%s is not answered", name)
		}
	}
}

// The files of names leave without what is no name, and a file that is too long not at all.
func TestNamesAreReduced(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	lay(t, root, "etc/hosts", "127.0.0.1 localhost # hunter2\npassword hunter2\n")
	lay(t, root, "etc/resolv.conf", "nameserver 127.0.0.11\n")
	lay(t, root, "etc/hostname", strings.Repeat("x", maxNamesBytes+1))
	lay(t, root, "proc/7/root/engine/resolv.conf.hash", "sha256:b2b38e4d2e2a0a6a1e2d0a0a6b2a3d1f\n")
	noted := 0
	files, sum := Names(root, func(string, ...any) { noted++ })
	if _, ok := files[kernel.HostnameFile]; ok || noted != 1 || files[kernel.HostsFile] != "127.0.0.1 localhost\n?\n" {
		t.Errorf("noted %d times: %q", noted, files)
	}
	if _, own := Recorded(filepath.Join(root, "proc/7/root"), "/engine/resolv.conf", sum); own {
		t.Error("another file is taken for the engine's own")
	}
	lay(t, root, "proc/7/root/engine/resolv.conf.hash", sum+"\n")
	if _, own := Recorded(filepath.Join(root, "proc/7/root"), "/engine/resolv.conf", sum); !own {
		t.Error("the engine's own file is not recognised")
	}
}
