package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/deploy"
)

func newMaintenance(g *app.Settings, s app.Streams) *cobra.Command {
	var o sessionOptions
	cmd := &cobra.Command{
		Use:   "maintenance on|off",
		Short: "Let the edge show its maintenance page instead of the services",
		Long: `Maintenance lets the edge of a running stack answer every request with its maintenance page and status 503, or lets the
services answer again. Nothing is restarted, and a deploy keeps it as it is.`,
		Example: `  hsectl maintenance on
  hsectl maintenance off --stack shop`,
		Args:      cobra.ExactArgs(1),
		ValidArgs: []string{"on", "off"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] != "on" && args[0] != "off" {
				return &app.UsageError{Err: fmt.Errorf("%q is neither on nor off", args[0])}
			}
			return runMaintenance(cmd.Context(), g, s, o, args[0] == "on")
		},
	}
	stackFlag(g, cmd)
	cmd.Flags().DurationVar(&o.lockWait, "lock-wait", 0, "time to wait while somebody else deploys")
	return cmd
}

func runMaintenance(ctx context.Context, g *app.Settings, s app.Streams, o sessionOptions, on bool) error {
	name, err := g.StackName()
	if err != nil {
		return err
	}
	engine, err := g.Connect(ctx)
	if err != nil {
		return err
	}
	defer engine.Close()
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
