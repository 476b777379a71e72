// Package volumes reads and writes the volumes of an engine without running anything: through containers that are created
// and never started.
package volumes

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/deploy/datadir"
	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/stack"
)

// Archive reads and writes volumes of an engine through its archive API.
type Archive struct {
	engine *engine.Connection
	held   *Held  // the lock under which volumes are changed; nil when they are only read
	maker  string // names this process, so that its end can be seen on its own machine; empty for unknown
}

// New returns the volumes of an engine.
func New(e *engine.Connection) *Archive { return &Archive{engine: e} }

// MadeBy marks what is made from now on with the process that makes it.
func (a *Archive) MadeBy(process string) { a.maker = process }

// mountAge is beyond the life of any transfer container.
const mountAge = 30 * time.Minute

// LabelToken marks what a holder of a lock has made, and its lock.
const LabelToken = "dev.hsectl.lock.token"

// labelMaker marks a transfer container with the process that made it.
const labelMaker = "dev.hsectl.process"

// MountPoint is where a transfer container has its volume when it has only one.
const MountPoint = "/v"

// Held says under which lock volumes are changed.
type Held struct{ Stack, Token string }

// Hold marks the transfer containers that are made from now on with the lock that they are made under; nil with none.
func (a *Archive) Hold(h *Held) { a.held = h }

// Mounted runs f with a container that has the volumes mounted, by path, and is never started. The engine's archive API
// works on the volumes of such a container, so files reach a volume on any engine, local or remote, without running
// anything. The image of transfer containers is empty, so new volumes get nothing of it.
func (a *Archive) Mounted(ctx context.Context, volumes map[string]string, f func(id string) error) error {
	return a.MountedWith(ctx, a.engine.EmptyImage().Reference, volumes, f)
}

// MountedWith is Mounted with another image, whose content at the path of a new volume goes into that.
func (a *Archive) MountedWith(ctx context.Context, imageRef string, volumes map[string]string, f func(id string) error) (err error) {
	id, err := a.Mount(ctx, imageRef, volumes)
	if err != nil {
		return err
	}
	defer func() {
		// The transfer container goes even when the work was interrupted.
		err = errors.Join(err, a.Unmount(ctx, id))
	}()
	return f(id)
}

// Mount creates a transfer container, which its caller removes.
func (a *Archive) Mount(ctx context.Context, imageRef string, volumes map[string]string) (string, error) {
	var mounts []mount.Mount
	for at, volume := range volumes {
		mounts = append(mounts, mount.Mount{Type: mount.TypeVolume, Source: volume, Target: at})
	}
	labels := map[string]string{engine.LabelRole: "carrier", labelMaker: a.maker}
	if a.held != nil {
		labels[engine.LabelStack], labels[LabelToken] = a.held.Stack, a.held.Token
	}
	created, err := a.engine.Create(ctx, client.ContainerCreateOptions{
		Config: &container.Config{Image: imageRef, Entrypoint: []string{"/never-started"}, Labels: labels},
		HostConfig: &container.HostConfig{
			NetworkMode: "none", CapDrop: []string{"ALL"}, Mounts: mounts,
		},
	})
	if err != nil {
		return "", fmt.Errorf("creating a container for volumes: %w", err)
	}
	return created.ID, nil
}

// Unmount removes a transfer container, and with it the unnamed volumes that its image asks for, even when the work was
// interrupted.
func (a *Archive) Unmount(ctx context.Context, id string) error { return a.engine.Discard(ctx, id) }

// UnmountStale removes what runs that were killed have left: all that former holders of the stack's lock made, and
// those of readers whose process has surely ended, or that are older than a transfer container lives, compared with the lock itself, which
// the caller holds since then. Volumes that such a container has could not be removed.
func (a *Archive) UnmountStale(ctx context.Context, stack string, since time.Time, gone func(process string) bool) error {
	list, err := a.engine.API.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label", engine.LabelRole+"=carrier")})
	if err != nil {
		return fmt.Errorf("listing transfer containers: %w", err)
	}
	for _, c := range list.Items {
		old := c.Labels[engine.LabelStack] == "" && (gone(c.Labels[labelMaker]) || since.Sub(time.Unix(c.Created, 0)) > mountAge)
		if c.Labels[engine.LabelStack] != stack && !old || c.Labels[LabelToken] == a.held.Token {
			continue
		}
		if err := a.Unmount(ctx, c.ID); err != nil {
			return err
		}
	}
	return nil
}

// Chown gives the root directories of volumes to users. An entry for a mount point itself, put to what is above it, sets
// owner and mode of the volume's root.
func (a *Archive) Chown(ctx context.Context, id string, volumes []*deploy.VolumeStep) error {
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
	_, err = a.engine.API.CopyToContainer(ctx, id, client.CopyToContainerOptions{DestinationPath: "/", Content: &b})
	if err != nil {
		return fmt.Errorf("changing the owner of %s: %w", strings.Join(names, ", "), err)
	}
	return nil
}

var versionText = regexp.MustCompile(`^\d{1,3}(\.\d{1,3})?$`)

// VersionIn returns the version of the database whose version file that is, or nothing.
func VersionIn(name string, content io.Reader) string {
	if path.Base(name) != datadir.VersionFile {
		return ""
	}
	data, err := io.ReadAll(io.LimitReader(content, 16))
	if text := strings.TrimSpace(string(data)); err == nil && versionText.MatchString(text) {
		return text
	}
	return ""
}

// Root reads owner and mode of the root of the volume mounted at a path, and whether a file below it has content. It reads no
// further than to the first that has.
func (a *Archive) Root(ctx context.Context, id, at string) (deploy.Volume, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answer, err := a.engine.API.CopyFromContainer(ctx, id, client.CopyFromContainerOptions{SourcePath: at})
	if err != nil {
		return deploy.Volume{}, fmt.Errorf("reading the volume at %s: %w", at, err)
	}
	defer answer.Content.Close()
	r := tar.NewReader(answer.Content)
	h, err := r.Next()
	if err != nil {
		return deploy.Volume{}, fmt.Errorf("reading the volume at %s: %w", at, err)
	}
	out := deploy.Volume{Owner: stack.User{UID: h.Uid, GID: h.Gid}, Mode: int(h.Mode & 0o7777)}
	for err == nil && !out.Filled {
		if h, err = r.Next(); err == nil {
			out.Filled = h.Typeflag == tar.TypeReg && h.Size > 0
			if out.Filled {
				out.Version, out.Snapshot = VersionIn(h.Name, r), path.Base(h.Name) == datadir.SnapshotFile
			}
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return deploy.Volume{}, fmt.Errorf("reading the volume at %s: %w", at, err)
	}
	return out, nil
}
