package volumes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/engine"
)

// Exists tells whether the engine has a volume.
func (a *Archive) Exists(ctx context.Context, name string) (bool, error) {
	_, err := a.engine.API.VolumeInspect(ctx, name, client.VolumeInspectOptions{})
	if err != nil && !errdefs.IsNotFound(err) {
		return false, fmt.Errorf("looking for volume %s: %w", name, err)
	}
	return err == nil, nil
}

// ReadVolume passes the tar of a volume's root directory to f, through a transfer container: nothing runs for it.
func (a *Archive) ReadVolume(ctx context.Context, volume string, f func(tar io.Reader) error) error {
	if ok, err := a.Exists(ctx, volume); err != nil || !ok {
		return errors.Join(err, notThere(volume, ok || err != nil))
	}
	return a.Mounted(ctx, map[string]string{MountPoint: volume}, func(id string) error {
		answer, err := a.engine.API.CopyFromContainer(ctx, id, client.CopyFromContainerOptions{SourcePath: MountPoint})
		if err != nil {
			return fmt.Errorf("reading volume %s: %w", volume, err)
		}
		defer answer.Content.Close()
		return f(answer.Content)
	})
}

// notThere says that a volume is missing, before the engine would create an empty one of that name.
func notThere(volume string, there bool) error {
	if there {
		return nil
	}
	return fmt.Errorf("volume %s not found", volume)
}

var errNoMore = errors.New("the engine stopped reading")

// WriteVolume lets f write the tar of a directory of the name it is told, which becomes the content of the volume.
func (a *Archive) WriteVolume(ctx context.Context, volume string, f func(w io.Writer, dir string) error) error {
	return a.Mounted(ctx, map[string]string{MountPoint: volume}, func(id string) error {
		reader, writer := io.Pipe()
		written := make(chan error, 1)
		go func() {
			err := f(writer, MountPoint[1:])
			writer.CloseWithError(err)
			written <- err
		}()
		err := a.engine.Bounds.Upload(ctx, "PUT /containers/"+id+"/archive", reader, func(ctx context.Context, content io.Reader) error {
			_, err := a.engine.API.CopyToContainer(ctx, id, client.CopyToContainerOptions{DestinationPath: "/", Content: content})
			return err
		})
		reader.CloseWithError(errNoMore)
		if wrote := <-written; wrote != nil && !errors.Is(wrote, errNoMore) {
			return wrote // the cause; what the engine says then is about half a tar
		}
		if err != nil {
			return fmt.Errorf("writing volume %s: %w", volume, err)
		}
		return nil
	})
}

// CreateVolume makes an empty volume of a stack, as Compose would name it.
func (a *Archive) CreateVolume(ctx context.Context, name, project, key string) error {
	_, err := a.engine.API.VolumeCreate(ctx, client.VolumeCreateOptions{Name: name, Labels: map[string]string{engine.ComposeProject: project, engine.ComposeVolume: key}})
	if err != nil {
		return fmt.Errorf("creating volume %s: %w", name, err)
	}
	return nil
}

// VolumeAge returns how old a volume is by the engine's clock, or false where there is none. Drivers of others need not say when
// they made one.
func (a *Archive) VolumeAge(ctx context.Context, name string) (age time.Duration, ok bool, err error) {
	found, err := a.engine.API.VolumeInspect(ctx, name, client.VolumeInspectOptions{})
	if errdefs.IsNotFound(err) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("inspecting volume %s: %w", name, err)
	}
	made, err := time.Parse(time.RFC3339, found.Volume.CreatedAt)
	if err != nil {
		return 0, true, fmt.Errorf("inspecting volume %s: the engine does not say when it was made", name)
	}
	now, err := a.engine.Now(ctx)
	if err != nil {
		return 0, true, err
	}
	return now.Sub(made), true, nil
}
