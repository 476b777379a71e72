package host

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Walk shows a directory and everything below it, each with its name relative to it; the directory itself, named ".",
// comes first, and fs.SkipAll ends the walk. No link leads out of the directory: links are shown as links.
func Walk(dir string, see func(*tar.Header, io.Reader) error) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("reading %s: %w", dir, err)
	}
	defer func() { _ = root.Close() }() // it was only read
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		h, err := tar.FileInfoHeader(info, "")
		if err != nil {
			return err
		}
		h.Name = name
		if !info.Mode().IsRegular() {
			return see(h, bytes.NewReader(nil))
		}
		f, err := root.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		return see(h, f)
	})
	if err != nil {
		return fmt.Errorf("reading %s: %w", dir, err)
	}
	return nil
}

// Newest returns a file, or the file of a directory that was written last, or nil when that has none.
func Newest(path string) (fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		return newest(path)
	}
	return info, err
}

// newest returns the file of a directory that was written last, or nil when it has none.
func newest(dir string) (fs.FileInfo, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out fs.FileInfo
	for _, entry := range entries {
		info, err := os.Stat(filepath.Join(dir, entry.Name()))
		if err != nil || !info.Mode().IsRegular() {
			continue // a link to nothing, or what was removed meanwhile
		}
		if out == nil || info.ModTime().After(out.ModTime()) {
			out = info
		}
	}
	return out, nil
}
