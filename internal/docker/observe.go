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

// Observe implements deploy.Engine. All volumes are looked at through one carrier.
func (e *Engine) Observe(ctx context.Context, d deploy.Desired) (deploy.Observed, error) {
	out := deploy.Observed{Images: map[string]string{}, Digests: map[string]string{}, Kept: map[string]bool{}, Volumes: map[string]deploy.Volume{}, Delivered: map[string]bool{}}
	var err error
	if out.Secrets, err = e.deliveredVolumes(ctx, roleSecrets, d.Stack.Name, out.Delivered); err != nil {
		return out, err
	}
	if out.Configs, err = e.deliveredVolumes(ctx, roleConfig, d.Stack.Name, out.Delivered); err != nil {
		return out, err
	}
	if d.Last != nil {
		inUse(out.Secrets, d.Last.Release.Secrets, out.Delivered)
		inUse(out.Configs, d.Last.Release.Configs, out.Delivered)
	}
	kept, err := e.keptImages(ctx, d.Stack.Name)
	if err != nil {
		return out, err
	}
	for _, id := range kept {
		out.Kept[id] = true
	}
	if out.Running, err = e.running(ctx, d.Stack.Name); err != nil {
		return out, err
	}
	mounts := map[string]string{} // by path in the carrier
	for _, s := range d.Stack.Services {
		if out.Images[s.Image], out.Digests[s.Image], err = e.findImage(ctx, s.Image); err != nil {
			return out, err
		}
		for _, w := range s.Volumes() {
			name := deploy.VolumeName(d.Stack, w.Volume)
			exists, err := e.hasVolume(ctx, name)
			if err != nil {
				return out, err
			}
			if exists {
				mounts["/volumes/"+name] = name
			}
		}
	}
	for _, states := range []map[string]deploy.SecretState{out.Secrets, out.Configs} {
		for _, state := range states {
			mounts["/delivered/"+state.Volume] = state.Volume
		}
	}
	if len(mounts) == 0 {
		return out, nil
	}
	ref, err := e.carrierImage(ctx)
	if err != nil {
		return out, err
	}
	return out, e.carry(ctx, ref, mounts, func(id string) error { return e.readVolumes(ctx, id, mounts, &out) })
}

// inUse replaces the newest volumes by those of a release: a failed deploy may have delivered others since.
func inUse(newest map[string]deploy.SecretState, release map[string]string, exists map[string]bool) {
	for service, volume := range release {
		if state := newest[service]; exists[volume] {
			state.Volume = volume
			newest[service] = state
		}
	}
}

func (e *Engine) readVolumes(ctx context.Context, id string, mounts map[string]string, out *deploy.Observed) error {
	root, err := e.rootOf(ctx, id, "/proc") // the engine made it, for the container's root
	if err != nil {
		return err
	}
	for at, name := range mounts {
		if strings.HasPrefix(at, "/volumes/") {
			state, err := e.rootOf(ctx, id, at)
			if err != nil {
				return err
			}
			state.Owner = unmapped(state.Owner, root.Owner)
			out.Volumes[name] = state
		}
	}
	for _, states := range []map[string]deploy.SecretState{out.Secrets, out.Configs} {
		for service, state := range states {
			if err := e.readDelivered(ctx, id, "/delivered/"+state.Volume, &state); err != nil {
				return err
			}
			state.Owner = unmapped(state.Owner, root.Owner)
			states[service] = state
		}
	}
	return nil
}

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
func (e *Engine) running(ctx context.Context, stack string) (map[string][]deploy.Running, error) {
	list, err := e.stackContainers(ctx, stack)
	if err != nil {
		return nil, err
	}
	out := map[string][]deploy.Running{}
	for _, c := range list {
		service := c.Config.Labels[composeService]
		r := deploy.Running{ID: c.ID, Name: strings.TrimPrefix(c.Name, "/"), Image: c.Image, Well: wellOff(c) && !replaced.MatchString(c.Name), State: stateOf(c), Fields: fieldsOf(c, stack)}
		out[service] = append(out[service], r)
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
