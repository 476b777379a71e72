package converge

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	composeapi "github.com/docker/compose/v5/pkg/api"
	"github.com/docker/compose/v5/pkg/compose"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/engine"
)

// Down removes the containers and networks of a stack, and with volumes set its volumes and secrets too.
func (a *Applier) Down(ctx context.Context, project string, volumes bool) error {
	sdk, err := compose.NewComposeService(a.engine.CLI, compose.WithStreams(io.Discard, io.Discard, strings.NewReader("")))
	if err != nil {
		return fmt.Errorf("preparing the Compose SDK: %w", err)
	}
	if err := sdk.Down(ctx, project, composeapi.DownOptions{RemoveOrphans: true, Volumes: volumes}); err != nil {
		return fmt.Errorf("removing stack %s: %w", project, err)
	}
	if !volumes {
		return nil
	}
	list, err := a.engine.API.VolumeList(ctx, client.VolumeListOptions{Filters: make(client.Filters).Add("label", engine.LabelStack+"="+project)})
	if err != nil {
		return fmt.Errorf("listing the volumes of %s: %w", project, err)
	}
	if err := removeOwn(ctx, a.engine, project); err != nil {
		return err
	}
	if err := a.records.PruneImages(ctx, project, nil); err != nil {
		return err
	}
	for _, v := range list.Items {
		if _, err := a.engine.API.VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{Force: true}); err != nil {
			return fmt.Errorf("removing volume %s: %w", v.Name, err)
		}
	}
	return nil
}

// removeOwn removes the transfer containers, probes and the lock that a killed run of this stack has left.
func removeOwn(ctx context.Context, e *engine.Connection, stack string) error {
	list, err := e.API.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label", engine.LabelRole, engine.LabelStack+"="+stack)})
	if err != nil {
		return fmt.Errorf("listing what hsectl made for %s: %w", stack, err)
	}
	for _, c := range list.Items {
		if _, err := e.API.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true}); err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("removing what hsectl made for %s: %w", stack, err)
		}
	}
	return nil
}

// stopStack stops what runs of a stack, and keeps it for its logs.
func stopStack(ctx context.Context, e *engine.Connection, stack string) error {
	list, err := e.Stack(ctx, stack)
	if err != nil {
		return err
	}
	slices.Reverse(list)
	for _, c := range list {
		if _, err := e.API.ContainerStop(ctx, c.ID, client.ContainerStopOptions{}); err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("stopping container %s: %w", strings.TrimPrefix(c.Name, "/"), err)
		}
	}
	return nil
}
