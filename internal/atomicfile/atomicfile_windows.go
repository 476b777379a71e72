package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// renamed is a file that is renamed into its place, as far as Windows lets it: renameio, which writes files elsewhere, does
// not promise anything here.
type renamed struct {
	*os.File
	path string
	done bool
}

func begin(path string, _ fs.FileMode) (*os.File, pending, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, nil, err
	}
	return f, &renamed{File: f, path: path}, nil
}

// CloseAtomicallyReplace puts it into its place.
func (r *renamed) CloseAtomicallyReplace() error {
	if err := errors.Join(r.Sync(), r.Close()); err != nil {
		return err
	}
	err := os.Rename(r.Name(), r.path)
	r.done = err == nil
	return err
}

// Cleanup removes it unless it is in its place.
func (r *renamed) Cleanup() error {
	if r.done {
		return nil
	}
	_ = r.Close() // it may be closed
	return os.Remove(r.Name())
}

// own leaves it to the directory whose a file is.
func own(*os.File, fs.FileInfo) error { return nil }
