package records

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/moby/moby/api/types/volume"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/deploy/datadir"
	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/volumes"
	"github.com/hsectl/hsectl/internal/stack"
)

// Walk shows a directory of this machine and everything below it, each with its name relative to it; the directory
// itself, named ".", comes first, and fs.SkipAll ends it.
type Walk func(dir string, see func(*tar.Header, io.Reader) error) error

// ReadLocally lets the engine's volumes be read as directories of this machine, where it is surely they. The archive API
// starts a process of the engine for each question.
func (st *Store) ReadLocally(walk Walk) { st.walk = walk }

// errRemote says that volumes are not directories of this machine.
var errRemote = errors.New("the volumes are not on this machine")

// isLocal tells whether the engine's volumes are directories of this machine. The engine says of a volume that hsectl made when
// its root was changed last, to the nanosecond; so must the directory. Ids of users are the same, since what the engine made
// belongs to root.
func (st *Store) isLocal(ctx context.Context, s *Contents) bool {
	journal, known := s.all[JournalVolume(s.stack)]
	if _, local := st.engine.Socket(); !local || st.walk == nil || !known {
		return false
	}
	if own, err := st.localRoot(journal); err != nil || own.Uid != 0 || own.Gid != 0 {
		return false
	}
	same := func(id, at string, v volume.Volume) bool {
		there, err := st.engine.API.ContainerStatPath(ctx, id, client.ContainerStatPathOptions{Path: at})
		if err != nil {
			return false
		}
		here, err := st.localRoot(v)
		return err == nil && here.ModTime.Equal(there.Stat.Mtime)
	}
	list, err := st.engine.API.ContainerList(ctx, client.ContainerListOptions{Filters: make(client.Filters).Add("label", engine.ComposeProject+"="+s.stack)})
	if err != nil {
		return false
	}
	for _, c := range list.Items {
		for _, m := range c.Mounts {
			if v, ok := s.all[m.Name]; ok && v.Labels[engine.LabelStack] == s.stack { // hsectl made it, and no container changes it
				return same(c.ID, m.Destination, v)
			}
		}
	}
	yes := false
	err = st.volumes.Mounted(ctx, map[string]string{volumes.MountPoint: journal.Name}, func(id string) error {
		yes = same(id, volumes.MountPoint, journal)
		return nil
	})
	return err == nil && yes
}

// localRoot returns the root of a volume as this machine sees it.
func (st *Store) localRoot(v volume.Volume) (root tar.Header, err error) {
	if v.Driver != "local" || len(v.Options) > 0 || v.Mountpoint == "" {
		return root, errRemote
	}
	err = st.walk(v.Mountpoint, func(h *tar.Header, _ io.Reader) error {
		root = *h
		return fs.SkipAll
	})
	if err == nil && root.Typeflag != tar.TypeDir {
		err = fmt.Errorf("%s is not a directory", v.Mountpoint)
	}
	return root, err
}

// filled tells whether a file of a volume has content. One whose files come and go while they are looked at has.
func (st *Store) filled(v volume.Volume) (yes, snapshot bool, version string) {
	err := st.walk(v.Mountpoint, func(h *tar.Header, content io.Reader) error {
		if yes = h.Typeflag == tar.TypeReg && h.Size > 0; yes {
			version, snapshot = volumes.VersionIn(h.Name, content), path.Base(h.Name) == datadir.SnapshotFile
			return fs.SkipAll
		}
		return nil
	})
	return yes || err != nil, snapshot, version
}

// readLocal reads everything as Read does, without the engine.
func (st *Store) readLocal(s *Contents, meanwhile func() error) error {
	journal := s.all[JournalVolume(s.stack)]
	before, err := st.localRoot(journal)
	if err != nil {
		return err
	}
	for _, v := range s.volumes {
		if _, err := st.localRoot(v); err != nil {
			return err
		}
		err := st.walk(v.Mountpoint, func(h *tar.Header, content io.Reader) error {
			h.Name = path.Join(v.Labels[engine.LabelRole], v.Name, h.Name)
			return s.add(h, content)
		})
		if err != nil {
			return err
		}
	}
	for _, name := range s.data {
		root, err := st.localRoot(s.all[name])
		if err != nil {
			return err
		}
		filled, snapshot, version := st.filled(s.all[name])
		s.Roots[name] = deploy.Volume{Owner: stack.User{UID: root.Uid, GID: root.Gid}, Mode: int(root.Mode & 0o7777), Filled: filled, Snapshot: snapshot, Version: version}
	}
	if meanwhile == nil {
		return nil
	}
	if err := meanwhile(); err != nil {
		return err
	}
	after, err := st.localRoot(journal)
	s.Unchanged = before.ModTime.Equal(after.ModTime)
	return err
}
