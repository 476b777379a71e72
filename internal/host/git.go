package host

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"time"
)

// Revision is what git knows about the sources of a directory.
type Revision struct {
	Commit  string // with -dirty when files in the directory differ from it
	Source  string // address of the remote origin, without credentials
	Created time.Time
}

// GitRevision asks git about a directory. Outside a repository, or without git, everything is empty.
func GitRevision(ctx context.Context, dir string) Revision {
	var r Revision
	r.Commit = git(ctx, dir, "rev-parse", "HEAD")
	if r.Commit == "" {
		return r
	}
	if t, err := time.Parse(time.RFC3339, git(ctx, dir, "show", "-s", "--format=%cI", "HEAD")); err == nil {
		r.Created = t
	}
	if git(ctx, dir, "status", "--porcelain", "--", ".") != "" {
		r.Commit += "-dirty"
	}
	r.Source = withoutCredentials(git(ctx, dir, "remote", "get-url", "origin"))
	return r
}

func git(ctx context.Context, dir string, args ...string) string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...)
	var out bytes.Buffer
	cmd.Stdout = &out
	if cmd.Run() != nil {
		return ""
	}
	return strings.TrimSpace(out.String())
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
