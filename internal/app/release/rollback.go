package release

import (
	"context"
	"errors"
	"fmt"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/app/supply"
	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/record"
)

// abort reverts what an interrupted run has left.
func abort(ctx context.Context, g *app.Settings, s app.Streams, o DeployOptions) error {
	p := app.NewProgress(s, o.Format)
	name, interrupted, err := revert(ctx, g, p, o)
	if err != nil {
		return p.Failed(err)
	}
	p.Reverted(name, interrupted)
	return nil
}

// revert undoes an interrupted deploy of the stack that is meant, and tells whether there was one.
func revert(ctx context.Context, g *app.Settings, p *app.Progress, o DeployOptions) (name string, interrupted bool, err error) {
	if name, err = g.StackName(); err != nil {
		return name, false, err
	}
	engine, err := g.Connect(ctx)
	if err != nil {
		return name, false, err
	}
	defer engine.Close()
	p.Hide(ctx, engine, name, nil)
	p.Trace(ctx, "abort", name)
	if err := sign(g, engine); err != nil { // an undo waits for no key: verify then names what is not signed
		p.Event(deploy.Event{Subject: name, Text: "what is recorded is not signed: " + err.Error()})
	}
	sess, err := open(ctx, engine, name, o.Session, p.Event)
	if err != nil {
		return name, false, err
	}
	interrupted = sess.journal.Open()
	return name, interrupted, errors.Join(sess.resume(ctx, true), sess.close(ctx))
}

// Rollback returns to an earlier release: the one with a number, or the one before the current one.
func Rollback(ctx context.Context, g *app.Settings, s app.Streams, o DeployOptions, number int) error {
	if err := app.CheckFormat(o.Format); err != nil {
		return err
	}
	p := app.NewProgress(s, o.Format)
	at, err := rollback(ctx, g, p, o, number)
	if err != nil {
		return p.Failed(err)
	}
	p.Done(at.Release.Model(), at.Number)
	return nil
}

func rollback(ctx context.Context, g *app.Settings, p *app.Progress, o DeployOptions, number int) (record.Entry, error) {
	name, err := g.StackName()
	if err != nil {
		return record.Entry{}, err
	}
	engine, err := g.Connect(ctx)
	if err != nil {
		return record.Entry{}, err
	}
	defer engine.Close()
	p.Trace(ctx, "rollback", name)
	if err := sign(g, engine); err != nil {
		return record.Entry{}, err
	}
	run, secrets, err := rollbackHooks(ctx, g, name, o, p)
	if err != nil {
		return record.Entry{}, err
	}
	p.Hide(ctx, engine, name, secrets)
	sess, err := open(ctx, engine, name, o.Session, p.Event)
	if err != nil {
		return record.Entry{}, err
	}
	sess.hooks, sess.named, sess.explain = run, g.Stack != "", p.Failure
	at, err := sess.rollback(ctx, number)
	return at, errors.Join(err, sess.close(ctx))
}

// rollbackHooks are those of the profile, where they are asked for.
func rollbackHooks(ctx context.Context, g *app.Settings, stack string, o DeployOptions, p *app.Progress) (*hooks, map[string]deploy.Secret, error) {
	if !o.Hooks {
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
func (s *session) rollback(ctx context.Context, number int) (record.Entry, error) {
	open := s.journal.Open()
	if err := s.resume(ctx, true); err != nil {
		return record.Entry{}, err
	}
	last, err := s.current()
	if err != nil {
		return record.Entry{}, err
	}
	if last == nil {
		return record.Entry{}, fmt.Errorf("%s has no release on this engine", s.stack)
	}
	if open && number == 0 {
		return *last, nil
	}
	target, err := s.target(number)
	if err != nil {
		return record.Entry{}, err
	}
	observed, err := s.engine.Observe(ctx, deploy.Desired{Stack: target.Release.Model(), Last: &target})
	if err != nil {
		return record.Entry{}, fmt.Errorf("observing the engine: %w", err)
	}
	plan, err := deploy.NewReturn(target.Release, observed, s.options.Timeout)
	if err != nil {
		return record.Entry{}, err
	}
	release := target.Release
	release.Number, release.Again = s.history.Next(), target.Number
	release.Made = s.made
	release.Made.Revision, release.Made.Source = target.Release.Made.Revision, target.Release.Made.Source
	err = s.run(ctx, deploy.Change{Release: release, Plan: plan, From: last, Before: observed.Running})
	return record.Entry{Number: release.Number, Release: release}, err
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
		return target, &app.UsageError{Err: fmt.Errorf("release %d was never deployed completely", target.Number), Hint: "list them with: hsectl releases"}
	}
	switch {
	case target.Foreign != nil && target.Err == nil:
		return target, foreign(target, s.stack)
	case target.Signed && s.named:
		return target, &app.UsageError{Err: fmt.Errorf("the record of release %d of %s is signed, and a stack that is only named has no keys", target.Number, s.stack),
			Hint: "name its profile with --file in the place of --stack"}
	}
	return target, trust(target, s.stack)
}

// sign lets the records be signed and verified as the profile says. A stack that is only named has no profile that says so.
func sign(g *app.Settings, engine *docker.Engine) error {
	if g.Stack != "" {
		return nil
	}
	l, err := app.Load(g.File)
	if err != nil {
		return err
	}
	signing, err := supply.RecordSigning(l, true)
	if err != nil {
		return err
	}
	engine.SignReleases(signing)
	return nil
}
