package converge

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/engine/expectation"
)

// restartDependents restarts, one after the other, the services that keep the old address of a service whose containers were replaced,
// as their profile says. Compose does so itself for what it replaces. That they are well again is waited for by the last step.
func (a *Applier) restartDependents(ctx context.Context, service string, step *deploy.ComposeStep, report func(deploy.Event)) error {
	p, err := expectation.Project(ctx, expectation.Source{File: step.File, Environment: step.Environment})
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(p.Services)) {
		if !p.Services[name].DependsOn[service].Restart {
			continue
		}
		running, err := a.engine.Service(ctx, p.Name, name)
		if err != nil {
			return err
		}
		for _, c := range running {
			if !c.State.Running {
				continue
			}
			if _, err := a.engine.API.ContainerRestart(ctx, c.ID, client.ContainerRestartOptions{}); err != nil && !errdefs.IsNotFound(err) {
				return fmt.Errorf("restarting container %s: %w", strings.TrimPrefix(c.Name, "/"), err)
			}
		}
		report(deploy.Event{Subject: name, Text: "restarted, because " + service + " was replaced", Done: true})
	}
	return nil
}
