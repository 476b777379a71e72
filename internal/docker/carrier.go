package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/stack"
)

const (
	carrierAge = 30 * time.Minute // beyond the life of any carrier
)

// carrierMount is where a carrier has its volume when it has only one.
const carrierMount = "/v"

// createTimeout bounds the creation of a container, which copies an image's content into new volumes.
const createTimeout = 2 * time.Minute

// carry runs f with a container that has the volumes mounted, by path, and is never started. The engine's archive API
// works on the volumes of such a container, so files reach a volume on any engine, local or remote, without running
// anything. The image of carriers is empty, so new volumes get nothing of it.
func (e *Engine) carry(ctx context.Context, volumes map[string]string, f func(id string) error) error {
	return e.carryAs(ctx, e.carrierImage().Reference, volumes, f)
}

// carryAs is carry with another image, whose content at the path of a new volume goes into that.
func (e *Engine) carryAs(ctx context.Context, imageRef string, volumes map[string]string, f func(id string) error) (err error) {
	id, err := e.newCarrier(ctx, imageRef, volumes)
	if err != nil {
		return err
	}
	defer func() {
		// The carrier goes even when the work was interrupted.
		err = errors.Join(err, e.removeCarrier(context.WithoutCancel(ctx), id))
	}()
	return f(id)
}

// newCarrier creates a carrier, which its caller removes.
func (e *Engine) newCarrier(ctx context.Context, imageRef string, volumes map[string]string) (string, error) {
	var mounts []mount.Mount
	for at, volume := range volumes {
		mounts = append(mounts, mount.Mount{Type: mount.TypeVolume, Source: volume, Target: at})
	}
	labels := map[string]string{labelRole: "carrier"}
	if e.held != nil {
		labels[labelStack], labels[labelToken] = e.held.stack, e.held.holder.Token
	}
	created, err := e.create(ctx, client.ContainerCreateOptions{
		Config: &container.Config{Image: imageRef, Entrypoint: []string{"/never-started"}, Labels: labels},
		HostConfig: &container.HostConfig{
			NetworkMode: "none", CapDrop: []string{"ALL"}, Mounts: mounts,
		},
	})
	if err != nil {
		return "", fmt.Errorf("creating a carrier for volumes: %w", err)
	}
	return created.ID, nil
}

// removeCarrier removes a carrier, and with it the unnamed volumes that its image asks for.
func (e *Engine) removeCarrier(ctx context.Context, id string) error {
	_, err := e.api.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
		return fmt.Errorf("removing a carrier: %w", err)
	}
	return nil
}

// create creates a container to its end even when the work is interrupted: a request that is cut off may still make a
// container, which nobody would remove.
func (e *Engine) create(ctx context.Context, o client.ContainerCreateOptions) (client.ContainerCreateResult, error) {
	if err := ctx.Err(); err != nil {
		return client.ContainerCreateResult{}, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), createTimeout)
	defer cancel()
	created, err := e.api.ContainerCreate(ctx, o)
	if carrier := e.carrierImage(); errdefs.IsNotFound(err) && o.Config.Image == carrier.Reference {
		if err := e.load(ctx, carrier); err != nil {
			return created, err
		}
		return e.api.ContainerCreate(ctx, o)
	}
	return created, err
}

// removeCarriers removes what runs that were killed have left: all that former holders of the stack's lock made, and
// those of readers that are older than a carrier lives, compared with the lock itself, which the caller holds since then.
func (e *Engine) removeCarriers(ctx context.Context, stack string, since time.Time) error {
	list, err := e.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label", labelRole+"=carrier")})
	if err != nil {
		return fmt.Errorf("listing carriers: %w", err)
	}
	for _, c := range list.Items {
		old := c.Labels[labelStack] == "" && since.Sub(time.Unix(c.Created, 0)) > carrierAge
		if c.Labels[labelStack] != stack && !old || c.Labels[labelToken] == e.held.holder.Token {
			continue
		}
		if err := e.removeCarrier(ctx, c.ID); err != nil {
			return err
		}
	}
	return nil
}

// carrierImage is the empty image of carriers. It is loaded where one cannot be created for want of it.
func (e *Engine) carrierImage() image.Static {
	return image.NewStatic("hsectl/carrier", e.os, e.arch, []byte("hsectl: never started\n"))
}

// load brings an image to the engine unless it is there.
func (e *Engine) load(ctx context.Context, img image.Static) error {
	_, err := e.api.ImageInspect(ctx, img.Reference)
	if err == nil {
		return nil
	}
	if !errdefs.IsNotFound(err) {
		return fmt.Errorf("looking for image %s: %w", img.Reference, err)
	}
	reader, writer := io.Pipe()
	go func() { writer.CloseWithError(img.Write(writer)) }()
	defer reader.Close()
	answer, err := e.api.ImageLoad(ctx, reader)
	if err != nil {
		return fmt.Errorf("loading image %s: %w", img.Reference, err)
	}
	defer answer.Close()
	if _, err := io.Copy(io.Discard, answer); err != nil {
		return fmt.Errorf("loading image %s: %w", img.Reference, err)
	}
	if _, err := e.api.ImageInspect(ctx, img.Reference); err != nil {
		return fmt.Errorf("loading image %s: the engine did not keep it: %w", img.Reference, err)
	}
	return nil
}

// own gives the root directories of volumes to users. An entry for a mount point itself, put to what is above it, sets
// owner and mode of the volume's root.
func (e *Engine) own(ctx context.Context, id string, volumes []*deploy.VolumeStep) error {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	var err error
	var names []string
	for _, v := range volumes {
		err = errors.Join(err, w.WriteHeader(&tar.Header{Name: strings.TrimPrefix(path.Clean(v.Path), "/") + "/", Typeflag: tar.TypeDir, Mode: int64(v.Mode), Uid: v.Owner.UID, Gid: v.Owner.GID}))
		names = append(names, v.Name)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	_, err = e.api.CopyToContainer(ctx, id, client.CopyToContainerOptions{DestinationPath: "/", Content: &b})
	if err != nil {
		return fmt.Errorf("handing %s to those who write there: %w", strings.Join(names, ", "), err)
	}
	return nil
}

// rootOf reads owner and mode of the root of the volume mounted at a path. Only the first header is read.
func (e *Engine) rootOf(ctx context.Context, id, at string) (deploy.Volume, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answer, err := e.api.CopyFromContainer(ctx, id, client.CopyFromContainerOptions{SourcePath: at})
	if err != nil {
		return deploy.Volume{}, fmt.Errorf("reading the volume at %s: %w", at, err)
	}
	defer answer.Content.Close()
	h, err := tar.NewReader(answer.Content).Next()
	if err != nil {
		return deploy.Volume{}, fmt.Errorf("reading the volume at %s: %w", at, err)
	}
	return deploy.Volume{Owner: stack.User{UID: h.Uid, GID: h.Gid}, Mode: int(h.Mode & 0o7777)}, nil
}
