package docker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/deploy"
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

// journal reads the journal through a container that carries its volume.
func (e *Engine) journal(ctx context.Context, stack, id string) (deploy.Journal, error) {
	var slots [][]byte
	for i := range deploy.Slots {
		data, err := e.get(ctx, id, journalFile(i))
		if errdefs.IsNotFound(err) {
			continue
		}
		if err != nil {
			return deploy.Journal{}, err
		}
		slots = append(slots, data)
	}
	j, err := deploy.DecodeJournal(slots)
	if damaged, ok := errors.AsType[*deploy.DamagedError](err); ok {
		damaged.What = fmt.Sprintf("the journal of %s (volume %s)", stack, journalVolume(stack))
	}
	return j, err
}

func journalFile(slot int) string { return fmt.Sprintf("%s/journal-%d.json", carrierMount, slot) }

// Journal reads the last journal under the lock.
func (l *Lock) Journal(ctx context.Context) (deploy.Journal, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	j, err := l.engine.journal(ctx, l.stack, l.id)
	l.journal = j.Sequence
	return j, err
}

// Journal reads the last journal without the lock, for showing it.
func (e *Engine) Journal(ctx context.Context, stack string) (j deploy.Journal, err error) {
	volume := journalVolume(stack)
	if exists, err := e.hasVolume(ctx, volume); err != nil || !exists {
		return j, err
	}
	ref, err := e.carrierImage(ctx)
	if err != nil {
		return j, err
	}
	return j, e.carry(ctx, ref, map[string]string{carrierMount: volume}, func(id string) (err error) {
		j, err = e.journal(ctx, stack, id)
		return err
	})
}

// Write implements deploy.Ledger.
func (l *Lock) Write(ctx context.Context, j deploy.Journal) (err error) {
	if j.At, err = l.engine.now(ctx); err != nil {
		return err
	}
	j.Token = l.holder.Token
	data, err := deploy.EncodeJournal(j)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.write(ctx, journalFile(j.Slot()), data); err != nil {
		return err
	}
	l.journal = j.Sequence
	return nil
}

// Save implements deploy.Ledger: the record goes into a volume of its own, and each image gets a name that keeps it.
func (l *Lock) Save(ctx context.Context, r deploy.Release) (err error) {
	e := l.engine
	if r.Made.At, err = e.now(ctx); err != nil {
		return err
	}
	data, err := deploy.EncodeRelease(r)
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
	return e.record(ctx, volume, releaseFile, data)
}

func keepName(stack, id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	return keepRepository + ":" + stack + "." + id[:min(12, len(id))]
}

// Close implements deploy.Ledger.
func (l *Lock) Close(ctx context.Context, r deploy.Release, o deploy.Outcome) (err error) {
	e := l.engine
	if o.At.IsZero() {
		if o.At, err = e.now(ctx); err != nil {
			return err
		}
	}
	volume := releaseVolume(r.Stack, r.Number)
	if exists, err := e.hasVolume(ctx, volume); err != nil || !exists {
		return err // it failed before there was a record
	}
	if o.Status == deploy.Deployed {
		if o.Containers, err = e.containerIDs(ctx, r.Stack); err != nil {
			return err
		}
	}
	data, err := deploy.EncodeOutcome(o)
	if err != nil {
		return err
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
	ref, err := e.carrierImage(ctx)
	if err != nil {
		return err
	}
	return e.carry(ctx, ref, map[string]string{carrierMount: volume}, func(id string) error {
		return e.put(ctx, id, carrierMount+"/"+name, data)
	})
}

// History reads the releases of a stack. A record that cannot be trusted is returned with its error.
func (e *Engine) History(ctx context.Context, stack string) (deploy.History, error) {
	volumes, err := e.api.VolumeList(ctx, client.VolumeListOptions{
		Filters: make(client.Filters).Add("label", labelRole+"=release", labelStack+"="+stack)})
	if err != nil {
		return nil, fmt.Errorf("listing releases: %w", err)
	}
	var out deploy.History
	mounts := map[string]string{}
	for _, v := range volumes.Items {
		n, err := strconv.Atoi(v.Labels[labelVersion])
		if err != nil || n < 1 {
			continue
		}
		mounts[fmt.Sprintf("/r/%d", n)] = v.Name
		out = append(out, deploy.Record{Number: n, Volume: v.Name})
	}
	if len(out) == 0 {
		return nil, nil
	}
	ref, err := e.carrierImage(ctx)
	if err != nil {
		return nil, err
	}
	return out, e.carry(ctx, ref, mounts, func(id string) error {
		for i := range out {
			if err := e.readRecord(ctx, id, &out[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func (e *Engine) readRecord(ctx context.Context, id string, r *deploy.Record) error {
	dir := fmt.Sprintf("/r/%d/", r.Number)
	data, err := e.get(ctx, id, dir+releaseFile)
	switch {
	case errdefs.IsNotFound(err):
		r.Err = errors.New("nothing was recorded")
		return nil
	case err != nil:
		return err
	}
	if r.Release, r.Err = deploy.DecodeRelease(data); r.Err == nil && r.Release.Number != r.Number {
		r.Err = fmt.Errorf("it is release %d", r.Release.Number)
	}
	data, err = e.get(ctx, id, dir+outcomeFile)
	switch {
	case errdefs.IsNotFound(err):
		return nil
	case err != nil:
		return err
	}
	outcome, err := deploy.DecodeOutcome(data)
	r.Outcome, r.Err = outcome, errors.Join(r.Err, err)
	return nil
}

// Prune removes the releases beyond the keep newest, and the volumes of secrets and configuration and the names of images that no
// remaining release needs. What is in use stays.
func (e *Engine) Prune(ctx context.Context, stack string, h deploy.History, keep int) error {
	expired := map[int]bool{}
	for _, r := range h.Expired(keep) {
		expired[r.Number] = true
		if err := e.removeVolume(ctx, r.Volume); err != nil {
			return err
		}
	}
	var left deploy.History
	for _, r := range h {
		if !expired[r.Number] {
			left = append(left, r)
		}
	}
	volumes, images := left.Needed()
	if len(volumes)+len(images) == 0 {
		return nil
	}
	return errors.Join(e.pruneDelivered(ctx, roleSecrets, stack, volumes), e.pruneDelivered(ctx, roleConfig, stack, volumes), e.pruneImages(ctx, stack, images))
}

func (e *Engine) removeVolume(ctx context.Context, name string) error {
	_, err := e.api.VolumeRemove(ctx, name, client.VolumeRemoveOptions{})
	if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
		return fmt.Errorf("removing volume %s: %w", name, err)
	}
	return nil
}

// pruneDelivered removes the volumes of a role that are not needed.
func (e *Engine) pruneDelivered(ctx context.Context, role, stack string, needed map[string]bool) error {
	volumes, err := e.api.VolumeList(ctx, client.VolumeListOptions{
		Filters: make(client.Filters).Add("label", labelRole+"="+role, labelStack+"="+stack)})
	if err != nil {
		return fmt.Errorf("listing %s: %w", role, err)
	}
	for _, v := range volumes.Items {
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
