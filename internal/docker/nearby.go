package docker

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
	"github.com/hsectl/hsectl/internal/stack"
)

// Walk shows a directory of this machine and everything below it, each with its name relative to it; the directory
// itself, named ".", comes first, and fs.SkipAll ends it.
type Walk func(dir string, see func(*tar.Header, io.Reader) error) error

// Nearby lets the engine's volumes be read as directories of this machine, where it is surely they. The archive API
// starts a process of the engine for each question.
func (e *Engine) Nearby(walk Walk) { e.walk = walk }

// errElsewhere says that volumes are not directories of this machine.
var errElsewhere = errors.New("the volumes are not on this machine")

// here tells whether the engine's volumes are directories of this machine. The engine says of a volume that hsectl made when
// its root was changed last, to the nanosecond; so must the directory. Ids of users are the same, since what the engine made
// belongs to root.
func (e *Engine) here(ctx context.Context, s *shelf) bool {
	journal, known := s.all[journalVolume(s.stack)]
	if _, local := e.Socket(); !local || e.walk == nil || !known {
		return false
	}
	if own, err := e.rootHere(journal); err != nil || own.Uid != 0 || own.Gid != 0 {
		return false
	}
	same := func(id, at string, v volume.Volume) bool {
		there, err := e.api.ContainerStatPath(ctx, id, client.ContainerStatPathOptions{Path: at})
		if err != nil {
			return false
		}
		here, err := e.rootHere(v)
		return err == nil && here.ModTime.Equal(there.Stat.Mtime)
	}
	list, err := e.api.ContainerList(ctx, client.ContainerListOptions{Filters: make(client.Filters).Add("label", composeProject+"="+s.stack)})
	if err != nil {
		return false
	}
	for _, c := range list.Items {
		for _, m := range c.Mounts {
			if v, ok := s.all[m.Name]; ok && v.Labels[labelStack] == s.stack { // hsectl made it, and no container changes it
				return same(c.ID, m.Destination, v)
			}
		}
	}
	yes := false
	err = e.carry(ctx, map[string]string{carrierMount: journal.Name}, func(id string) error {
		yes = same(id, carrierMount, journal)
		return nil
	})
	return err == nil && yes
}

// rootHere returns the root of a volume as this machine sees it.
func (e *Engine) rootHere(v volume.Volume) (root tar.Header, err error) {
	if v.Driver != "local" || len(v.Options) > 0 || v.Mountpoint == "" {
		return root, errElsewhere
	}
	err = e.walk(v.Mountpoint, func(h *tar.Header, _ io.Reader) error {
		root = *h
		return fs.SkipAll
	})
	if err == nil && root.Typeflag != tar.TypeDir {
		err = fmt.Errorf("%s is no directory", v.Mountpoint)
	}
	return root, err
}

// readHere reads everything as unpack does, without the engine.
func (e *Engine) readHere(s *shelf, meanwhile func() error) error {
	journal := s.all[journalVolume(s.stack)]
	before, err := e.rootHere(journal)
	if err != nil {
		return err
	}
	for _, v := range s.volumes {
		if _, err := e.rootHere(v); err != nil {
			return err
		}
		err := e.walk(v.Mountpoint, func(h *tar.Header, content io.Reader) error {
			h.Name = path.Join(v.Labels[labelRole], v.Name, h.Name)
			return s.add(h, content)
		})
		if err != nil {
			return err
		}
	}
	for _, name := range s.data {
		root, err := e.rootHere(s.all[name])
		if err != nil {
			return err
		}
		s.roots[name] = deploy.Volume{Owner: stack.User{UID: root.Uid, GID: root.Gid}, Mode: int(root.Mode & 0o7777)}
	}
	if meanwhile == nil {
		return nil
	}
	if err := meanwhile(); err != nil {
		return err
	}
	after, err := e.rootHere(journal)
	s.unchanged = before.ModTime.Equal(after.ModTime)
	return err
}
