package converge

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/engine"
)

// runJob runs a service of a stack to its end, passes on what it printed, and removes its container.
func (a *Applier) runJob(ctx context.Context, project, name string, step *deploy.ComposeStep, report func(deploy.Event)) (err error) {
	if err := a.removeJob(ctx, project, name); err != nil { // left by a run that was killed
		return err
	}
	defer func() {
		ending, cancel := a.engine.Cleanup(ctx)
		defer cancel()
		err = errors.Join(err, a.removeJob(ending, project, name))
	}()
	if err := a.converge(ctx, project, step, report); err != nil {
		return err
	}
	list, err := a.engine.Stack(ctx, project)
	if err != nil {
		return err
	}
	for _, c := range list {
		if c.Config.Labels[engine.ComposeService] != name {
			continue
		}
		logs, err := a.engine.Logs(ctx, c.ID, 0)
		if err != nil {
			return err
		}
		for _, line := range display.LastLines(logs, math.MaxInt) {
			report(deploy.Event{Kind: deploy.LogEvent, Subject: name, Text: line})
		}
	}
	return nil
}

func (a *Applier) removeJob(ctx context.Context, project, name string) error {
	list, err := a.engine.Stack(ctx, project)
	if err != nil {
		return err
	}
	for _, c := range list {
		if c.Config.Labels[engine.ComposeService] != name {
			continue
		}
		if _, err := a.engine.API.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true}); err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("removing the container of job %s: %w", name, err)
		}
	}
	return nil
}
