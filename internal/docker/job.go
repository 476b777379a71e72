package docker

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/deploy"
)

// runJob runs a service of a stack to its end, passes on what it printed, and removes its container.
func (e *Engine) runJob(ctx context.Context, project, name string, step *deploy.ComposeStep, report func(deploy.Event)) (err error) {
	if err := e.removeJob(ctx, project, name); err != nil { // left by a run that was killed
		return err
	}
	defer func() { err = errors.Join(err, e.removeJob(context.WithoutCancel(ctx), project, name)) }()
	if err := e.converge(ctx, project, step, report); err != nil {
		return err
	}
	list, err := e.stackContainers(ctx, project)
	if err != nil {
		return err
	}
	for _, c := range list {
		if c.Config.Labels[composeService] != name {
			continue
		}
		logs, err := e.logs(ctx, c.ID, 0)
		if err != nil {
			return err
		}
		for _, line := range lastLines(logs, math.MaxInt) {
			report(deploy.Event{Kind: deploy.LogEvent, Subject: name, Text: line})
		}
	}
	return nil
}

func (e *Engine) removeJob(ctx context.Context, project, name string) error {
	list, err := e.stackContainers(ctx, project)
	if err != nil {
		return err
	}
	for _, c := range list {
		if c.Config.Labels[composeService] != name {
			continue
		}
		if _, err := e.api.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true}); err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("removing the container of job %s: %w", name, err)
		}
	}
	return nil
}
