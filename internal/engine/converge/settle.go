package converge

import (
	"context"
	"time"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/engine"
)

// settleDown waits until every new container of a stack has been up for long enough: by the engine's clock, or because it
// was watched for as long, since a clock that is moved back would have us wait for it.
func (a *Applier) settleDown(ctx context.Context, project string, s *deploy.SettleStep) error {
	w := &watcher{engine: a.engine, project: project, started: time.Now()}
	for {
		list, err := a.engine.Stack(ctx, project)
		if err != nil {
			return err
		}
		now, err := a.records.Stamp(ctx)
		if err != nil {
			return err
		}
		var left time.Duration
		for _, c := range list {
			if s.Service != "" && (s.Known[c.ID] || c.Config.Labels[engine.ComposeService] != s.Service) {
				continue
			}
			if !engine.Well(c) || !s.Known[c.ID] && c.RestartCount > 0 {
				return w.diagnose(ctx, c)
			}
			if !s.Known[c.ID] && c.State.Running {
				left = max(left, min(s.For-now.Sub(engine.StartOf(c)), s.For-time.Since(w.started)))
			}
		}
		if left <= 0 {
			return nil
		}
		next := time.NewTimer(min(left, engine.PollInterval))
		select {
		case <-ctx.Done():
			next.Stop()
			return ctx.Err()
		case <-next.C:
		}
	}
}
