package converge

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/expectation"
)

// restartDependents restarts, one after the other, the services that keep the old address of a service whose containers were replaced,
// as their profile says, and waits until each container is well again. Compose does so itself for what it replaces. Those that were started
// after the newest container of the service have its address: an interrupted run goes on where it was.
func (a *Applier) restartDependents(ctx context.Context, service string, step *deploy.ComposeStep, report func(deploy.Event)) error {
	p, err := expectation.Project(ctx, expectation.Source{File: step.File, Environment: step.Environment})
	if err != nil {
		return err
	}
	replaced, err := a.engine.Service(ctx, p.Name, service)
	if err != nil {
		return err
	}
	var newest time.Time
	for _, c := range replaced {
		if at := engine.StartOf(c); at.After(newest) {
			newest = at
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Services)) {
		if !p.Services[name].DependsOn[service].Restart {
			continue
		}
		running, err := a.engine.Service(ctx, p.Name, name)
		if err != nil {
			return err
		}
		restarted := false
		for _, c := range running {
			if !c.State.Running || engine.StartOf(c).After(newest) {
				continue
			}
			if _, err := a.engine.API.ContainerRestart(ctx, c.ID, client.ContainerRestartOptions{}); err != nil && !errdefs.IsNotFound(err) {
				return fmt.Errorf("restarting container %s: %w", strings.TrimPrefix(c.Name, "/"), err)
			}
			if err := a.backAgain(ctx, c, step.Timeout, report); err != nil {
				return err
			}
			restarted = true
		}
		if restarted {
			report(deploy.Event{Subject: name, Text: "restarted, because " + service + " was replaced", Done: true})
		}
	}
	return nil
}

// backAgain waits until a container that was restarted is well.
func (a *Applier) backAgain(ctx context.Context, c engine.Container, timeout time.Duration, report func(deploy.Event)) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	w := &watcher{engine: a.engine, project: c.Config.Labels[engine.ComposeProject], services: []string{c.Config.Labels[engine.ComposeService]}, report: report,
		started: time.Now(), known: map[string]int{c.ID: c.RestartCount}}
	ticker := time.NewTicker(engine.PollInterval)
	defer ticker.Stop()
	for {
		now, err := a.engine.Inspect(ctx, c.ID)
		switch {
		case errdefs.IsNotFound(err):
			return nil // the last step makes it again
		case err != nil:
			return err
		case engine.Well(now):
			return nil
		case w.failed(now):
			return w.diagnose(ctx, now)
		}
		select {
		case <-ctx.Done():
			return errors.Join(w.diagnose(ctx, now), ctx.Err())
		case <-ticker.C:
		}
	}
}
