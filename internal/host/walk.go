package host

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
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
