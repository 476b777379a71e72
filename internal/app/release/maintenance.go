package release

import (
	"context"
	"errors"
	"fmt"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/deploy"
)

// SetMaintenance lets the edge show its maintenance page, or the services answer again.
func SetMaintenance(ctx context.Context, g *app.Settings, s app.Streams, o SessionOptions, on bool) error {
	name, err := g.StackName()
	if err != nil {
		return err
	}
	engine, err := g.Connect(ctx)
	if err != nil {
		return err
	}
	defer engine.Close()
	if err := sign(g, engine); err != nil {
		return err
	}
	sess, err := open(ctx, engine, name, o, func(deploy.Event) {})
	if err != nil {
		return err
	}
	err = sess.maintain(ctx, on)
	if err = errors.Join(err, sess.close(ctx)); err != nil {
		return err
	}
	if on {
		s.Say("%s: every request gets the maintenance page", name)
	} else {
		s.Say("%s: the services answer", name)
	}
	return nil
}

func (s *session) maintain(ctx context.Context, on bool) error {
	current, err := s.current()
	if err != nil {
		return err
	}
	if current == nil {
		return fmt.Errorf("%s has no release on this engine", s.stack)
	}
	gate, ok := deploy.GateOf(current.Release)
	if !ok {
		return &app.UsageError{Err: fmt.Errorf("release %d of %s has no edge", current.Number, s.stack), Hint: "add edge: to the profile; see docs/edge.md"}
	}
	return s.engine.Maintain(ctx, gate, on)
}
