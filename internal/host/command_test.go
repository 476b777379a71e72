package host_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hsectl/hsectl/internal/host"
)

// patience is the time after which a test says that something hangs; what it waits for takes far less.
const patience = time.Minute

// within fails the test where what is done has not ended when patience is over.
func within(t *testing.T, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("%s hangs", what)
	}
}

// A context ends every kind of program, although a process that it has started holds its output and is in no group of its own.
func TestContextEndsPrograms(t *testing.T) {
	if _, err := exec.LookPath("setsid"); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	pids, ready := filepath.Join(dir, "pids"), filepath.Join(dir, "ready")
	if err := unix.Mkfifo(ready, 0o600); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, "git") // whatever is asked of it
	if err := os.WriteFile(script, []byte("#!/bin/sh\nsetsid sleep 600 &\necho $! >>"+pids+"\necho ready >"+ready+"\nwait\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	defer func() {
		text, _ := os.ReadFile(pids)
		for _, pid := range strings.Fields(string(text)) {
			_ = exec.Command("kill", pid).Run()
		}
	}()
	stop := errors.New("enough")
	for _, c := range []struct {
		what string
		run  func(ctx context.Context) error
	}{
		{"a command", func(ctx context.Context) error { _, err := host.Output(ctx, dir, []string{script}, 99); return err }},
		{"a hook", func(ctx context.Context) error {
			return host.Hook{Command: []string{script}, Dir: dir, Environment: os.Environ(), Timeout: time.Hour}.Run(ctx, func(string) {})
		}},
		{"git", func(ctx context.Context) error { _, err := host.OpenTree(ctx, dir, "main"); return err }},
		{"a program with its output", func(ctx context.Context) error {
			return host.Program{Command: []string{script}, Dir: dir}.Run(ctx, &bytes.Buffer{}, &bytes.Buffer{})
		}},
		{"a program with its group", func(ctx context.Context) error {
			return host.Program{Command: []string{script}, Dir: dir, Apart: true}.Run(ctx, &bytes.Buffer{}, nil)
		}},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		within(t, c.what, func() {
			go func() {
				_, _ = os.ReadFile(ready) // once the script has written to it
				cancel(stop)
			}()
			if err := c.run(ctx); !errors.Is(err, stop) {
				t.Errorf("%s: %v", c.what, err)
			}
		})
		cancel(nil)
	}
}

// What a program leaves behind does not undo its success, nor hide its failure.
func TestProgramsThatLeaveADaemon(t *testing.T) {
	for name, text := range map[string]string{"in its group": "sleep 600 &", "as a daemon": "setsid sleep 600 &"} {
		for _, status := range []string{"0", "3"} {
			t.Run(name+" and status "+status, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				script := filepath.Join(dir, "script")
				if err := os.WriteFile(script, []byte("#!/bin/sh\n"+text+"\necho $! >pid\necho done\nexit $1\n"), 0o755); err != nil {
					t.Fatal(err)
				}
				var lines []string
				within(t, "the hook", func() {
					err := host.Hook{Command: []string{script, status}, Dir: dir, Environment: os.Environ(), Timeout: time.Hour}.Run(t.Context(), func(line string) { lines = append(lines, line) })
					if status == "0" && err != nil || status != "0" && (err == nil || !strings.Contains(err.Error(), "exit status 3")) {
						t.Errorf("the hook: %v", err)
					}
				})
				if !slices.Equal(lines, []string{"done"}) {
					t.Errorf("the hook printed %q", lines)
				}
				end(t, dir)
				within(t, "the command", func() {
					out, err := host.Output(t.Context(), dir, []string{script, status}, 99)
					if status == "0" && (err != nil || string(out) != "done\n") || status != "0" && err == nil {
						t.Errorf("the command: %q, %v", out, err)
					}
				})
				end(t, dir)
			})
		}
	}
}

// end kills what a script has left.
func end(t *testing.T, dir string) {
	t.Helper()
	pid, err := os.ReadFile(filepath.Join(dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	_ = exec.Command("kill", strings.TrimSpace(string(pid))).Run() // it may have ended with its group
}

func TestOutputHasABound(t *testing.T) {
	for script, want := range map[string]string{
		"printf 1234567":                         "",
		"printf 12345678":                        "prints more than is allowed, which are 7 bytes",
		"while :; do echo 1234567890; done":      "prints more than is allowed, which are 7 bytes",
		"printf 1; exit 4":                       "exit status 4",
		"exec /missing":                          "exit status 127",
		"echo 'the secret is 12345' >&2; exit 1": "exit status 1",
	} {
		within(t, script, func() {
			out, err := host.Output(t.Context(), "/", []string{"sh", "-c", script}, 7)
			if want == "" && (err != nil || string(out) != "1234567") || want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "12345")) {
				t.Errorf("%s: %q, %v", script, out, err)
			}
		})
	}
	if _, err := host.Output(t.Context(), "/", []string{"no-such-program-here"}, 7); !host.NotInstalled(err) {
		t.Error(err)
	}
}
