package docker

import (
	"context"
	"time"

	"github.com/moby/moby/api/types/container"

	"github.com/hsectl/hsectl/internal/deploy"
)

// settleDown waits until every new container of a stack has been up for long enough: by the engine's clock, or because it
// was watched for as long, since a clock that is moved back would have us wait for it.
func (e *Engine) settleDown(ctx context.Context, project string, s *deploy.SettleStep) error {
	w := &watcher{engine: e, project: project, started: time.Now()}
	for {
		list, err := e.stackContainers(ctx, project)
		if err != nil {
			return err
		}
		now, err := e.stamp(ctx)
		if err != nil {
			return err
		}
		var left time.Duration
		for _, c := range list {
			if !wellOff(c) || !s.Known[c.ID] && c.RestartCount > 0 {
				return w.diagnose(ctx, c)
			}
			if !s.Known[c.ID] && c.State.Running {
				left = max(left, min(s.For-now.Sub(startOf(c)), s.For-time.Since(w.started)))
			}
		}
		if left <= 0 {
			return nil
		}
		next := time.NewTimer(min(left, pollInterval))
		select {
		case <-ctx.Done():
			next.Stop()
			return ctx.Err()
		case <-next.C:
		}
	}
}

// startOf returns when a container was last started. What the engine does not say counts as long ago.
func startOf(c container.InspectResponse) time.Time {
	t, _ := time.Parse(time.RFC3339Nano, c.State.StartedAt)
	return t
}
