package observe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/verify/drills"
)

// Drills disturb the services of a stack, and see what that does.
type Drills struct{ engine *engine.Connection }

// NewDrills returns the drills of an engine.
func NewDrills(e *engine.Connection) *Drills { return &Drills{e} }

// steady is for how long a service without a health test must stay up to count as recovered: it has nothing else to show.
const steady = 10 * time.Second

// Await watches a service until it is healthy, or until it is not, for at most the budget. A container that ended is not
// healthy, and one without a health test must stay up for a while.
func (d *Drills) Await(ctx context.Context, project, service string, healthy bool, budget time.Duration) (drills.Recovered, error) {
	begun := time.Now()
	var up uptime
	over := time.NewTimer(budget)
	defer over.Stop()
	ticker := time.NewTicker(engine.PollInterval)
	defer ticker.Stop()
	for {
		c, err := d.engine.First(ctx, project, service)
		if err != nil {
			return drills.Recovered{}, err
		}
		out := drills.Recovered{Healthy: engine.Well(c) && c.State.Running, Took: time.Since(begun), State: engine.State(c)}
		bad := !c.State.Running || c.State.Health != nil && c.State.Health.Status == container.Unhealthy
		if healthy && out.Healthy && !engine.Tested(c) {
			out.Steady = up.of(c, time.Now())
			out.Took -= out.Steady
			out.Healthy = out.Steady >= min(steady, budget/2)
		}
		if healthy && out.Healthy || !healthy && bad {
			return out, nil
		}
		select {
		case <-ctx.Done():
			return drills.Recovered{}, ctx.Err()
		case <-over.C:
			return out, nil
		case <-ticker.C:
		}
	}
}

// uptime is since when a container has been seen running, without a restart between.
type uptime struct {
	started string // what the engine says of that
	since   time.Time
}

// of returns how long that is.
func (u *uptime) of(c engine.Container, now time.Time) time.Duration {
	if u.started != c.State.StartedAt {
		u.started, u.since = c.State.StartedAt, now
	}
	return now.Sub(u.since)
}

// Stop asks the container of a service to stop, as the engine would on a deploy, and observes how it ends.
func (d *Drills) Stop(ctx context.Context, project, service string) (drills.Stopped, error) {
	list, err := d.engine.Stack(ctx, project)
	if err != nil {
		return drills.Stopped{}, err
	}
	id := ""
	for _, c := range list {
		if c.Config.Labels[engine.ComposeService] == service && c.State.Running {
			id = c.ID
		}
	}
	if id == "" {
		return drills.Stopped{}, fmt.Errorf("stopping %s: it does not run", service)
	}
	since, err := d.engine.Now(ctx)
	if err != nil {
		return drills.Stopped{}, err
	}
	begun := time.Now()
	if _, err := d.engine.API.ContainerStop(ctx, id, client.ContainerStopOptions{}); err != nil {
		return drills.Stopped{}, fmt.Errorf("stopping %s: %w", service, err)
	}
	out := drills.Stopped{Took: time.Since(begun)}
	c, err := d.engine.Inspect(ctx, id)
	if err != nil {
		return out, fmt.Errorf("inspecting %s: %w", service, err)
	}
	out.ExitCode, out.OOM = c.State.ExitCode, c.State.OOMKilled
	if out.Killed, err = d.killed(ctx, id, since); err != nil {
		return out, err
	}
	logs, err := d.engine.Logs(ctx, id, 0)
	if err != nil {
		return out, err
	}
	out.Logs = display.LastLines(logs, math.MaxInt)
	return out, nil
}

// Start starts the stopped container of a service again.
func (d *Drills) Start(ctx context.Context, project, service string) error {
	list, err := d.engine.Stack(ctx, project)
	if err != nil {
		return err
	}
	for _, c := range list {
		if c.Config.Labels[engine.ComposeService] == service && !c.State.Running {
			if _, err := d.engine.API.ContainerStart(ctx, c.ID, client.ContainerStartOptions{}); err != nil {
				return fmt.Errorf("starting %s: %w", service, err)
			}
		}
	}
	return nil
}

// killed asks the engine's own record whether it has sent SIGKILL since a time of its own clock.
func (d *Drills) killed(ctx context.Context, id string, since time.Time) (bool, error) {
	now, err := d.engine.Now(ctx)
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, d.engine.Bounds.Prompt)
	defer cancel()
	stream := d.engine.API.Events(ctx, client.EventsListOptions{
		Since:   strconv.FormatInt(since.Add(-time.Second).Unix(), 10),
		Until:   strconv.FormatInt(now.Add(time.Second).Unix(), 10),
		Filters: make(client.Filters).Add("container", id).Add("event", "kill"),
	})
	for {
		select {
		case m := <-stream.Messages:
			if s := m.Actor.Attributes["signal"]; s == "9" || s == "SIGKILL" || s == "KILL" {
				return true, nil
			}
		case err := <-stream.Err:
			if err != nil && !errors.Is(err, io.EOF) {
				return false, fmt.Errorf("reading the engine's events: %w", err)
			}
			return false, nil
		}
	}
}
