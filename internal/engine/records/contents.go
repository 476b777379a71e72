package records

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/volume"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/volumes"
	"github.com/hsectl/hsectl/internal/record"
	"github.com/hsectl/hsectl/internal/stack"
)

// unmapped returns the number that a user has inside of containers. An engine that maps user ids takes those of the
// inside when files are written, and tells those of its machine when they are read: root's, and the others counted from it.
func unmapped(u, root stack.User) stack.User {
	if u.UID >= root.UID && u.GID >= root.GID {
		return stack.User{UID: u.UID - root.UID, GID: u.GID - root.GID}
	}
	return u
}

// Contents is what volumes hold: those that hsectl keeps of a stack, and those of the stack itself.
type Contents struct {
	stack     string
	all       map[string]volume.Volume // of the engine, by name
	volumes   map[string]volume.Volume // that hsectl keeps, by the path at which a transfer container has them
	data      map[string]string        // names of the stack's own, likewise
	files     map[string][]byte        // records, by path
	Roots     map[string]deploy.Volume // of the stack's own volumes, by name
	Delivered map[string]deploy.SecretState
	values    map[string][]deploy.Secret // by name of the secret; nil where only digests are wanted
	root      *stack.User                // whose the volumes are that the engine has made; nil when none was read
	signing   record.Signing
	Unchanged bool // the journal was the same before and after everything was looked at
}

// Where a transfer container has the volumes that hsectl keeps, by role and name, and those of the stack, by name.
const (
	keptAt = "/hsectl/"
	dataAt = "/volumes/"
)

// List finds the volumes that hsectl keeps of a stack in some roles.
func (st *Store) List(ctx context.Context, name string, roles ...string) (Contents, error) {
	s := Contents{stack: name, all: map[string]volume.Volume{}, volumes: map[string]volume.Volume{}, data: map[string]string{},
		files: map[string][]byte{}, Roots: map[string]deploy.Volume{}, Delivered: map[string]deploy.SecretState{}, Unchanged: true, signing: st.signing}
	list, err := st.engine.API.VolumeList(ctx, client.VolumeListOptions{})
	if err != nil {
		return s, fmt.Errorf("listing volumes: %w", err)
	}
	for _, v := range list.Items {
		s.all[v.Name] = v
		for _, role := range roles {
			if v.Labels[engine.LabelStack] == name && v.Labels[engine.LabelRole] == role {
				s.volumes[keptAt+role+"/"+v.Name] = v
			}
		}
	}
	return s, nil
}

// AddStack adds the volumes of the stack itself that the engine has.
func (s *Contents) AddStack(in stack.Stack) {
	for _, service := range in.Services {
		for _, w := range service.Volumes() {
			name := deploy.VolumeName(in, w.Volume)
			if _, exists := s.all[name]; exists {
				s.data[dataAt+name] = name
			}
		}
	}
}

// Read reads everything, on this machine where the volumes are here, or else through one transfer container. It sees whether the
// journal was written before what happens meanwhile is done.
func (st *Store) Read(ctx context.Context, s *Contents, meanwhile func() error) error {
	mounts := map[string]string{}
	for at, v := range s.volumes {
		mounts[at] = v.Name
	}
	for at, name := range s.data {
		mounts[at] = name
	}
	if len(mounts) == 0 {
		return nil
	}
	if st.isLocal(ctx, s) && st.readLocal(s, meanwhile) == nil { // where it fails, the engine says why
		return nil
	}
	at := keptAt + RoleJournal + "/" + JournalVolume(s.stack)
	_, journalled := s.volumes[at]
	clear(s.files)
	clear(s.Roots)
	clear(s.Delivered)
	clear(s.values)
	return st.volumes.Mounted(ctx, mounts, func(id string) (err error) {
		var before time.Time
		if journalled {
			if before, err = st.volumes.Written(ctx, id, at); err != nil {
				return err
			}
		}
		if len(s.volumes) > 0 {
			err := st.volumes.ReadTree(ctx, id, keptAt, s.add)
			if err != nil {
				return err
			}
		}
		for at, name := range s.data {
			root, err := st.volumes.Root(ctx, id, at)
			if err != nil {
				return err
			}
			s.Roots[name] = root
		}
		if err := st.unmap(ctx, id, s); err != nil {
			return err
		}
		if !journalled || meanwhile == nil {
			return nil
		}
		if err := meanwhile(); err != nil {
			return err
		}
		after, err := st.volumes.Written(ctx, id, at)
		s.Unchanged = before.Equal(after)
		return err
	})
}

