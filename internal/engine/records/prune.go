package records

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/record"
)

func keepName(stack, id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	return keepRepository + ":" + stack + "." + id[:min(12, len(id))]
}

// Prune removes the releases beyond the keep newest, and the volumes of secrets and configuration and the names of images that no
// remaining release needs. What is in use stays.
func (st *Store) Prune(ctx context.Context, stack string, h record.History, keep int) error {
	expired := map[int]bool{}
	for _, r := range h.Expired(keep) {
		expired[r.Number] = true
		if err := removeVolume(ctx, st.engine, r.Volume); err != nil {
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
	return errors.Join(st.pruneDelivered(ctx, stack, volumes), st.PruneImages(ctx, stack, images))
}

// Tidy removes, under the lock, the volumes of secrets and configuration that no deployed release needs and no container has: what
// runs have delivered that did not get to their end. While a transaction is open its values may be in force, and before the first release
// they may be the only ones: then everything stays.
func (l *Lock) Tidy(ctx context.Context, h record.History) error {
	if err := l.acquire(ctx); err != nil {
		return err
	}
	open := l.open
	l.release()
	if err := l.store.pruneTasks(ctx, l.stack); err != nil {
		return err
	}
	select {
	case <-l.lost:
		return nil
	default:
	}
	damaged := slices.ContainsFunc(h, func(r record.Entry) bool { return r.Err != nil }) // what it needs is not known
	if _, ok := h.Current(); open || damaged || !ok {
		return nil
	}
	needed, _ := h.Needed()
	return l.store.pruneDelivered(ctx, l.stack, needed)
}

// pruneTasks removes the records of tasks whose container is gone.
func (st *Store) pruneTasks(ctx context.Context, stack string) error {
	s, err := st.List(ctx, stack, engine.RoleTask)
	if err != nil {
		return err
	}
	for _, v := range s.volumes {
		id := strings.TrimPrefix(v.Name, engine.TaskRecord(""))
		if _, err := st.engine.API.ContainerInspect(ctx, id, client.ContainerInspectOptions{}); !errdefs.IsNotFound(err) {
			continue // it is there, or it is not known whether it is
		}
		if err := removeVolume(ctx, st.engine, v.Name); err != nil {
			return err
		}
	}
	return nil
}

func removeVolume(ctx context.Context, e *engine.Connection, name string) error {
	_, err := e.API.VolumeRemove(ctx, name, client.VolumeRemoveOptions{})
	if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
		return fmt.Errorf("removing volume %s: %w", name, err)
	}
	return nil
}

// pruneDelivered removes the volumes of secrets and of configuration that are not needed.
func (st *Store) pruneDelivered(ctx context.Context, stack string, needed map[string]bool) error {
	s, err := st.List(ctx, stack, RoleSecrets, RoleConfig, RoleLive)
	if err != nil {
		return err
	}
	for _, v := range s.volumes {
		if !needed[v.Name] {
			if err := removeVolume(ctx, st.engine, v.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// KeptImages returns the ids of the images that the engine keeps for a stack, by the name that keeps them.
func (st *Store) KeptImages(ctx context.Context, stack string) (map[string]string, error) {
	list, err := st.engine.API.ImageList(ctx, client.ImageListOptions{
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

// PruneImages takes back the names of images that are not needed; one that nothing else names or uses goes with it.
func (st *Store) PruneImages(ctx context.Context, stack string, needed map[string]bool) error {
	kept, err := st.KeptImages(ctx, stack)
	if err != nil {
		return err
	}
	for name, id := range kept {
		if needed[id] {
			continue
		}
		_, err := st.engine.API.ImageRemove(ctx, name, client.ImageRemoveOptions{PruneChildren: true})
		if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
			return fmt.Errorf("removing image %s: %w", name, err)
		}
	}
	return nil
}
