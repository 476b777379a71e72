package docker

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/verify"
)

// Stop asks the container of a service to stop, as the engine would on a deploy, and observes how it ends.
func (e *Engine) Stop(ctx context.Context, project, service string) (verify.Stopped, error) {
	list, err := e.stackContainers(ctx, project)
	if err != nil {
		return verify.Stopped{}, err
	}
	id := ""
	for _, c := range list {
		if c.Config.Labels[composeService] == service && c.State.Running {
			id = c.ID
		}
	}
	if id == "" {
		return verify.Stopped{}, fmt.Errorf("stopping %s: it does not run", service)
	}
	begun := time.Now()
	if _, err := e.api.ContainerStop(ctx, id, client.ContainerStopOptions{}); err != nil {
		return verify.Stopped{}, fmt.Errorf("stopping %s: %w", service, err)
	}
	out := verify.Stopped{Took: time.Since(begun)}
	c, err := e.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return out, fmt.Errorf("inspecting %s: %w", service, err)
	}
	out.ExitCode, out.OOM = c.Container.State.ExitCode, c.Container.State.OOMKilled
	if out.Killed, err = e.killed(ctx, id, begun); err != nil {
		return out, err
	}
	logs, err := e.logs(ctx, id, 0)
	if err != nil {
		return out, err
	}
	out.Logs = lastLines(logs, math.MaxInt)
	return out, nil
}

// Start starts the stopped container of a service again.
func (e *Engine) Start(ctx context.Context, project, service string) error {
	list, err := e.stackContainers(ctx, project)
	if err != nil {
		return err
	}
	for _, c := range list {
		if c.Config.Labels[composeService] == service && !c.State.Running {
			if _, err := e.api.ContainerStart(ctx, c.ID, client.ContainerStartOptions{}); err != nil {
				return fmt.Errorf("starting %s: %w", service, err)
			}
		}
	}
	return nil
}

// killed asks the engine's own record whether it sent SIGKILL.
func (e *Engine) killed(ctx context.Context, id string, since time.Time) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	stream := e.api.Events(ctx, client.EventsListOptions{
		Since:   strconv.FormatInt(since.Add(-time.Second).Unix(), 10),
		Until:   strconv.FormatInt(time.Now().Add(time.Second).Unix(), 10),
		Filters: make(client.Filters).Add("container", id).Add("event", "kill"),
	})
	for {
		select {
		case m := <-stream.Messages:
			if s := m.Actor.Attributes["signal"]; s == "9" || s == "SIGKILL" || s == "KILL" {
				return true, nil
			}
		case err := <-stream.Err:
			if err != nil && err.Error() != "EOF" {
				return false, fmt.Errorf("reading the engine's events: %w", err)
			}
			return false, nil
		}
	}
}
