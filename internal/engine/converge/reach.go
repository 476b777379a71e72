package converge

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify"
)

const (
	// reachTries is how often a container is asked that does not answer: one without a health test may just have started.
	reachTries = 5
	reachPause = time.Second
)

// reaches asks from a running edge whether it reaches what it is to lead to, each service by its own name or by another. An edge
// that does not run reaches nothing yet: what it will reach is seen by verification.
func (a *Applier) reaches(ctx context.Context, project, edge string, calls []stack.Call, name string) error {
	if len(calls) == 0 {
		return nil
	}
	running, err := a.engine.Service(ctx, project, edge)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(running, func(c engine.Container) bool { return c.State.Running })
	if i < 0 {
		return nil
	}
	for try := 1; ; try++ {
		err := a.answer(ctx, running[i], calls, name)
		if err == nil || try == reachTries {
			return err
		}
		next := time.NewTimer(reachPause)
		select {
		case <-ctx.Done():
			next.Stop()
			return ctx.Err()
		case <-next.C:
		}
	}
}

func (a *Applier) answer(ctx context.Context, from engine.Container, calls []stack.Call, name string) error {
	var r verify.Request
	for _, c := range calls {
		if name != "" {
			c = c.At(name)
		}
		r.Asks = append(r.Asks, verify.CallCheck(c))
	}
	answers, err := a.asker.AskFrom(ctx, from, r)
	if err != nil {
		return fmt.Errorf("asking from the edge: %w", err)
	}
	for i, c := range calls {
		switch {
		case i >= len(answers):
			return fmt.Errorf("asking from the edge: %s was not asked", c.URL)
		case !answers[i].OK:
			return &deploy.UnreachableError{Service: c.Service, From: c.From, URL: r.Asks[i].URL, Reason: display.Name(answers[i].Text)}
		}
	}
	return nil
}