// unmap turns the owners that were read through a transfer container into users inside of containers.
func (st *Store) unmap(ctx context.Context, id string, s *Contents) error {
	if len(s.Roots)+len(s.Delivered) == 0 {
		return nil
	}
	if s.root == nil {
		made, err := st.volumes.Root(ctx, id, "/proc") // the engine made it, for the container's root
		if err != nil {
			return err
		}
		s.root = &made.Owner
	}
	for name, v := range s.Roots {
		v.Owner = unmapped(v.Owner, *s.root)
		s.Roots[name] = v
	}
	for name, c := range s.Delivered {
		c.Owner = unmapped(c.Owner, *s.root)
		s.Delivered[name] = c
	}
	return nil
}

// add takes in one file or directory of what hsectl keeps. Of what was delivered to services only owners and digests are
// kept, in memory; a value stays in a deploy.Secret, and only where values are asked for.
func (s *Contents) add(h *tar.Header, content io.Reader) error {
	at, rest, v := s.place(h.Name)
	switch v.Labels[engine.LabelRole] {
	case RoleJournal, RoleRelease:
		if h.Typeflag == tar.TypeDir && rest == "" {
			s.root = &stack.User{UID: h.Uid, GID: h.Gid}
		}
		if h.Typeflag != tar.TypeReg || h.Size > volumes.MaxRecord {
			return nil // no record, or one that cannot be trusted
		}
		data, err := io.ReadAll(content)
		s.files[path.Join(at, rest)] = data
		return err
	case RoleSecrets, RoleConfig, RoleLive:
		state, ok := s.Delivered[v.Name]
		if !ok {
			state = deploy.SecretState{Volume: v.Name, Digests: map[string]string{}}
		}
		switch {
		case h.Typeflag != tar.TypeDir:
			sum, value := sha256.New(), bytes.Buffer{}
			if s.values != nil {
				content = io.TeeReader(content, &value)
			}
			if _, err := io.Copy(sum, io.LimitReader(content, volumes.MaxSecret)); err != nil {
				return err
			}
			if s.values != nil {
				s.values[rest] = append(s.values[rest], deploy.NewSecret(value.Bytes()))
			}
			state.Digests[rest] = hex.EncodeToString(sum.Sum(nil))
		case rest == "":
			state.Owner = stack.User{UID: h.Uid, GID: h.Gid}
		}
		s.Delivered[v.Name] = state
	}
	return nil
}

// place splits a path below keptAt into that of a volume and the rest, and finds the volume.
func (s *Contents) place(name string) (at, rest string, v volume.Volume) {
	role, rest, _ := strings.Cut(path.Clean(name), "/")
	volume, rest, _ := strings.Cut(rest, "/")
	at = path.Join(keptAt, role, volume)
	return at, rest, s.volumes[at]
}

// Journal returns the last journal that was read.
func (s *Contents) Journal() (record.Journal, error) {
	return newJournal(s.stack, s.files, path.Join(keptAt, RoleJournal, JournalVolume(s.stack)))
}

// History returns the releases. A record that cannot be trusted is returned with its error.
func (s *Contents) History() record.History {
	var out record.History
	for at, v := range s.volumes {
		n, err := strconv.Atoi(v.Labels[engine.LabelVersion])
		if v.Labels[engine.LabelRole] == RoleRelease && err == nil && n > 0 {
			out = append(out, s.record(at, n, v.Name))
		}
	}
	return out.Sorted()
}

func (s *Contents) record(at string, number int, volume string) record.Entry {
	r := record.Entry{Number: number, Volume: volume}
	data, ok := s.files[path.Join(at, releaseFile)]
	if !ok {
		r.Err = errors.New("nothing was recorded")
		return r
	}
	if r.Release, r.Err = record.DecodeRelease(data); r.Err == nil && r.Release.Number != number {
		r.Err = fmt.Errorf("it is release %d", r.Release.Number)
	}
	r.Signed, r.Foreign = record.IsSigned(data), s.signing.Check(s.stack, number, data)
	if data, ok := s.files[path.Join(at, outcomeFile)]; ok {
		outcome, err := record.DecodeOutcome(data)
		r.Outcome, r.Err = outcome, errors.Join(r.Err, err)
		if why := s.signing.Check(s.stack, number, data); r.Foreign == nil && why != nil {
			r.Foreign = fmt.Errorf("its outcome: %w", why)
		}
	}
	return r
}

// Newest returns the newest volume of a role of every service.
func (s *Contents) Newest(role string) map[string]deploy.SecretState {
	out := map[string]deploy.SecretState{}
	for _, v := range s.volumes {
		version, err := strconv.Atoi(v.Labels[engine.LabelVersion])
		service := v.Labels[engine.LabelService]
		if v.Labels[engine.LabelRole] != role || err != nil || service == "" || version <= out[service].Version {
			continue
		}
		state := s.Delivered[v.Name]
		state.Version = version
		out[service] = state
	}
	return out
}
