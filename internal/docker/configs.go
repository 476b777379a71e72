package docker

import (
	"archive/tar"
	"errors"
	"path"

	"github.com/hsectl/hsectl/internal/stack"
)

// packConfigs packs configuration files into a directory: their owner may read them, and nobody changes them.
func packConfigs(w *tar.Writer, dir string, owner stack.User, files []stack.ConfigFile) error {
	made := map[string]bool{".": true}
	var parents func(below string) error
	parents = func(below string) error {
		if made[below] {
			return nil
		}
		made[below] = true
		if err := parents(path.Dir(below)); err != nil {
			return err
		}
		return w.WriteHeader(&tar.Header{Name: path.Join(dir, below) + "/", Typeflag: tar.TypeDir, Mode: 0o555, Uid: owner.UID, Gid: owner.GID})
	}
	err := w.WriteHeader(&tar.Header{Name: dir + "/", Typeflag: tar.TypeDir, Mode: 0o555, Uid: owner.UID, Gid: owner.GID})
	for _, f := range files {
		err = errors.Join(err, parents(path.Dir(f.Path)), w.WriteHeader(&tar.Header{Name: path.Join(dir, f.Path), Mode: 0o444, Uid: owner.UID, Gid: owner.GID, Size: int64(len(f.Data))}))
		if err != nil {
			return err
		}
		if _, err := w.Write(f.Data); err != nil {
			return err
		}
	}
	return err
}
