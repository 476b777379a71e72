package host

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// WriteStream writes a file that is too large for memory. It appears under its name when it is whole.
func WriteStream(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".hsectl-*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	err = write(f)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, errors.Join(err, os.RemoveAll(f.Name())))
	}
	return nil
}
