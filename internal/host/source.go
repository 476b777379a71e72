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
		return SourceFile{}, fmt.Errorf("looking at the file of a secret: %w", err)
	}
	owner, _, ok := Owner(info)
	if !ok {
		return SourceFile{}, fmt.Errorf("looking at the file of a secret: this system does not tell who owns %s", path)
	}
	dir, name := filepath.Split(path)
	inRepository := git(ctx, filepath.Clean(dir), "rev-parse", "--is-inside-work-tree") == "true"
	return SourceFile{Mode: int(info.Mode().Perm()), Owner: owner, Kept: inRepository && git(ctx, filepath.Clean(dir), "check-ignore", "--", name) == ""}, nil
}
