// Package atomicfile writes files so that each is there as a whole, on the disk, or as it was before.
package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// File is the new content of a file, which takes its place when it is committed. The caller that begins one discards it.
type File struct {
	*os.File
	content pending
}

// pending is what a system makes of it.
type pending interface {
	CloseAtomicallyReplace() error
	Cleanup() error
}

// New begins a file that gets exactly this mode, whatever is in its place.
func New(path string, mode fs.FileMode) (*File, error) {
	f, content, err := begin(path, mode)
	if err != nil {
		return nil, err
	}
	return &File{f, content}, nil
}

// Rewrite begins the new content of a file that keeps its mode, its owner and its group, and stays behind the link that
// leads to it. The mode is that of a file that does not exist yet.
func Rewrite(path string, mode fs.FileMode) (*File, error) {
	info, err := os.Lstat(path)
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return nil, fmt.Errorf("following a link: %w", err)
		}
		info, err = os.Lstat(path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return New(path, mode)
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, &fs.PathError{Op: "replace", Path: path, Err: errors.New("a directory is in its place")}
	case !info.Mode().IsRegular():
		return nil, &fs.PathError{Op: "replace", Path: path, Err: errors.New("it is not a regular file")}
	}
	f, err := New(path, info.Mode().Perm())
	if err != nil {
		return nil, err
	}
	if err := own(f.File, info); err != nil {
		return nil, errors.Join(fmt.Errorf("%s belongs to another user or group, and this user cannot write it without changing that: %w", path, err), f.Discard())
	}
	return f, nil
}

// Commit puts the content into its place, once it is on the disk.
func (f *File) Commit() error { return f.content.CloseAtomicallyReplace() }

// Discard removes what was not committed.
func (f *File) Discard() error { return f.content.Cleanup() }

// Write writes all of a file: what write leaves unfinished, by an error, changes nothing.
func Write(f *File, write func(io.Writer) error) error {
	err := write(f)
	if err == nil {
		err = f.Commit()
	}
	if err != nil {
		return errors.Join(err, f.Discard())
	}
	return nil
}
