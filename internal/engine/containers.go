package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"
)

// Create creates a container to its end even when the work is interrupted: a request that is cut off may still make a
// container, which nobody would remove.
func (e *Connection) Create(ctx context.Context, o client.ContainerCreateOptions) (client.ContainerCreateResult, error) {
	if err := ctx.Err(); err != nil {
		return client.ContainerCreateResult{}, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), CreateTimeout)
	defer cancel()
	created, err := e.API.ContainerCreate(ctx, o)
	if empty := e.EmptyImage(); errdefs.IsNotFound(err) && o.Config.Image == empty.Reference {
		if err := e.LoadStatic(ctx, empty); err != nil {
			return created, err
		}
		return e.API.ContainerCreate(ctx, o)
	}
	return created, err
}

// Cleanup is for what is taken away even when the work was interrupted, but not for longer than an engine may take to answer.
func (e *Connection) Cleanup(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), e.Bounds.Answer)
}

// Discard removes a container with its unnamed volumes, even when the work was interrupted. One that is gone, or is going, is
// no error.
func (e *Connection) Discard(ctx context.Context, id string) error {
	ctx, cancel := e.Cleanup(ctx)
	defer cancel()
	_, err := e.API.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
		return fmt.Errorf("removing container %s: %w", id[:min(12, len(id))], err)
	}
	return nil
}

// InspectParallel bounds the questions about containers that are asked at once.
const InspectParallel = 16

// Stack returns the containers of a stack in full. One that vanishes meanwhile is left out.
func (e *Connection) Stack(ctx context.Context, project string) ([]container.InspectResponse, error) {
	list, err := e.API.ContainerList(ctx, client.ContainerListOptions{All: true,
		Filters: make(client.Filters).Add("label", ComposeProject+"="+project)})
	if err != nil {
		return nil, fmt.Errorf("listing the containers of %s: %w", project, err)
	}
	inspected := make([]*container.InspectResponse, len(list.Items))
	asking, asked := errgroup.WithContext(ctx)
	asking.SetLimit(InspectParallel)
	for i, item := range list.Items {
		if item.Labels[LabelRole] != "" || item.Labels[ComposeOneoff] == "True" {
			continue
		}
		asking.Go(func() error {
			c, err := e.API.ContainerInspect(asked, item.ID, client.ContainerInspectOptions{})
			if err != nil && !errdefs.IsNotFound(err) {
				return fmt.Errorf("inspecting container %s: %w", strings.Join(item.Names, " "), err)
			}
			if err == nil {
				inspected[i] = &c.Container
			}
			return nil
		})
	}
	if err := asking.Wait(); err != nil {
		return nil, err
	}
	var out []container.InspectResponse
	for _, c := range inspected {
		if c != nil {
			out = append(out, *c)
		}
	}
	slices.SortFunc(out, func(a, b container.InspectResponse) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// First returns a container of a service, which must have one.
func (e *Connection) First(ctx context.Context, project, service string) (container.InspectResponse, error) {
	list, err := e.Stack(ctx, project)
	if err != nil {
		return container.InspectResponse{}, err
	}
	for _, c := range list {
		if c.Config.Labels[ComposeService] == service {
			return c, nil
		}
	}
	return container.InspectResponse{}, fmt.Errorf("service %s of stack %s has no container", service, project)
}

// ContainerIDs returns the ids of the containers of a stack, by service.
func (e *Connection) ContainerIDs(ctx context.Context, stack string) (map[string][]string, error) {
	list, err := e.Stack(ctx, stack)
	if err != nil {
		return nil, err
	}
	out := map[string][]string{}
	for _, c := range list {
		service := c.Config.Labels[ComposeService]
		out[service] = append(out[service], c.ID)
	}
	return out, nil
}

// Service returns the containers of one service of a stack.
func (e *Connection) Service(ctx context.Context, project, service string) ([]container.InspectResponse, error) {
	list, err := e.Stack(ctx, project)
	return slices.DeleteFunc(list, func(c container.InspectResponse) bool { return c.Config.Labels[ComposeService] != service }), err
}

// Labels that mark what hsectl makes on an engine.
const (
	LabelRole    = "dev.hsectl.role" // probe, carrier, secrets
	LabelStack   = "dev.hsectl.stack"
	LabelService = "dev.hsectl.service"
	LabelVersion = "dev.hsectl.version"
)

// Labels of Compose, so that its own tools see hsectl's containers and volumes as theirs.
const (
	ComposeProject = "com.docker.compose.project"
	ComposeService = "com.docker.compose.service"
	ComposeVolume  = "com.docker.compose.volume"
	ComposeOneoff  = "com.docker.compose.oneoff"
)
