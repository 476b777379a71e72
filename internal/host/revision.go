package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// gitTimeout bounds one question to git.
const gitTimeout = 20 * time.Second

var errTooLarge = errors.New("has more than is allowed")

// Tree is the files of one commit. Reading it does not touch the work tree, the index or any reference.
type Tree struct {
	ctx    context.Context
	dir    string
	commit string
	input  io.Reader // of the next call; nil for none
	prefix string    // from the top of the repository to dir, with a slash at its end, or empty
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
	switch {
	case errors.Is(err, errTooLarge):
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	case err != nil:
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

// Top is the directory of this machine that holds the work tree.
func (t *Tree) Top() (string, error) {
	dir, err := filepath.Abs(t.dir)
	if err != nil {
		return "", fmt.Errorf("finding the repository: %w", err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(dir+"/", t.prefix), "/"), nil
}

// Bounds on what Export writes.
const (
	maxExported      = 4096
	maxExportedBytes = 64 << 20
)

// Export writes the files of the commit that are wanted below dir, by one call of git.
func (t *Tree) Export(dir string, want func(path string) bool) error {
	paths, err := t.List("")
	if err != nil {
		return err
	}
	paths = slices.DeleteFunc(paths, func(p string) bool { return strings.ContainsAny(p, "\n\r") || !want(p) })
	if len(paths) > maxExported {
		return fmt.Errorf("the commit has %d such files, more than the %d that are read", len(paths), maxExported)
	}
	var names strings.Builder
	for _, p := range paths {
		fmt.Fprintf(&names, "%s:%s\n", t.commit, p)
	}
	t.input = strings.NewReader(names.String())
	out, err := t.git(maxExportedBytes, "cat-file", "--batch")
	t.input = nil
	if err != nil {
		return err
	}
	for _, p := range paths { // <object> SP blob SP <size> LF <contents> LF
		head, rest, _ := bytes.Cut(out, []byte("\n"))
		fields := strings.Fields(string(head))
		if len(fields) != 3 {
			return fmt.Errorf("git says %q of %s", head, p)
		}
		size, err := strconv.Atoi(fields[2])
		if err != nil || size < 0 || size >= len(rest) {
			return fmt.Errorf("the files of the commit have more than %d bytes together", maxExportedBytes)
		}
		out = rest[size+1:]
		if fields[1] != "blob" {
			continue // a submodule
		}
		if err := writeBelow(dir, p, rest[:size]); err != nil {
			return err
		}
	}
	return nil
}

// writeBelow writes one file below dir, whatever its path says.
func writeBelow(dir, name string, data []byte) error {
	if !filepath.IsLocal(name) {
		return fmt.Errorf("writing %s: it is not a path within the repository", name)
	}
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

func (t *Tree) git(limit int64, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(t.ctx, gitTimeout)
	defer cancel()
	// Literal: a path is a path, never a pattern.
	cmd := exec.CommandContext(ctx, "git", append([]string{"--literal-pathspecs", "-C", t.dir}, args...)...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	if t.input != nil {
		cmd.Stdin = t.input
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("asking git: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting git: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(out, limit+1))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reading from git: %w", err), cmd.Wait())
	}
	if int64(len(data)) > limit {
		cancel()
		_ = cmd.Wait()
		return nil, fmt.Errorf("%w, which are %d bytes", errTooLarge, limit)
	}
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("asking git: %s", strings.TrimPrefix(strings.TrimSpace(complaint.String()), "fatal: "))
	}
	return data, nil
}
