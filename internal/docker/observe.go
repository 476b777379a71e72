package docker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/stack"
)

// unmapped returns the number that a user has inside of containers. An engine that maps user ids takes those of the
// inside when files are written, and tells those of its machine when they are read: root's, and the others counted from it.
func unmapped(u, root stack.User) stack.User {
	if u.UID >= root.UID && u.GID >= root.GID {
		return stack.User{UID: u.UID - root.UID, GID: u.GID - root.GID}
	}
	return u
}

// findImage returns the id that a reference means, and the name@sha256:… by which a registry has it, or nothing.
func (e *Engine) findImage(ctx context.Context, ref string) (id, digest string, err error) {
	found, err := e.api.ImageInspect(ctx, ref)
	if errdefs.IsNotFound(err) {
		return "", "", nil
	}
	if err != nil {
		return "", "", fmt.Errorf("looking for image %s: %w", ref, err)
	}
	for _, d := range found.RepoDigests {
		if name, _, _ := strings.Cut(d, "@"); name == repository(ref) {
			digest = d
		}
	}
	return found.ID, digest, nil
}

// repository returns a reference without its tag and digest.
func repository(ref string) string {
	ref, _, _ = strings.Cut(ref, "@")
	if i := strings.LastIndexByte(ref, ':'); i > strings.LastIndexByte(ref, '/') {
		ref = ref[:i]
	}
	return ref
}

func (e *Engine) hasVolume(ctx context.Context, name string) (bool, error) {
	_, err := e.api.VolumeInspect(ctx, name, client.VolumeInspectOptions{})
	if err != nil && !errdefs.IsNotFound(err) {
		return false, fmt.Errorf("looking for volume %s: %w", name, err)
	}
	return err == nil, nil
}

// running returns the containers of a stack by service.
func (e *Engine) running(ctx context.Context, project string) (map[string][]deploy.Running, error) {
	list, err := e.stackContainers(ctx, project)
	if err != nil {
		return nil, err
	}
	out := map[string][]deploy.Running{}
	for _, c := range list {
		service := c.Config.Labels[composeService]
		r := deploy.Running{ID: c.ID, Name: strings.TrimPrefix(c.Name, "/"), Image: c.Image, Well: wellOff(c) && !replaced.MatchString(c.Name), State: stateOf(c), Fields: fieldsOf(c, project)}
		out[service] = append(out[service], r)
	}
	return out, nil
}

// Identities returns the id of the container of each service of a stack. Counters of the kernel are named by it.
func (e *Engine) Identities(ctx context.Context, project string) (map[string]string, error) {
	list, err := e.stackContainers(ctx, project)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, c := range list {
		out[c.Config.Labels[composeService]] = c.ID
	}
	return out, nil
}

// stopStack stops what runs of a stack, and keeps it for its logs.
func (e *Engine) stopStack(ctx context.Context, stack string) error {
	list, err := e.stackContainers(ctx, stack)
	if err != nil {
		return err
	}
	slices.Reverse(list)
	for _, c := range list {
		if _, err := e.api.ContainerStop(ctx, c.ID, client.ContainerStopOptions{}); err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("stopping container %s: %w", strings.TrimPrefix(c.Name, "/"), err)
		}
	}
	return nil
}
