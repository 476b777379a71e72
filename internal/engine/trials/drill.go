// Package trials disturbs the services of a stack on an engine, and sees what that does.
package trials

import (
	"context"
	"fmt"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/observe"
	"github.com/hsectl/hsectl/internal/verify/drills"
)

// Drills disturb the services of a stack, and see what that does.
type Drills struct {
	engine *engine.Connection
	probes *observe.Probes
}

// New returns the drills of an engine.
func New(e *engine.Connection, p *observe.Probes) *Drills { return &Drills{e, p} }

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
