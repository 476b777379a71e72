package host_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hsectl/hsectl/internal/host"
)

// A hook runs in its directory with the environment that it is given and no other; both its streams are passed on.
func TestHook(t *testing.T) {
	t.Setenv("NOT_FOR_HOOKS", "secret")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tell"), []byte("#!/bin/sh\necho \"$1 from $HSECTL_HOOK_STACK in $(pwd)$NOT_FOR_HOOKS\"\necho trouble >&2\nprintf unended\nexit $2\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	for status, want := range map[string]string{"0": "", "3": "exit status 3"} {
		var lines []string
		err := host.Hook{Command: []string{"./tell", "a b", status}, Dir: dir, Environment: []string{"HSECTL_HOOK_STACK=shop", "PATH=" + os.Getenv("PATH")}, Timeout: time.Minute}.
			Run(t.Context(), func(line string) { lines = append(lines, line) })
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("status %s: %v", status, err)
		}
		if !slices.Equal(lines, []string{"a b from shop in " + real, "trouble", "unended"}) {
			t.Errorf("it printed %q", lines)
		}
	}
}

// A hook that does not end is ended, with everything that it has started and although it holds on to its output.
func TestHookThatDoesNotEnd(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "hang"), []byte("#!/bin/sh\nsleep 600 &\necho $!\nwait\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	child := -1 // what it started, as a file that can be read once that has ended
	hook := host.Hook{Command: []string{"./hang"}, Dir: dir, Environment: os.Environ(), Timeout: 300 * time.Millisecond}
	err := hook.Run(t.Context(), func(line string) {
		pid, err := strconv.Atoi(line)
		if err == nil {
			child, err = unix.PidfdOpen(pid, 0)
		}
		if err != nil {
			t.Error(err)
		}
	})
	if err == nil || !strings.Contains(err.Error(), "did not end within 300ms") {
		t.Error(err)
	}
	if child >= 0 { // on a busy machine it was ended before it could tell
		defer unix.Close(child)
		n, err := 0, error(unix.EINTR)
		for errors.Is(err, unix.EINTR) { // the runtime's own signals
			n, err = unix.Poll([]unix.PollFd{{Fd: int32(child), Events: unix.POLLIN}}, 60_000)
		}
		if n != 1 {
			t.Errorf("what it started still runs: %v", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	hook.Timeout = time.Hour
	if err := hook.Run(ctx, func(string) { cancel() }); err == nil {
		t.Error("it was not interrupted")
	}
	if err := (host.Hook{Command: []string{"./missing"}, Dir: dir, Timeout: time.Minute}).Run(t.Context(), func(string) {}); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("a program that is not there: %v", err)
	}
}
