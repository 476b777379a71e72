// Package converge makes the steps of a plan happen: volumes are filled, services are brought up, rolled over and reloaded, and
// what comes of it is waited for.
package converge

import (
	"context"
	"fmt"

	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/images"
	"github.com/hsectl/hsectl/internal/engine/records"
	"github.com/hsectl/hsectl/internal/engine/volumes"
	"github.com/hsectl/hsectl/internal/verify"
)

// Applier makes the steps of plans happen.
type Applier struct {
	engine   *engine.Connection
	volumes  *volumes.Archive
	records  *records.Store
	images   *images.Transfer
	delivery *delivery
	asker    Asker
}

// Asker puts questions from the network of a container, and sees what is connected there.
type Asker interface {
	AskFrom(ctx context.Context, c engine.Container, r verify.Request) ([]verify.Answer, error)
	OpenConnections(ctx context.Context, c engine.Container, with []string) (int, error)
}

// New returns what applies steps on an engine.
func New(e *engine.Connection, v *volumes.Archive, r *records.Store, i *images.Transfer, asker Asker) *Applier {
	return &Applier{e, v, r, i, &delivery{e, v}, asker}
}

// Apply implements deploy.Engine.
func (a *Applier) Apply(ctx context.Context, steps []deploy.Step, report func(deploy.Event)) error {
	var volumes []deploy.Step
	for _, s := range steps {
		if s.Kind.WritesVolume() {
			volumes = append(volumes, s)
		} else if err := a.apply(ctx, s, report); err != nil {
			return err
		}
	}
	return a.delivery.prepare(ctx, volumes, report)
}

func (a *Applier) apply(ctx context.Context, s deploy.Step, report func(deploy.Event)) error {
	switch s.Kind {
	case deploy.PullImage:
		report(deploy.Event{Subject: s.Subject, Text: "pulling"})
		return a.images.Pull(ctx, s.Subject)
	case deploy.Load:
		return a.load(ctx, s.Subject, s.Load, report)
	case deploy.Converge:
		return a.converge(ctx, s.Subject, s.Compose, report)
	case deploy.Roll:
		return a.roll(ctx, s.Subject, s.Roll, report)
	case deploy.RunJob:
		return a.runJob(ctx, s.Compose.Stack, s.Subject, s.Compose, report)
	case deploy.RotateSecret:
		return a.rotate(ctx, s.Rotate, report)
	case deploy.TagImage:
		if _, err := a.engine.API.ImageTag(ctx, client.ImageTagOptions{Source: s.Tag.ID, Target: s.Tag.Reference}); err != nil {
			return fmt.Errorf("naming image %s: %w", s.Tag.Reference, err)
		}
		return nil
	case deploy.Settle:
		return a.settleDown(ctx, s.Subject, s.Settle)
	case deploy.StopStack:
		return stopStack(ctx, a.engine, s.Subject)
	}
	return fmt.Errorf("unknown step %q", s.Kind)
}
