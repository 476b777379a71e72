package docker

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/record"
)

// Names of the records in their volumes.
const (
	releaseFile = "release.json"
	outcomeFile = "outcome.json"
)

// keepRepository names the images of kept releases, so that no prune of unnamed images takes them.
const keepRepository = "hsectl/keep"

func releaseVolume(stack string, number int) string {
	return fmt.Sprintf("hsectl.release.%s.%d", stack, number)
}

// journal reads the journal in a directory of a container that carries its volume.
func (e *Engine) journal(ctx context.Context, stack, id, dir string) (record.Journal, error) {
	files := map[string][]byte{}
	err := e.readTree(ctx, id, dir, func(h *tar.Header, content io.Reader) error {
		if h.Typeflag != tar.TypeReg || h.Size > maxRecordBytes {
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
		damaged.What = fmt.Sprintf("the journal of %s (volume %s)", stack, journalVolume(stack))
	}
	return j, err
}

func journalFile(slot int) string { return fmt.Sprintf("journal-%d.json", slot) }

// Journal reads the last journal under the lock.
func (l *Lock) Journal(ctx context.Context) (record.Journal, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	j, err := l.engine.journal(ctx, l.stack, l.id, carrierMount)
	l.journal = j.Sequence
	return j, err
}

// Write implements deploy.Ledger.
func (l *Lock) Write(ctx context.Context, j record.Journal) (err error) {
	if j.At, err = l.engine.stamp(ctx); err != nil {
		return err
	}
	j.Token = l.holder.Token
	data, err := record.EncodeJournal(j)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.write(ctx, path.Join(carrierMount, journalFile(j.Slot())), data); err != nil {
		return err
	}
	l.journal = j.Sequence
	return nil
}

// Save implements deploy.Ledger: the record goes into a volume of its own, and each image gets a name that keeps it.
func (l *Lock) Save(ctx context.Context, r record.Release) (err error) {
	e := l.engine
	if r.Made.At, err = e.stamp(ctx); err != nil {
		return err
	}
	data, err := record.EncodeRelease(r)
	if err != nil {
		return err
	}
	for reference, image := range r.Images {
		name := keepName(r.Stack, image.ID)
		if _, err := e.api.ImageTag(ctx, client.ImageTagOptions{Source: image.ID, Target: name}); err != nil {
			return fmt.Errorf("keeping image %s: %w", reference, err)
		}
	}
	volume := releaseVolume(r.Stack, r.Number)
	_, err = e.api.VolumeCreate(ctx, client.VolumeCreateOptions{Name: volume, Labels: map[string]string{
		labelRole: "release", labelStack: r.Stack, labelVersion: strconv.Itoa(r.Number),
	}})
	if err != nil {
		return fmt.Errorf("creating volume %s: %w", volume, err)
	}
	if l.record, err = e.newCarrier(ctx, e.carrierImage().Reference, map[string]string{carrierMount: volume}); err != nil {
		return err
	}
	l.recorded = volume
	return e.put(ctx, l.record, carrierMount+"/"+releaseFile, data)
}

func keepName(stack, id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	return keepRepository + ":" + stack + "." + id[:min(12, len(id))]
}

// Close implements deploy.Ledger.
func (l *Lock) Close(ctx context.Context, r record.Release, o record.Outcome) (err error) {
	e := l.engine
	if o.At.IsZero() {
		if o.At, err = e.stamp(ctx); err != nil {
			return err
		}
	}
	volume := releaseVolume(r.Stack, r.Number)
	if exists, err := e.hasVolume(ctx, volume); err != nil || !exists {
		return err // it failed before there was a record
	}
	if o.Status == record.Deployed {
		if o.Containers, err = e.containerIDs(ctx, r.Stack); err != nil {
			return err
		}
	}
	data, err := record.EncodeOutcome(o)
	if err != nil {
		return err
	}
	if l.recorded == volume {
		if err = e.put(ctx, l.record, carrierMount+"/"+outcomeFile, data); !errdefs.IsNotFound(err) {
			return err
		} // its carrier was pruned
	}
	return e.record(ctx, volume, outcomeFile, data)
}

func (e *Engine) containerIDs(ctx context.Context, stack string) (map[string][]string, error) {
	list, err := e.stackContainers(ctx, stack)
	if err != nil {
		return nil, err
	}
	out := map[string][]string{}
	for _, c := range list {
		service := c.Config.Labels[composeService]
		out[service] = append(out[service], c.ID)
	}
	return out, nil
}

// record writes a file into a volume.
func (e *Engine) record(ctx context.Context, volume, name string, data []byte) error {
	return e.carry(ctx, map[string]string{carrierMount: volume}, func(id string) error {
		return e.put(ctx, id, carrierMount+"/"+name, data)
	})
}

// Prune removes the releases beyond the keep newest, and the volumes of secrets and configuration and the names of images that no
// remaining release needs. What is in use stays.
func (e *Engine) Prune(ctx context.Context, stack string, h record.History, keep int) error {
	expired := map[int]bool{}
	for _, r := range h.Expired(keep) {
		expired[r.Number] = true
		if err := e.removeVolume(ctx, r.Volume); err != nil {
			return err
		}
	}
	var left record.History
	for _, r := range h {
		if !expired[r.Number] {
			left = append(left, r)
		}
	}
	volumes, images := left.Needed()
	if len(volumes)+len(images) == 0 {
		return nil
	}
	return errors.Join(e.pruneDelivered(ctx, stack, volumes), e.pruneImages(ctx, stack, images))
}

func (e *Engine) removeVolume(ctx context.Context, name string) error {
	_, err := e.api.VolumeRemove(ctx, name, client.VolumeRemoveOptions{})
	if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
		return fmt.Errorf("removing volume %s: %w", name, err)
	}
	return nil
}

// pruneDelivered removes the volumes of secrets and of configuration that are not needed.
func (e *Engine) pruneDelivered(ctx context.Context, stack string, needed map[string]bool) error {
	s, err := e.shelf(ctx, stack, roleSecrets, roleConfig, roleLive)
	if err != nil {
		return err
	}
	for _, v := range s.volumes {
		if !needed[v.Name] {
			if err := e.removeVolume(ctx, v.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// keptImages returns the ids of the images that the engine keeps for a stack, by the name that keeps them.
func (e *Engine) keptImages(ctx context.Context, stack string) (map[string]string, error) {
	list, err := e.api.ImageList(ctx, client.ImageListOptions{
		Filters: make(client.Filters).Add("reference", keepRepository+":"+stack+".*")})
	if err != nil {
		return nil, fmt.Errorf("listing kept images: %w", err)
	}
	out := map[string]string{}
	for _, image := range list.Items {
		for _, name := range image.RepoTags {
			if strings.HasPrefix(name, keepRepository+":"+stack+".") {
				out[name] = image.ID
			}
		}
	}
	return out, nil
}

// pruneImages takes back the names of images that are not needed; one that nothing else names or uses goes with it.
func (e *Engine) pruneImages(ctx context.Context, stack string, needed map[string]bool) error {
	kept, err := e.keptImages(ctx, stack)
	if err != nil {
		return err
	}
	for name, id := range kept {
		if needed[id] {
			continue
		}
		_, err := e.api.ImageRemove(ctx, name, client.ImageRemoveOptions{PruneChildren: true})
		if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
			return fmt.Errorf("removing image %s: %w", name, err)
		}
	}
	return nil
}
