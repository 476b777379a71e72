//go:build unix

package atomicfile

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/renameio/v2"
)

// begin makes the file in its directory, from where it can be renamed.
func begin(path string, mode fs.FileMode) (*os.File, pending, error) {
	f, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(mode))
	if err != nil {
		return nil, nil, err
	}
	return f.File, f, nil
}

// own gives a file the owner, the group and the mode of another one.
func own(f *os.File, as fs.FileInfo) error {
	made, err := f.Stat()
	if err != nil {
		return err
	}
	was, is := as.Sys().(*syscall.Stat_t), made.Sys().(*syscall.Stat_t)
	if was.Uid == is.Uid && was.Gid == is.Gid {
		return nil
	}
	if err := f.Chown(int(was.Uid), int(was.Gid)); err != nil {
		return err
	}
	return f.Chmod(as.Mode().Perm())
}
