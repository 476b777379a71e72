package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// gitTimeout bounds one question to git.
const gitTimeout = 20 * time.Second

// RepositoryError is a git repository that cannot be read: what was asked for may be in it.
type RepositoryError struct {
	What string // that was asked for
	Err  error
}

// Error implements error.
func (e *RepositoryError) Error() string {
	return fmt.Sprintf("reading %s from git: %v", e.What, e.Err)
}

// Unwrap returns what git says.
func (e *RepositoryError) Unwrap() error { return e.Err }

// errNo is an answer of git: the exit status 1 without a complaint means no.
var errNo = errors.New("no")

// askGit asks git about a directory, and returns its answer of at most limit bytes. It never asks the user for anything, and
// does not touch the index.
func askGit(ctx context.Context, dir string, input io.Reader, limit int64, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, gitTimeout, fmt.Errorf("git did not answer within %s", gitTimeout))
	defer cancel()
	var complaint bytes.Buffer
	out, err := Program{
		Command:     append([]string{"git", "-C", dir}, args...),
		Environment: append(os.Environ(), "LC_ALL=C", "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0"),
		Input:       input,
	}.Output(ctx, limit, &complaint)
	text := strings.TrimSpace(complaint.String())
	exit, ended := errors.AsType[*exec.ExitError](err)
	switch {
	case ended && exit.ExitCode() == 1 && text == "":
		return nil, errNo
	case ended && text != "":
		text, _, _ = strings.Cut(text, "\n")
		return nil, fmt.Errorf("git says: %s", strings.TrimPrefix(strings.TrimPrefix(text, "fatal: "), "error: "))
	}
	return out, err
}

// Revision is what git knows about the sources of a directory.
type Revision struct {
	Commit  string // with -dirty unless the files in the directory are known to equal it
	Source  string // address of the remote origin, without credentials
	Created time.Time
}

// GitRevision asks git about a directory. Outside a repository, or without git, everything is empty.
func GitRevision(ctx context.Context, dir string) Revision {
	line := func(args ...string) (string, error) {
		out, err := askGit(ctx, dir, nil, 1<<20, args...)
		return strings.TrimSpace(string(out)), err
	}
	commit, err := line("rev-parse", "HEAD")
	if err != nil {
		return Revision{}
	}
	r := Revision{Commit: commit}
	if text, err := line("show", "-s", "--format=%cI", "HEAD"); err == nil {
		r.Created, _ = time.Parse(time.RFC3339, text) // unknown otherwise
	}
	if changed, err := line("status", "--porcelain", "--", "."); err != nil || changed != "" {
		r.Commit += "-dirty"
	}
	if origin, err := line("remote", "get-url", "origin"); err == nil {
		r.Source = withoutCredentials(origin)
	}
	return r
}

// withoutCredentials drops user and password from an address: https://user:token@host/x becomes https://host/x.
func withoutCredentials(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return address
	}
	authority, path, hasPath := strings.Cut(rest, "/")
	authority = authority[strings.LastIndexByte(authority, '@')+1:]
	if hasPath {
		path = "/" + path
	}
	return scheme + "://" + authority + path
}

// Tracked reports whether a file is known to be in the repository around it.
func Tracked(ctx context.Context, path string) bool {
	dir, name := filepath.Split(path)
	out, err := askGit(ctx, filepath.Clean(dir), nil, 1<<16, "--literal-pathspecs", "ls-files", "--error-unmatch", "--", name)
	return err == nil && len(out) > 0
}
