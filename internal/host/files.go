package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Content is a file that was named, or one of a directory that was.
type Content struct {
	Path    string // below the directory, with forward slashes; empty for a file that was named itself
	Data    []byte
	Program bool // it may be executed
}

// mostContents bounds the files of a directory.
const mostContents = 1000

// Files returns a file, or all files below a directory, of so many bytes together at most. Links to files are followed.
func Files(path string, limit int64) ([]Content, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, errors.Unwrap(err))
	}
	if !info.IsDir() {
		data, err := ReadFile(path, limit)
		return []Content{{Data: data, Program: info.Mode()&0o111 != 0}}, err
	}
	var out []Content
	err = filepath.WalkDir(path, func(at string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := os.Stat(at)
		if err != nil || info.IsDir() {
			return err
		}
		if len(out) == mostContents {
			return fmt.Errorf("reading %s: it has more than %d files", path, mostContents)
		}
		data, err := ReadFile(at, limit)
		if err != nil {
			return err
		}
		if limit -= int64(len(data)); limit < 0 {
			return fmt.Errorf("reading %s: its files are too large to be delivered", path)
		}
		name, err := filepath.Rel(path, at)
		out = append(out, Content{filepath.ToSlash(name), data, info.Mode()&0o111 != 0})
		return err
	})
	return out, err
}
