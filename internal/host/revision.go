package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// gitTimeout bounds one question to git.
const gitTimeout = 20 * time.Second

// Tree is the files of one commit. Reading it does not touch the work tree, the index or any reference.
type Tree struct {
	ctx    context.Context
	dir    string
	commit string
	prefix string // from the top of the repository to dir, with a slash at its end, or empty
}

// OpenTree finds the commit that a revision names in the repository of dir. The error is fs.ErrNotExist when there is
// no such revision, or no repository.
func OpenTree(ctx context.Context, dir, revision string) (*Tree, error) {
	t := &Tree{ctx: ctx, dir: dir}
	out, err := t.git(1<<16, "rev-parse", "--show-prefix", "--verify", "--end-of-options", revision+"^{commit}")
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: revision, Err: errors.Join(fs.ErrNotExist, err)}
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	t.commit = lines[len(lines)-1]
	if len(lines) > 1 {
		t.prefix = lines[0]
	}
	return t, nil
}

// Path returns a path relative to the directory of OpenTree as one from the top of the repository.
func (t *Tree) Path(relative string) string {
	return path.Join(t.prefix, filepath.ToSlash(relative))
}

// ReadFile returns the file at a path from the top of the repository, or fs.ErrNotExist.
func (t *Tree) ReadFile(name string, limit int64) ([]byte, error) {
	out, err := t.git(limit, "cat-file", "blob", t.commit+":"+name)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.Join(fs.ErrNotExist, err)}
	}
	return out, nil
}

// IsDir reports whether the path is a directory of the commit. An empty path is the whole.
func (t *Tree) IsDir(name string) bool {
	out, err := t.git(64, "cat-file", "-t", t.commit+":"+name)
	return err == nil && strings.TrimSpace(string(out)) == "tree"
}

// maxListing bounds the listing of a commit's files.
const maxListing = 32 << 20

// List returns the paths of all files below a directory of the commit, from the top of the repository.
func (t *Tree) List(dir string) ([]string, error) {
	args := []string{"ls-tree", "-r", "-z", "--name-only", "--full-tree", t.commit}
	if dir != "" && dir != "." {
		args = append(args, "--", dir+"/")
	}
	out, err := t.git(maxListing, args...)
	if err != nil {
		return nil, err
	}
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == 0 }), nil
}

func (t *Tree) git(limit int64, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(t.ctx, gitTimeout)
	defer cancel()
	// Literal: a path is a path, never a pattern.
	cmd := exec.CommandContext(ctx, "git", append([]string{"--literal-pathspecs", "-C", t.dir}, args...)...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("asking git: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting git: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(out, limit))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reading from git: %w", err), cmd.Wait())
	}
	if int64(len(data)) == limit {
		cancel() // whoever wants no more gets no more
		_ = cmd.Wait()
		return data, nil
	}
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("asking git: %s", strings.TrimPrefix(strings.TrimSpace(complaint.String()), "fatal: "))
	}
	return data, nil
}
