package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/hsectl/hsectl/internal/display"
)

// Create creates a container to its end even when the work is interrupted: an interrupted request may still make a
// container, which nothing would remove.
func (e *Connection) Create(ctx context.Context, o client.ContainerCreateOptions) (client.ContainerCreateResult, error) {
	if err := ctx.Err(); err != nil {
		return client.ContainerCreateResult{}, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), CreateTimeout)
	defer cancel()
	created, err := e.API.ContainerCreate(ctx, o)
	if err == nil && created.ID == "" {
		return created, &InvalidError{"a container that it created", "no id"}
	}
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
		return fmt.Errorf("removing container %s: %w", display.ID(id), err)
	}
	return nil
}

// InspectParallel bounds the questions about containers that are asked at once.
const InspectParallel = 16

// Container is what an engine says of a container, when it says enough: an id, its state, its configuration and that of its host.
// Everything that looks at a container takes one of these, and need not ask again whether something is there.
type Container struct {
	container.InspectResponse
	Raw json.RawMessage // the answer itself, which may have more than this program knows
}

// InvalidError is an answer of an engine that cannot be one.
type InvalidError struct{ What, Lacks string }

// Error implements error.
func (e *InvalidError) Error() string {
	return fmt.Sprintf("the engine's answer about %s has %s", e.What, e.Lacks)
}

// NewContainer checks what an engine says of a container.
func NewContainer(c container.InspectResponse) (Container, error) {
	lacks := ""
	switch {
	case len(c.ID) < 12:
		lacks = "no id"
	case c.State == nil:
		lacks = "no State"
	case c.Config == nil:
		lacks = "no Config"
	case c.HostConfig == nil:
		lacks = "no HostConfig"
	}
	if lacks != "" {
		return Container{}, &InvalidError{"container " + cmp.Or(strings.TrimPrefix(c.Name, "/"), c.ID, "without a name"), lacks}
	}
	if h := c.State.Health; h != nil {
		h.Log = slices.DeleteFunc(h.Log, func(r *container.HealthcheckResult) bool { return r == nil })
	}
	if n := c.NetworkSettings; n != nil {
		maps.DeleteFunc(n.Networks, func(_ string, to *network.EndpointSettings) bool { return to == nil })
	}
	return Container{InspectResponse: c}, nil
}

// Networks are those that a container has joined, by name.
func (c Container) Networks() map[string]*network.EndpointSettings {
	if c.NetworkSettings == nil {
		return nil
	}
	return c.NetworkSettings.Networks
}

// Inspect returns a container by its id or name.
func (e *Connection) Inspect(ctx context.Context, id string) (Container, error) {
	found, err := e.API.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return Container{}, fmt.Errorf("inspecting container %s: %w", display.ID(id), err)
	}
	c, err := NewContainer(found.Container)
	c.Raw = found.Raw
	return c, err
}

// Stack returns the containers of a stack in full. One that vanishes meanwhile is left out.
func (e *Connection) Stack(ctx context.Context, project string) ([]Container, error) {
	list, err := e.API.ContainerList(ctx, client.ContainerListOptions{All: true,
		Filters: make(client.Filters).Add("label", ComposeProject+"="+project)})
	if err != nil {
		return nil, fmt.Errorf("listing the containers of %s: %w", project, err)
	}
	inspected := make([]*Container, len(list.Items))
	asking, asked := errgroup.WithContext(ctx)
	asking.SetLimit(InspectParallel)
	for i, item := range list.Items {
		if item.Labels[LabelRole] != "" || item.Labels[ComposeOneoff] == "True" {
			continue
		}
		asking.Go(func() error {
			c, err := e.Inspect(asked, item.ID)
			if err == nil {
				inspected[i] = &c
			}
			if errdefs.IsNotFound(err) {
				return nil
			}
			return err
		})
	}
	if err := asking.Wait(); err != nil {
		return nil, err
	}
	var out []Container
	for _, c := range inspected {
		if c != nil {
			out = append(out, *c)
		}
	}
	slices.SortFunc(out, func(a, b Container) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// First returns a container of a service, which must have one.
func (e *Connection) First(ctx context.Context, project, service string) (Container, error) {
	list, err := e.Stack(ctx, project)
	if err != nil {
		return Container{}, err
	}
	for _, c := range list {
		if c.Config.Labels[ComposeService] == service {
			return c, nil
		}
	}
	return Container{}, fmt.Errorf("service %s of stack %s has no container", service, project)
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
func (e *Connection) Service(ctx context.Context, project, service string) ([]Container, error) {
	list, err := e.Stack(ctx, project)
	return slices.DeleteFunc(list, func(c Container) bool { return c.Config.Labels[ComposeService] != service }), err
}

// Labels that mark what hsectl makes on an engine.
const (
	LabelRole    = "dev.hsectl.role" // probe, carrier, secrets
	LabelStack   = "dev.hsectl.stack"
	LabelService = "dev.hsectl.service"
	LabelVersion = "dev.hsectl.version"
)

// RoleTask is the role of a program that runs once with the settings of a service.
const RoleTask = "task"

// TaskRecord names the volume by which it is recorded that a container is a task.
func TaskRecord(id string) string { return "hsectl.task." + id }

// Labels of Compose, so that its own tools see hsectl's containers and volumes as theirs.
const (
	ComposeProject = "com.docker.compose.project"
	ComposeService = "com.docker.compose.service"
	ComposeVolume  = "com.docker.compose.volume"
	ComposeOneoff  = "com.docker.compose.oneoff"
)
