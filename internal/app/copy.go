package app

import (
	"context"
	"errors"
	"time"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/redact"
	"github.com/hsectl/hsectl/internal/stack"
)

// Copy is a throw-away copy of a part of a stack, under another name.
type Copy struct {
	Stack       stack.Stack // a twin
	Environment map[string]string
	Secrets     map[string]deploy.Secret
	Timeout     time.Duration
}

// Run brings the copy up, calls f once it is healthy, and takes it away again. Before is for what must be done first, such as
// filling one of its volumes.
func (c Copy) Run(ctx context.Context, engine *docker.Engine, before, f func() error) (err error) {
	desired := deploy.Desired{Stack: c.Stack, Environment: c.Environment, Secrets: c.Secrets, Timeout: c.Timeout}
	defer func() {
		err = errors.Join(err, engine.Down(context.WithoutCancel(ctx), c.Stack.Name, true))
	}()
	if err := before(); err != nil {
		return err
	}
	observed, err := engine.Observe(ctx, desired)
	if err != nil {
		return err
	}
	plan, err := deploy.NewPlan(desired, observed)
	if err != nil {
		return err
	}
	if err := deploy.Execute(ctx, plan, engine, func(deploy.Event) {}); err != nil {
		return Redact(err, redact.New(Reveal(c.Secrets), nil))
	}
	return f()
}
