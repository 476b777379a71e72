package docker

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/containerd/errdefs"
	composeapi "github.com/docker/compose/v5/pkg/api"
	"github.com/docker/compose/v5/pkg/compose"
	"github.com/moby/moby/client"
)

// Down removes the containers and networks of a stack, and with volumes set its volumes and secrets too.
func (e *Engine) Down(ctx context.Context, project string, volumes bool) error {
	sdk, err := compose.NewComposeService(e.cli, compose.WithStreams(io.Discard, io.Discard, strings.NewReader("")))
	if err != nil {
		return fmt.Errorf("preparing the Compose SDK: %w", err)
	}
	if err := sdk.Down(ctx, project, composeapi.DownOptions{RemoveOrphans: true, Volumes: volumes}); err != nil {
		return fmt.Errorf("removing stack %s: %w", project, err)
	}
	if !volumes {
		return nil
	}
	list, err := e.api.VolumeList(ctx, client.VolumeListOptions{Filters: make(client.Filters).Add("label", labelStack+"="+project)})
	if err != nil {
		return fmt.Errorf("listing the volumes of %s: %w", project, err)
	}
	if err := e.removeOwn(ctx, project); err != nil {
		return err
	}
	if err := e.pruneImages(ctx, project, nil); err != nil {
		return err
	}
	for _, v := range list.Items {
		if _, err := e.api.VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{Force: true}); err != nil {
			return fmt.Errorf("removing volume %s: %w", v.Name, err)
		}
	}
	return nil
}

// removeOwn removes the carriers, probes and the lock that a killed run of this stack has left.
func (e *Engine) removeOwn(ctx context.Context, stack string) error {
	list, err := e.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label", labelRole, labelStack+"="+stack)})
	if err != nil {
		return fmt.Errorf("listing what hsectl made for %s: %w", stack, err)
	}
	for _, c := range list.Items {
		if _, err := e.api.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true}); err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("removing what hsectl made for %s: %w", stack, err)
		}
	}
	return nil
}
