package records

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/volumes"
	"github.com/hsectl/hsectl/internal/record"
)

// readJournal reads the journal in a directory of a container that carries its volume.
func (st *Store) readJournal(ctx context.Context, stack, id, dir string) (record.Journal, error) {
	files := map[string][]byte{}
	err := st.volumes.ReadTree(ctx, id, dir, func(h *tar.Header, content io.Reader) error {
		if h.Typeflag != tar.TypeReg || h.Size > volumes.MaxRecord {
			return nil
		}
		data, err := io.ReadAll(content)
		files[path.Clean(h.Name)] = data
		return err
	})
	if err != nil {
		return record.Journal{}, err
	}
	return newJournal(stack, files, "")
}

// newJournal finds the journal among the files of a directory.
func newJournal(stack string, files map[string][]byte, dir string) (record.Journal, error) {
	var slots [][]byte
	for i := range record.Slots {
		if data, ok := files[path.Join(dir, journalFile(i))]; ok {
			slots = append(slots, data)
		}
	}
	j, err := record.DecodeJournal(slots)
	if damaged, ok := errors.AsType[*record.DamagedError](err); ok {
		damaged.What = fmt.Sprintf("the journal of %s (volume %s)", stack, JournalVolume(stack))
	}
	return j, err
}

func journalFile(slot int) string { return fmt.Sprintf("journal-%d.json", slot) }

// Journal reads the last journal under the lock.
func (l *Lock) Journal(ctx context.Context) (record.Journal, error) {
	if err := l.acquire(ctx); err != nil {
		return record.Journal{}, err
	}
	defer l.release()
	j, err := l.store.readJournal(ctx, l.stack, l.id, volumes.MountPoint)
	l.journal, l.open = j.Sequence, err != nil || j.Open()
	return j, err
}

// Write implements deploy.Ledger.
func (l *Lock) Write(ctx context.Context, j record.Journal) (err error) {
	if j.At, err = l.store.Stamp(ctx); err != nil {
		return err
	}
	j.Token = l.holder.Token
	data, err := record.EncodeJournal(j)
	if err != nil {
		return err
	}
	if err := l.acquire(ctx); err != nil {
		return err
	}
	defer l.release()
	if err := l.write(ctx, path.Join(volumes.MountPoint, journalFile(j.Slot())), data); err != nil {
		return err
	}
	l.journal, l.open = j.Sequence, j.Open()
	return nil
}

// Save implements deploy.Ledger: the record goes into a volume of its own, and each image gets a name that keeps it.
func (l *Lock) Save(ctx context.Context, r record.Release) (err error) {
	st := l.store
	if r.Made.At, err = st.Stamp(ctx); err != nil {
		return err
	}
	data, err := st.signing.Release(r)
	if err != nil {
		return err
	}
	for reference, image := range r.Images {
		name := keepName(r.Stack, image.ID)
		if _, err := st.engine.API.ImageTag(ctx, client.ImageTagOptions{Source: image.ID, Target: name}); err != nil {
			return fmt.Errorf("keeping image %s: %w", reference, err)
		}
	}
	volume := ReleaseVolume(r.Stack, r.Number)
	_, err = st.engine.API.VolumeCreate(ctx, client.VolumeCreateOptions{Name: volume, Labels: map[string]string{
		engine.LabelRole: "release", engine.LabelStack: r.Stack, engine.LabelVersion: strconv.Itoa(r.Number),
	}})
	if err != nil {
		return fmt.Errorf("creating volume %s: %w", volume, err)
	}
	if l.record, err = st.volumes.Mount(ctx, st.engine.EmptyImage().Reference, map[string]string{volumes.MountPoint: volume}); err != nil {
		return err
	}
	l.recorded = volume
	return st.volumes.Put(ctx, l.record, volumes.MountPoint+"/"+releaseFile, data)
}

// Close implements deploy.Ledger.
func (l *Lock) Close(ctx context.Context, r record.Release, o record.Outcome) (err error) {
	st := l.store
	if o.At.IsZero() {
		if o.At, err = st.Stamp(ctx); err != nil {
			return err
		}
	}
	volume := ReleaseVolume(r.Stack, r.Number)
	if exists, err := st.volumes.Exists(ctx, volume); err != nil || !exists {
		return err // it failed before there was a record
	}
	if o.Status == record.Deployed {
		if o.Containers, err = st.engine.ContainerIDs(ctx, r.Stack); err != nil {
			return err
		}
	}
	data, err := st.signing.Outcome(r, o)
	if err != nil {
		return err
	}
	if l.recorded == volume {
		if err = st.volumes.Put(ctx, l.record, volumes.MountPoint+"/"+outcomeFile, data); !errdefs.IsNotFound(err) {
			return err
		} // its transfer container was pruned
	}
	return st.record(ctx, volume, outcomeFile, data)
}

// record writes a file into a volume.
func (st *Store) record(ctx context.Context, volume, name string, data []byte) error {
	return st.volumes.Mounted(ctx, map[string]string{volumes.MountPoint: volume}, func(id string) error {
		return st.volumes.Put(ctx, id, volumes.MountPoint+"/"+name, data)
	})
}
