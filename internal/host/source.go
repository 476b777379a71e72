package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// SourceFile is a file that a secret comes from.
type SourceFile struct {
	Missing bool
	Mode    int
	Owner   int
	Kept    bool // in a git repository that does not ignore it
}

// Source looks at the file of a secret, not at what is in it.
func Source(ctx context.Context, path string) (SourceFile, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return SourceFile{Missing: true}, nil
	}
	if err != nil {
		return SourceFile{}, fmt.Errorf("inspecting the file of a secret: %w", err)
	}
	owner, _, ok := Owner(info)
	if !ok {
		return SourceFile{}, fmt.Errorf("inspecting the file of a secret: this system does not report the owner of %s", path)
	}
	kept, err := kept(ctx, path)
	return SourceFile{Mode: int(info.Mode().Perm()), Owner: owner, Kept: kept}, err
}

// kept reports whether a file is in a git repository that does not ignore it.
func kept(ctx context.Context, path string) (bool, error) {
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return false, fmt.Errorf("inspecting the file of a secret: %w", err)
	}
	if _, ok := repository(dir); !ok {
		return false, nil
	}
	_, err = askGit(ctx, dir, nil, 1<<16, "check-ignore", "--quiet", "--", filepath.Base(path))
	if errors.Is(err, errNo) {
		return true, nil
	}
	if err != nil {
		return false, &RepositoryError{What: "what it ignores", Err: err}
	}
	return false, nil
}

// SourceRoot returns the root of the git repository that a directory is in, or the directory itself.
func SourceRoot(dir string) string {
	if root, ok := repository(dir); ok {
		return root
	}
	return dir
}

func repository(dir string) (string, bool) {
	for above := dir; ; above = filepath.Dir(above) {
		if _, err := os.Lstat(filepath.Join(above, ".git")); err == nil {
			return above, true
		}
		if above == filepath.Dir(above) {
			return "", false
		}
	}
}
