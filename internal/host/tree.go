// Package host is the only door to the machine that hsectl runs on: its files, its processes, its git repositories.
// It decides nothing.
package host

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/atomicfile"
)

// fileMode is the mode of what is written for everyone to read.
const fileMode fs.FileMode = 0o644

// WriteTree writes files that hsectl makes into dir. All are written next to their places first, so that a failure then
// leaves what was there, and no reader ever sees half a file. A file that has its content already is left alone.
func WriteTree(dir string, files []generate.File) (err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the output directory: %w", err)
	}
	staged := map[string]*atomicfile.File{} // by the path that it is for
	defer func() {
		for _, f := range staged {
			err = errors.Join(err, f.Discard())
		}
	}()
	for _, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(f.Path))
		if info, err := os.Lstat(path); err == nil && info.IsDir() {
			return fmt.Errorf("replacing %s: a directory is in its place", f.Path)
		}
		if unchanged(path, f.Data) {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("making a directory for %s: %w", f.Path, err)
		}
		next, err := atomicfile.New(path, fileMode)
		if err == nil {
			staged[path] = next
			_, err = next.Write(f.Data)
		}
		if err != nil {
			return fmt.Errorf("writing %s: %w", f.Path, err)
		}
	}
	for _, f := range files {
		if next, ok := staged[filepath.Join(dir, filepath.FromSlash(f.Path))]; ok {
			if err := next.Commit(); err != nil {
				return fmt.Errorf("replacing %s: %w", f.Path, err)
			}
		}
	}
	return nil
}

// unchanged reports whether a file has these bytes and the mode that WriteTree gives.
func unchanged(path string, data []byte) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm() != fileMode || info.Size() != int64(len(data)) {
		return false
	}
	have, err := os.ReadFile(path)
	return err == nil && bytes.Equal(have, data)
}

// Rewrite writes a file that belongs to the user: one that exists keeps its mode, its owner and the link that leads to it.
func Rewrite(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("making a directory for %s: %w", path, err)
	}
	return WriteStream(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// WriteStream is Rewrite of a file that may be too large for memory.
func WriteStream(path string, write func(io.Writer) error) error {
	f, err := atomicfile.Rewrite(path, fileMode)
	if err == nil {
		err = atomicfile.Write(f, write)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// WriteNew writes a file that must not be there yet, with exactly these permissions.
func WriteNew(path string, data []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("writing a new file: %w", err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, errors.Join(err, os.Remove(path)))
	}
	return nil
}

// Stale returns the paths of the files that are missing in dir or differ.
func Stale(dir string, files []generate.File) ([]string, error) {
	var stale []string
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(f.Path)))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			stale = append(stale, f.Path)
		case err != nil:
			return nil, fmt.Errorf("comparing %s: %w", f.Path, err)
		case !bytes.Equal(data, f.Data):
			stale = append(stale, f.Path)
		}
	}
	return stale, nil
}
