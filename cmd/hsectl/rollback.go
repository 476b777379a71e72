package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/record"
)

func newRollback(g *app.Settings, s app.Streams) *cobra.Command {
	var o deployOptions
	cmd := &cobra.Command{
		Use:   "rollback [RELEASE]",
		Short: "Return the whole stack to an earlier release",
		Long: `Rollback brings images, configuration and secrets back to what they were in an earlier release: the one before the
current one, or the one named. It needs neither the profile's sources nor the values of secrets, only the engine. A
deploy that was cut off is undone first; without a number, that is all it does. No hook runs, unless --hooks asks for those
of the profile at hand: a program that only the engine has on record never runs on this machine.

The names of images keep their newest meaning: the next deploy brings the file and the newest images again.`,
		Example: `  hsectl rollback
  hsectl rollback 7
  hsectl rollback --stack shop --host ssh://deploy@web1`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			number := 0
			if len(args) > 0 {
				var err error
				if number, err = strconv.Atoi(args[0]); err != nil || number < 1 {
					return &app.UsageError{Err: fmt.Errorf("%q is not the number of a release", args[0]), Hint: "list them with: hsectl releases"}
				}
			}
			return runRollback(cmd.Context(), g, s, o, number)
		},
	}
	o.session.flags(cmd)
	cmd.Flags().BoolVar(&o.hooks, "hooks", false, "run the hooks of the profile, too")
	formatFlag(cmd, &o.format)
	stackFlag(g, cmd)
	return cmd
}

func runRollback(ctx context.Context, g *app.Settings, s app.Streams, o deployOptions, number int) error {
	if err := app.CheckFormat(o.format); err != nil {
		return err
	}
	name, err := g.StackName()
	if err != nil {
		return err
	}
	engine, err := g.Connect(ctx)
	if err != nil {
		return err
	}
	defer engine.Close()
	p := app.NewProgress(s, o.format)
	p.Trace(ctx, "rollback", name)
	run, secrets, err := rollbackHooks(ctx, g, name, o, p)
	if err != nil {
		return err
	}
	p.Hide(ctx, engine, name, secrets)
	sess, err := open(ctx, engine, name, o.session, p.Event)
	if err != nil {
		return err
	}
	sess.hooks = run
	at, services, err := sess.rollback(ctx, number)
	if err = errors.Join(err, sess.close(ctx)); err != nil {
		return p.Failed(err)
	}
	p.Done(name, at, services)
	return nil
}

// rollbackHooks are those of the profile, where they are asked for.
func rollbackHooks(ctx context.Context, g *app.Settings, stack string, o deployOptions, p *app.Progress) (*hooks, map[string]deploy.Secret, error) {
	if !o.hooks {
		return nil, nil, nil
	}
	l, err := app.Load(g.File)
	if err != nil {
		return nil, nil, err
	}
	if l.Stack.Name != stack {
		return nil, nil, &app.UsageError{Err: fmt.Errorf("the hooks of %s are those of %s, not of %s", l.Path, l.Stack.Name, stack), Hint: "name its profile with --file, or leave out --hooks"}
	}
	_, secrets, err := g.Gather(ctx, l)
	if err != nil {
		return nil, nil, err
	}
	return newHooks(l, secrets, false, p), secrets, nil
}

// rollback returns to a release, or to the one before the current one, and says which release the stack is at then.
func (s *session) rollback(ctx context.Context, number int) (at, services int, err error) {
	open := s.journal.Open()
	if err := s.resume(ctx, true); err != nil {
		return 0, 0, err
	}
	last, err := s.current()
	if err != nil {
		return 0, 0, err
	}
	if last == nil {
		return 0, 0, fmt.Errorf("%s has no release on this engine", s.stack)
	}
	if open && number == 0 {
		return last.Number, len(last.Release.Model().Services), nil
	}
	target, err := s.target(number)
	if err != nil {
		return 0, 0, err
	}
	observed, err := s.engine.Observe(ctx, deploy.Desired{Stack: target.Release.Model()})
	if err != nil {
		return 0, 0, fmt.Errorf("observing the engine: %w", err)
	}
	plan, err := deploy.NewReturn(target.Release, observed, s.options.timeout)
	if err != nil {
		return 0, 0, err
	}
	release := target.Release
	release.Number, release.Again = s.history.Next(), target.Number
	release.Made = s.made
	release.Made.Revision, release.Made.Source = target.Release.Made.Revision, target.Release.Made.Source
	err = s.run(ctx, deploy.Change{Release: release, Plan: plan, From: last, Before: observed.Running})
	return release.Number, len(release.Intent.Services), err
}

func (s *session) target(number int) (record.Entry, error) {
	target, ok := s.history.Previous()
	if number > 0 {
		target, ok = s.history.Find(number)
	}
	switch {
	case !ok && number > 0:
		return target, &app.UsageError{Err: fmt.Errorf("%s has no release %d on this engine", s.stack, number), Hint: "list them with: hsectl releases"}
	case !ok:
		return target, fmt.Errorf("%s has no earlier release on this engine", s.stack)
	case target.Outcome.Status != record.Deployed && target.Err == nil:
		return target, &app.UsageError{Err: fmt.Errorf("release %d was never deployed as a whole", target.Number), Hint: "list them with: hsectl releases"}
	}
	return target, trust(target, s.stack)
}
