package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ErrNoRepository is a directory that is in no git repository, as far as git says.
var ErrNoRepository = errors.New("no git repository")

// Tree is the files of one commit. Reading it does not touch the work tree, the index or any reference.
type Tree struct {
	dir    string
	commit string
	prefix string // from the top of the repository to dir, with a slash at its end, or empty
}

// OpenTree finds the commit that a revision names in the repository of dir. The error is fs.ErrNotExist when there is no
// such revision, ErrNoRepository when there is no repository, and RepositoryError when it cannot be read.
func OpenTree(ctx context.Context, dir, revision string) (*Tree, error) {
	t := &Tree{dir: dir}
	out, err := askGit(ctx, t.dir, nil, 1<<16, "rev-parse", "--show-prefix")
	if err != nil {
		return nil, &RepositoryError{What: revision, Err: fmt.Errorf("%w: %w", ErrNoRepository, err)}
	}
	t.prefix = strings.TrimSuffix(string(out), "\n")
	missing := &fs.PathError{Op: "open", Path: revision, Err: fs.ErrNotExist}
	out, err = askGit(ctx, t.dir, nil, 1<<16, "rev-parse", "--verify", "--quiet", "--end-of-options", revision)
	if errors.Is(err, errNo) {
		return nil, missing
	}
	if err != nil {
		return nil, &RepositoryError{What: revision, Err: err}
	}
	object := lastLine(out)
	out, err = askGit(ctx, t.dir, nil, 1<<16, "rev-parse", "--verify", "--quiet", object+"^{commit}")
	if err == nil {
		t.commit = lastLine(out)
		return t, nil
	}
	// It is no commit, or one that is not here.
	kind, err := askGit(ctx, t.dir, nil, 64, "cat-file", "-t", object)
	switch lastLine(kind) {
	case "tree", "blob":
		return nil, missing
	}
	if err == nil {
		err = errors.New("the commit of the tag is missing")
	}
	return nil, &RepositoryError{What: revision, Err: fmt.Errorf("object %s: %w", object, err)}
}

func lastLine(out []byte) string {
	text := strings.TrimSuffix(string(out), "\n")
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// Path returns a path relative to the directory of OpenTree as one from the top of the repository.
func (t *Tree) Path(relative string) string {
	return path.Join(t.prefix, filepath.ToSlash(relative))
}

// entry is one name of the commit.
type entry struct{ kind, object, path string }

// entries asks for names of the commit. What is not in it has no entry; what cannot be read is an error.
func (t *Tree) entries(ctx context.Context, what string, args ...string) ([]entry, error) {
	const longest = 32 << 20
	// Literal: a path is a path, never a pattern.
	out, err := askGit(ctx, t.dir, nil, longest, append([]string{"--literal-pathspecs", "ls-tree", "-z", "--full-tree"}, args...)...)
	if err != nil {
		return nil, &RepositoryError{What: what, Err: err}
	}
	var found []entry
	for line := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") { // <mode> SP <type> SP <object> TAB <path>
		head, name, ok := strings.Cut(line, "\t")
		if fields := strings.Fields(head); ok && len(fields) == 3 {
			found = append(found, entry{fields[1], fields[2], name})
		}
	}
	return found, nil
}

// find returns the entry of a path from the top of the repository, or fs.ErrNotExist.
func (t *Tree) find(ctx context.Context, name string) (entry, error) {
	missing := &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
	if name = path.Clean(name); !filepath.IsLocal(filepath.FromSlash(name)) {
		return entry{}, missing // it is outside the repository
	}
	if name == "." {
		return entry{kind: "tree", path: name}, nil
	}
	found, err := t.entries(ctx, name, t.commit, "--", name)
	if err != nil {
		return entry{}, err
	}
	if len(found) == 0 {
		return entry{}, missing
	}
	return found[0], nil
}

// ReadFile returns the file at a path from the top of the repository, or fs.ErrNotExist.
func (t *Tree) ReadFile(ctx context.Context, name string, limit int64) ([]byte, error) {
	e, err := t.find(ctx, name)
	switch {
	case err != nil:
		return nil, err
	case e.kind == "commit": // a submodule, whose files are elsewhere
		return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
	case e.kind != "blob":
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("is a directory, not a file")}
	}
	out, err := askGit(ctx, t.dir, nil, limit, "cat-file", "blob", e.object)
	switch {
	case errors.Is(err, errTooLarge):
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	case err != nil:
		return nil, &RepositoryError{What: name, Err: err}
	}
	return out, nil
}

// IsDir reports whether the path is a directory of the commit. An empty path is the whole.
func (t *Tree) IsDir(ctx context.Context, name string) (bool, error) {
	e, err := t.find(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return e.kind == "tree", err
}

// files returns the entries of all files below a directory of the commit.
func (t *Tree) files(ctx context.Context, dir string) ([]entry, error) {
	args := []string{"-r", t.commit}
	if dir != "" && dir != "." {
		args = append(args, "--", dir+"/")
	}
	found, err := t.entries(ctx, path.Join(".", dir), args...)
	return slices.DeleteFunc(found, func(e entry) bool { return e.kind != "blob" }), err
}

// List returns the paths of all files below a directory of the commit, relative to it.
func (t *Tree) List(ctx context.Context, dir string) ([]string, error) {
	found, err := t.files(ctx, dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range found {
		if dir != "" && dir != "." {
			e.path = strings.TrimPrefix(e.path, dir+"/")
		}
		out = append(out, e.path)
	}
	return out, nil
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
func (t *Tree) Export(ctx context.Context, dir string, want func(path string) bool) error {
	found, err := t.files(ctx, "")
	if err != nil {
		return err
	}
	found = slices.DeleteFunc(found, func(e entry) bool { return !want(e.path) })
	if len(found) > maxExported {
		return fmt.Errorf("the commit has %d such files, more than the %d that are read", len(found), maxExported)
	}
	var names strings.Builder
	for _, e := range found {
		names.WriteString(e.object + "\n")
	}
	out, err := askGit(ctx, t.dir, strings.NewReader(names.String()), maxExportedBytes, "cat-file", "--batch")
	if errors.Is(err, errTooLarge) {
		return fmt.Errorf("the files of the commit have more than %d bytes together", maxExportedBytes)
	}
	if err != nil {
		return &RepositoryError{What: t.commit, Err: err}
	}
	for _, e := range found { // <object> SP blob SP <size> LF <contents> LF
		head, rest, _ := bytes.Cut(out, []byte("\n"))
		fields := strings.Fields(string(head))
		if len(fields) != 3 {
			return &RepositoryError{What: e.path, Err: fmt.Errorf("git says: %s", head)}
		}
		size, err := strconv.Atoi(fields[2])
		if err != nil || size < 0 || size >= len(rest) {
			return &RepositoryError{What: e.path, Err: fmt.Errorf("git says: %s, and sends less", head)}
		}
		out = rest[size+1:]
		if err := writeBelow(dir, e.path, rest[:size]); err != nil {
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
