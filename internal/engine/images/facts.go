package images

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/image/facts"
)

// Configured is the configuration of an image of the engine, with its id.
func (t *Transfer) Configured(ctx context.Context, reference string) (id string, c facts.Config, err error) {
	found, err := t.engine.API.ImageInspect(ctx, reference)
	if errdefs.IsNotFound(err) {
		return "", facts.Config{}, fmt.Errorf("%w %s", ErrNoImage, reference)
	}
	if err != nil {
		return "", facts.Config{}, fmt.Errorf("inspecting image %s: %w", reference, err)
	}
	c = facts.Config{OS: found.Os, Platform: found.Architecture}
	if from := found.Config; from != nil {
		c.User, c.Entrypoint, c.Command, c.Env, c.WorkingDir, c.StopSignal, c.Labels = from.User, from.Entrypoint, from.Cmd, from.Env, from.WorkingDir, from.StopSignal, from.Labels
		for port := range from.ExposedPorts {
			c.Ports = append(c.Ports, port)
		}
		for volume := range from.Volumes {
			c.Volumes = append(c.Volumes, volume)
		}
		slices.Sort(c.Ports)
		slices.Sort(c.Volumes)
		if from.Healthcheck != nil {
			h := from.Healthcheck
			c.Health = facts.Health{Test: h.Test, Interval: h.Interval, Timeout: h.Timeout, StartPeriod: h.StartPeriod, StartInterval: h.StartInterval, Retries: h.Retries}
		}
	}
	return found.ID, c, nil
}

// Shown reads what an image of the engine shows. Its files are read through a container that is created from it and never started.
func (t *Transfer) Shown(ctx context.Context, id string, c facts.Config) (out facts.Facts, err error) {
	created, err := t.engine.Create(ctx, client.ContainerCreateOptions{
		Config:     &container.Config{Image: id, Entrypoint: []string{"/never-started"}, Labels: map[string]string{engine.LabelRole: "carrier"}},
		HostConfig: &container.HostConfig{NetworkMode: "none", CapDrop: []string{"ALL"}},
	})
	if err != nil {
		return facts.Facts{}, fmt.Errorf("creating a container to read image %s: %w", id, err)
	}
	defer func() { err = errors.Join(err, t.engine.Discard(ctx, created.ID)) }()
	return facts.Read(ctx, c, &imageFiles{engine: t.engine, container: created.ID}, "curl"), nil
}

// imageFiles reads files through a container, a bounded part of each.
type imageFiles struct {
	engine    *engine.Connection
	container string
	read      int
}

// Bounds of what is read of one image.
const (
	mostLinks = 8
	mostReads = 200
)

var errTooMuch = errors.New("too many files are asked for")

// File implements facts.Reader. Links are followed within the image.
func (i *imageFiles) File(ctx context.Context, name string) (facts.File, bool, error) {
	for range mostLinks {
		name = path.Clean("/" + name)
		if i.read++; i.read > mostReads {
			return facts.File{}, false, errTooMuch
		}
		file, link, err := i.one(ctx, name)
		switch {
		case errdefs.IsNotFound(err):
			return facts.File{}, false, nil
		case err != nil:
			return facts.File{}, false, err
		case link == "":
			return file, true, nil
		case path.IsAbs(link):
			name = link
		default:
			name = path.Join(path.Dir(name), link)
		}
	}
	return facts.File{}, false, nil // a circle, or nearly one: the kernel does not follow it, either
}

func (i *imageFiles) one(ctx context.Context, name string) (file facts.File, link string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // of a directory no more than its own entry is read
	answer, err := i.engine.API.CopyFromContainer(ctx, i.container, client.CopyFromContainerOptions{SourcePath: name})
	if err != nil {
		return facts.File{}, "", err
	}
	defer answer.Content.Close()
	r := tar.NewReader(answer.Content)
	h, err := r.Next()
	if err != nil {
		return facts.File{}, "", fmt.Errorf("reading %s: %w", name, err)
	}
	file = facts.File{Path: name, Mode: h.Mode & 0o7777, UID: h.Uid, GID: h.Gid, Directory: h.Typeflag == tar.TypeDir,
		Capabilities: []byte(h.PAXRecords["SCHILY.xattr.security.capability"])}
	switch h.Typeflag {
	case tar.TypeSymlink:
		return file, strings.TrimSpace(h.Linkname), nil
	case tar.TypeReg:
		if file.Content, err = io.ReadAll(io.LimitReader(r, facts.MaxContent)); err != nil {
			return facts.File{}, "", fmt.Errorf("reading %s: %w", name, err)
		}
		file.Whole = h.Size <= facts.MaxContent
	}
	return file, "", nil
}
