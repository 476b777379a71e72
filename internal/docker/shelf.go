package docker

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
	"github.com/hsectl/hsectl/internal/record"
	"github.com/hsectl/hsectl/internal/stack"
)

// shelf is what volumes hold: those that hsectl keeps of a stack, and those of the stack itself.
type shelf struct {
	stack     string
	all       map[string]volume.Volume // of the engine, by name
	volumes   map[string]volume.Volume // that hsectl keeps, by the path at which a carrier has them
	data      map[string]string        // names of the stack's own, likewise
	files     map[string][]byte        // records, by path
	roots     map[string]deploy.Volume // of the stack's own volumes, by name
	contents  map[string]deploy.SecretState
	values    map[string][]deploy.Secret // by name of the secret; nil where only digests are wanted
	root      *stack.User                // whose the volumes are that the engine has made; nil when none was read
	unchanged bool                       // the journal was the same before and after everything was looked at
}

// Where a carrier has the volumes that hsectl keeps, by role and name, and those of the stack, by name.
const (
	keptAt = "/hsectl/"
	dataAt = "/volumes/"
)

// What a volume of hsectl holds.
const (
	roleJournal = "journal"
	roleRelease = "release"
	roleSecrets = "secrets"
	roleConfig  = "config"
	roleLive    = "live" // what a service has loaded of both
)

// shelf finds the volumes that hsectl keeps of a stack in some roles.
func (e *Engine) shelf(ctx context.Context, name string, roles ...string) (shelf, error) {
	s := shelf{stack: name, all: map[string]volume.Volume{}, volumes: map[string]volume.Volume{}, data: map[string]string{},
		files: map[string][]byte{}, roots: map[string]deploy.Volume{}, contents: map[string]deploy.SecretState{}, unchanged: true}
	list, err := e.api.VolumeList(ctx, client.VolumeListOptions{})
	if err != nil {
		return s, fmt.Errorf("listing volumes: %w", err)
	}
	for _, v := range list.Items {
		s.all[v.Name] = v
		for _, role := range roles {
			if v.Labels[labelStack] == name && v.Labels[labelRole] == role {
				s.volumes[keptAt+role+"/"+v.Name] = v
			}
		}
	}
	return s, nil
}

// own adds the volumes of the stack itself that the engine has.
func (s *shelf) own(in stack.Stack) {
	for _, service := range in.Services {
		for _, w := range service.Volumes() {
			name := deploy.VolumeName(in, w.Volume)
			if _, exists := s.all[name]; exists {
				s.data[dataAt+name] = name
			}
		}
	}
}

// unpack reads everything, on this machine where the volumes are here, or else through one carrier. It sees whether the
// journal was written before what happens meanwhile is done.
func (e *Engine) unpack(ctx context.Context, s *shelf, meanwhile func() error) error {
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
	if e.here(ctx, s) && e.readHere(s, meanwhile) == nil { // where it fails, the engine says why
		return nil
	}
	at := keptAt + roleJournal + "/" + journalVolume(s.stack)
	_, journalled := s.volumes[at]
	clear(s.files)
	clear(s.roots)
	clear(s.contents)
	clear(s.values)
	return e.carry(ctx, mounts, func(id string) (err error) {
		var before time.Time
		if journalled {
			if before, err = e.written(ctx, id, at); err != nil {
				return err
			}
		}
		if len(s.volumes) > 0 {
			err := e.readTree(ctx, id, keptAt, s.add)
			if err != nil {
				return err
			}
		}
		for at, name := range s.data {
			root, err := e.rootOf(ctx, id, at)
			if err != nil {
				return err
			}
			s.roots[name] = root
		}
		if err := e.unmap(ctx, id, s); err != nil {
			return err
		}
		if !journalled || meanwhile == nil {
			return nil
		}
		if err := meanwhile(); err != nil {
			return err
		}
		after, err := e.written(ctx, id, at)
		s.unchanged = before.Equal(after)
		return err
	})
}

