package host

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ReadFile reads a regular file of at most limit bytes. A larger one is an error, never cut short. Devices, pipes, sockets and
// directories are refused before they are opened: reading one may block, never end, or change something.
func ReadFile(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, &fs.PathError{Op: "open", Path: path, Err: failed.Err}
	}
	if err != nil {
		return nil, err
	}
	if err := readable(path, info, limit); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe put in its place meanwhile does not block either
	if err != nil {
		return nil, err
	}
	return readAll(f, path, limit)
}

// Below reads files of one directory, and of those in it, only.
type Below struct {
	dir  string // absolute
	hint string
}

// NewBelow returns a reader of the files below dir. The hint ends the message about any other file.
func NewBelow(dir, hint string) (Below, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return Below{}, fmt.Errorf("finding the directory of the files: %w", err)
	}
	return Below{abs, hint}, nil
}

// ErrOutside is a file that is not below the directory that may be read, or that a link leads away from there.
var ErrOutside = errors.New("is outside the tree")

// ReadFile is ReadFile for a file below the directory. No link, neither of the file nor of a directory on the way, leads out of it.
func (b Below) ReadFile(path string, limit int64) ([]byte, error) {
	name, err := b.Name(path)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(b.dir)
	if err != nil {
		return nil, fmt.Errorf("opening the tree: %w", err)
	}
	defer func() { _ = root.Close() }() // it was only read
	info, err := root.Stat(name)
	if err != nil {
		return nil, b.named(path, name, err)
	}
	if err := readable(path, info, limit); err != nil {
		return nil, err
	}
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, b.named(path, name, err)
	}
	return readAll(f, path, limit)
}

// Name returns a path relative to the directory, or an error for one that is not below it.
func (b Below) Name(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("finding %s: %w", path, err)
	}
	name, err := filepath.Rel(b.dir, abs)
	if err != nil || !filepath.IsLocal(name) {
		return "", b.outside(path)
	}
	return name, nil
}

// Holds reports whether a path, and all that links on it lead to, is below the directory. What does not exist is judged by its name.
func (b Below) Holds(path string) bool {
	name, err := b.Name(path)
	if err != nil {
		return false
	}
	root, err := os.OpenRoot(b.dir)
	if err != nil {
		return false
	}
	defer func() { _ = root.Close() }() // it was only read
	_, err = root.Stat(name)
	return err == nil || errors.Is(err, fs.ErrNotExist)
}

func (b Below) outside(path string) error {
	err := fmt.Errorf("%w %s", ErrOutside, b.dir)
	if b.hint != "" {
		err = fmt.Errorf("%w; %s", err, b.hint)
	}
	if _, missing := os.Lstat(path); errors.Is(missing, fs.ErrNotExist) {
		err = &missingError{err}
	}
	return &fs.PathError{Op: "read", Path: path, Err: err}
}

// missingError is an error about a file that does not exist, either.
type missingError struct{ error }

// Is reports whether an error is fs.ErrNotExist.
func (*missingError) Is(target error) bool { return target == fs.ErrNotExist }

// Unwrap returns what is wrong otherwise.
func (e *missingError) Unwrap() error { return e.error }

// named returns an error of the tree with the path as it was asked for.
func (b Below) named(path, name string, err error) error {
	if strings.Contains(err.Error(), "path escapes from parent") { // the error of os.Root has no value of its own
		return b.outside(path)
	}
	if inner, ok := errors.AsType[*fs.PathError](err); ok && inner.Path == name {
		return &fs.PathError{Op: "open", Path: path, Err: inner.Err}
	}
	return err
}

// readable refuses what is no regular file, and what is too large, before it is opened.
func readable(path string, info fs.FileInfo, limit int64) error {
	if !info.Mode().IsRegular() {
		return &fs.PathError{Op: "read", Path: path, Err: errors.New("is " + kind(info.Mode()) + ", not a file")}
	}
	if info.Size() > limit {
		return &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("has %d bytes, more than the %d allowed", info.Size(), limit)}
	}
	return nil
}

func kind(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeDevice != 0:
		return "a device"
	}
	return "a special file"
}

// readAll reads an open file to its end, and closes it. Files of the kernel have no size before they are read.
func readAll(f *os.File, path string, limit int64) ([]byte, error) {
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := readable(path, info, limit); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("has more than the %d bytes allowed", limit)}
	}
	return data, nil
}
