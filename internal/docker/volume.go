package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

const (
	roleScratch = "scratch"
	// scratchAge is beyond the life of any backup and any drill that is still at work.
	scratchAge = 48 * time.Hour
)

// ReadVolume passes the tar of a volume's root directory to f, through a carrier: nothing runs for it.
func (e *Engine) ReadVolume(ctx context.Context, volume string, f func(tar io.Reader) error) error {
	if ok, err := e.hasVolume(ctx, volume); err != nil || !ok {
		return errors.Join(err, notThere(volume, ok || err != nil))
	}
	return e.carry(ctx, map[string]string{carrierMount: volume}, func(id string) error {
		answer, err := e.api.CopyFromContainer(ctx, id, client.CopyFromContainerOptions{SourcePath: carrierMount})
		if err != nil {
			return fmt.Errorf("reading volume %s: %w", volume, err)
		}
		defer answer.Content.Close()
		return f(answer.Content)
	})
}

// notThere is said of a volume before an engine would make an empty one for whoever asks for it.
func notThere(volume string, there bool) error {
	if there {
		return nil
	}
	return fmt.Errorf("there is no volume %s", volume)
}

var errNoMore = errors.New("the engine takes no more")

// FillVolume lets f write the tar of a directory of the name it is told, which becomes the content of the volume.
func (e *Engine) FillVolume(ctx context.Context, volume string, f func(w io.Writer, dir string) error) error {
	return e.carry(ctx, map[string]string{carrierMount: volume}, func(id string) error {
		reader, writer := io.Pipe()
		written := make(chan error, 1)
		go func() {
			err := f(writer, carrierMount[1:])
			writer.CloseWithError(err)
			written <- err
		}()
		_, err := e.api.CopyToContainer(ctx, id, client.CopyToContainerOptions{DestinationPath: "/", Content: reader})
		reader.CloseWithError(errNoMore)
		if wrote := <-written; wrote != nil && !errors.Is(wrote, errNoMore) {
			return wrote // the cause; what the engine says then is about half a tar
		}
		if err != nil {
			return fmt.Errorf("filling volume %s: %w", volume, err)
		}
		return nil
	})
}

// CreateVolume makes an empty volume of a stack, as Compose would name it.
func (e *Engine) CreateVolume(ctx context.Context, name, project, key string) error {
	_, err := e.api.VolumeCreate(ctx, client.VolumeCreateOptions{Name: name, Labels: map[string]string{composeProject: project, composeVolume: key}})
	if err != nil {
		return fmt.Errorf("creating volume %s: %w", name, err)
	}
	return nil
}

// WithScratch calls f with the name of an empty volume, and removes it again. What runs that were killed have left goes
// first.
func (e *Engine) WithScratch(ctx context.Context, project string, f func(volume string) error) (err error) {
	if err := e.removeLeft(ctx, project); err != nil {
		return err
	}
	made, err := e.api.VolumeCreate(ctx, client.VolumeCreateOptions{Labels: map[string]string{labelRole: roleScratch, labelStack: project}})
	if err != nil {
		return fmt.Errorf("creating a volume: %w", err)
	}
	defer func() {
		_, removeErr := e.api.VolumeRemove(context.WithoutCancel(ctx), made.Volume.Name, client.VolumeRemoveOptions{Force: true})
		if removeErr != nil && !errdefs.IsNotFound(removeErr) {
			err = errors.Join(err, fmt.Errorf("removing a volume: %w", removeErr))
		}
	}()
	return f(made.Volume.Name)
}

// removeLeft removes tasks and scratch volumes that are older than any lives.
func (e *Engine) removeLeft(ctx context.Context, project string) error {
	tasks, err := e.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label", labelRole+"="+roleTask, labelStack+"="+project)})
	if err != nil {
		return fmt.Errorf("listing what is left of backups: %w", err)
	}
	for _, c := range tasks.Items {
		if time.Since(time.Unix(c.Created, 0)) < scratchAge {
			continue
		}
		if _, err := e.api.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true}); err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("removing what is left of a backup: %w", err)
		}
	}
	volumes, err := e.api.VolumeList(ctx, client.VolumeListOptions{Filters: make(client.Filters).Add("label", labelRole+"="+roleScratch, labelStack+"="+project)})
	if err != nil {
		return fmt.Errorf("listing what is left of backups: %w", err)
	}
	for _, v := range volumes.Items {
		made, err := time.Parse(time.RFC3339, v.CreatedAt)
		if err != nil || time.Since(made) < scratchAge {
			continue
		}
		if _, err := e.api.VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{}); err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
			return fmt.Errorf("removing what is left of a backup: %w", err)
		}
	}
	return nil
}

// VolumeMade returns when a volume was made, or false where there is none. Drivers of others need not say it.
func (e *Engine) VolumeMade(ctx context.Context, name string) (made time.Time, ok bool, err error) {
	found, err := e.api.VolumeInspect(ctx, name, client.VolumeInspectOptions{})
	if errdefs.IsNotFound(err) {
		return time.Time{}, false, nil
	}
	if err != nil {
		return time.Time{}, false, fmt.Errorf("looking at volume %s: %w", name, err)
	}
	made, err = time.Parse(time.RFC3339, found.Volume.CreatedAt)
	if err != nil {
		return time.Time{}, true, fmt.Errorf("looking at volume %s: the engine does not say when it was made", name)
	}
	return made, true, nil
}

// RunningImage returns the id of the image that a service's container was made of, or nothing where it has none.
func (e *Engine) RunningImage(ctx context.Context, project, service string) (string, error) {
	list, err := e.stackContainers(ctx, project)
	if err != nil {
		return "", err
	}
	for _, c := range list {
		if c.Config.Labels[composeService] == service {
			return c.Image, nil
		}
	}
	return "", nil
}