// unmap turns the owners that were read through a carrier into users inside of containers.
func (e *Engine) unmap(ctx context.Context, id string, s *shelf) error {
	if len(s.roots)+len(s.contents) == 0 {
		return nil
	}
	if s.root == nil {
		made, err := e.rootOf(ctx, id, "/proc") // the engine made it, for the container's root
		if err != nil {
			return err
		}
		s.root = &made.Owner
	}
	for name, v := range s.roots {
		v.Owner = unmapped(v.Owner, *s.root)
		s.roots[name] = v
	}
	for name, c := range s.contents {
		c.Owner = unmapped(c.Owner, *s.root)
		s.contents[name] = c
	}
	return nil
}

// add takes in one file or directory of what hsectl keeps. Of what was delivered to services only owners and digests are
// kept, in memory; a value stays in a deploy.Secret, and only where values are asked for.
func (s *shelf) add(h *tar.Header, content io.Reader) error {
	at, rest, v := s.place(h.Name)
	switch v.Labels[labelRole] {
	case roleJournal, roleRelease:
		if h.Typeflag == tar.TypeDir && rest == "" {
			s.root = &stack.User{UID: h.Uid, GID: h.Gid}
		}
		if h.Typeflag != tar.TypeReg || h.Size > maxRecordBytes {
			return nil // no record, or one that nobody can trust
		}
		data, err := io.ReadAll(content)
		s.files[path.Join(at, rest)] = data
		return err
	case roleSecrets, roleConfig, roleLive:
		state, ok := s.contents[v.Name]
		if !ok {
			state = deploy.SecretState{Volume: v.Name, Digests: map[string]string{}}
		}
		switch {
		case h.Typeflag != tar.TypeDir:
			sum, value := sha256.New(), bytes.Buffer{}
			if s.values != nil {
				content = io.TeeReader(content, &value)
			}
			if _, err := io.Copy(sum, io.LimitReader(content, maxSecretBytes)); err != nil {
				return err
			}
			if s.values != nil {
				s.values[rest] = append(s.values[rest], deploy.NewSecret(value.Bytes()))
			}
			state.Digests[rest] = hex.EncodeToString(sum.Sum(nil))
		case rest == "":
			state.Owner = stack.User{UID: h.Uid, GID: h.Gid}
		}
		s.contents[v.Name] = state
	}
	return nil
}

// place splits a path below keptAt into that of a volume and the rest, and finds the volume.
func (s *shelf) place(name string) (at, rest string, v volume.Volume) {
	role, rest, _ := strings.Cut(path.Clean(name), "/")
	volume, rest, _ := strings.Cut(rest, "/")
	at = path.Join(keptAt, role, volume)
	return at, rest, s.volumes[at]
}

func (s *shelf) journal() (record.Journal, error) {
	return newJournal(s.stack, s.files, path.Join(keptAt, roleJournal, journalVolume(s.stack)))
}

// history returns the releases. A record that cannot be trusted is returned with its error.
func (s *shelf) history() record.History {
	var out record.History
	for at, v := range s.volumes {
		n, err := strconv.Atoi(v.Labels[labelVersion])
		if v.Labels[labelRole] == roleRelease && err == nil && n > 0 {
			out = append(out, s.record(at, n, v.Name))
		}
	}
	return out.Sorted()
}

func (s *shelf) record(at string, number int, volume string) record.Entry {
	r := record.Entry{Number: number, Volume: volume}
	data, ok := s.files[path.Join(at, releaseFile)]
	if !ok {
		r.Err = errors.New("nothing was recorded")
		return r
	}
	if r.Release, r.Err = record.DecodeRelease(data); r.Err == nil && r.Release.Number != number {
		r.Err = fmt.Errorf("it is release %d", r.Release.Number)
	}
	if data, ok := s.files[path.Join(at, outcomeFile)]; ok {
		outcome, err := record.DecodeOutcome(data)
		r.Outcome, r.Err = outcome, errors.Join(r.Err, err)
	}
	return r
}

// newest returns the newest volume of a role of every service.
func (s *shelf) newest(role string) map[string]deploy.SecretState {
	out := map[string]deploy.SecretState{}
	for _, v := range s.volumes {
		version, err := strconv.Atoi(v.Labels[labelVersion])
		service := v.Labels[labelService]
		if v.Labels[labelRole] != role || err != nil || service == "" || version <= out[service].Version {
			continue
		}
		state := s.contents[v.Name]
		state.Version = version
		out[service] = state
	}
	return out
}
