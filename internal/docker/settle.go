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
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		list, err := e.stackContainers(ctx, project)
		if err != nil {
			return err
		}
		now, err := e.now(ctx)
		if err != nil {
			return err
		}
		left := false
		for _, c := range list {
			if !wellOff(c) || !s.Known[c.ID] && c.RestartCount > 0 {
				return w.diagnose(ctx, c)
			}
			left = left || !s.Known[c.ID] && c.State.Running && now.Sub(startOf(c)) < s.For && time.Since(w.started) < s.For
		}
		if !left {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// startOf returns when a container was last started. What the engine does not say counts as long ago.
func startOf(c container.InspectResponse) time.Time {
	t, _ := time.Parse(time.RFC3339Nano, c.State.StartedAt)
	return t
}
