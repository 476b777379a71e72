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

// WriteNew writes a file that must not be there yet, with exactly these permissions.
func WriteNew(path string, data []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("writing a new file: %w", err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(mode), f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, errors.Join(err, os.Remove(path)))
	}
	return nil
}
