package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/engine"
)

const (
	roleScratch = "scratch"
	// scratchAge is beyond the life of any backup and any drill that is still at work.
	scratchAge = 48 * time.Hour
)

// WithScratch calls f with the name of an empty volume, and removes it again. What runs that were killed have left goes
// first.
func (tr *Runner) WithScratch(ctx context.Context, project string, f func(volume string) error) (err error) {
	if err := tr.removeLeft(ctx, project); err != nil {
		return err
	}
	made, err := tr.engine.API.VolumeCreate(ctx, client.VolumeCreateOptions{Labels: map[string]string{engine.LabelRole: roleScratch, engine.LabelStack: project}})
	if err != nil {
		return fmt.Errorf("creating a volume: %w", err)
	}
	defer func() {
		ending, cancel := tr.engine.Cleanup(ctx)
		defer cancel()
		_, removeErr := tr.engine.API.VolumeRemove(ending, made.Volume.Name, client.VolumeRemoveOptions{Force: true})
		if removeErr != nil && !errdefs.IsNotFound(removeErr) {
			err = errors.Join(err, fmt.Errorf("removing a volume: %w", removeErr))
		}
	}()
	return f(made.Volume.Name)
}

// removeLeft removes tasks and scratch volumes that are older than any lives.
func (tr *Runner) removeLeft(ctx context.Context, project string) error {
	now, err := tr.engine.Now(ctx) // what is compared with it is of the same clock
	if err != nil {
		return err
	}
	tasks, err := tr.engine.API.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label", engine.LabelRole+"="+engine.RoleTask, engine.LabelStack+"="+project)})
	if err != nil {
		return fmt.Errorf("listing what is left of backups: %w", err)
	}
	for _, c := range tasks.Items {
		if now.Sub(time.Unix(c.Created, 0)) < scratchAge {
			continue
		}
		if _, err := tr.engine.API.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true}); err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("removing what is left of a backup: %w", err)
		}
	}
	volumes, err := tr.engine.API.VolumeList(ctx, client.VolumeListOptions{Filters: make(client.Filters).Add("label", engine.LabelRole+"="+roleScratch, engine.LabelStack+"="+project)})
	if err != nil {
		return fmt.Errorf("listing what is left of backups: %w", err)
	}
	for _, v := range volumes.Items {
		made, err := time.Parse(time.RFC3339, v.CreatedAt)
		if err != nil || now.Sub(made) < scratchAge {
			continue
		}
		if _, err := tr.engine.API.VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{}); err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
			return fmt.Errorf("removing what is left of a backup: %w", err)
		}
	}
	return nil
}
