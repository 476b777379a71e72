package main

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hsectl/hsectl/internal/engine/enginetest"
)

var updateScripts = flag.Bool("update-scripts", false, "rewrite the golden parts of the scripts")

// TestMain lets the scripts run hsectl as a process of its own: this test binary, called by that name.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"hsectl": main})
}

// The scripts are the command line as people use it, without an engine: files, commands and what they print, on one page each.
func TestScripts(t *testing.T) {
	repository, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	old := enginetest.New(t, enginetest.Old())
	watching := prometheus(t)
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join(repository, "testdata", "script"),
		UpdateScripts:       *updateScripts,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("REPOSITORY", repository)
			env.Setenv("OLD_ENGINE", old.Host())
			env.Setenv("PROMETHEUS", watching)
			env.Setenv("NO_ENGINE", "unix:///nonexistent.sock")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "unwritten": unwritten},
	})
}

// exits runs a program and wants its exit code: exits 2 hsectl lint.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGUMENTS...")
	}
	err, code := ts.Exec(args[1], args[2:]...), 0
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		code = failed.ExitCode()
	} else if err != nil {
		ts.Fatalf("running %s: %v", args[1], err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// unwritten wants a text in no file of the directories and in no output of the last command: unwritten hunter2 build.
func unwritten(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: unwritten TEXT DIRECTORIES...")
	}
	for _, stream := range []string{"stdout", "stderr"} {
		if strings.Contains(ts.ReadFile(stream), args[0]) {
			ts.Fatalf("%s shows %q", stream, args[0])
		}
	}
	for _, dir := range args[1:] {
		err := filepath.WalkDir(ts.MkAbs(dir), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			if data, err := os.ReadFile(path); err != nil || strings.Contains(string(data), args[0]) {
				ts.Fatalf("%s shows %q, or: %v", path, args[0], err)
			}
			return nil
		})
		ts.Check(err)
	}
}
