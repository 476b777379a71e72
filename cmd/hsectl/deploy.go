package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/app/bundle"
	"github.com/hsectl/hsectl/internal/app/supply"
	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/record"
)

type deployOptions struct {
	session sessionOptions
	format  string
	plan    string
	only    []string
	rotate  []string // generated secrets that get a new value
	dryRun  bool
	abort   bool
	hooks   bool // a rollback runs them, too
	load    probeLoad

	monitoring bool
	skipHooks  bool
	bundle     string
}

func newDeploy(g *app.Settings, s app.Streams) *cobra.Command {
	var o deployOptions
	cmd := &cobra.Command{
		Use:   "deploy",
		Short: "Bring the engine to what the profile says, all of it or nothing",
		Long: `Deploy checks every variable and secret before anything changes, takes the stack's lock on the engine, prepares
volumes, delivers secrets as files, applies the stack, waits until every service is healthy, and verifies it. What it
did is kept on the engine as a release.

When a service does not become healthy, or verification fails, or you interrupt it, the whole stack returns to the last
release: images, configuration and secrets together. A run that was killed is recognised by the next one. A first
deploy that fails is stopped, and its containers keep their logs, unless --keep is given.`,
		Example: `  export JWT_SECRET=… REFRESH_SECRET=…
  hsectl deploy -f profiles/hse-digital.yaml
  hsectl plan --out plan.json && hsectl deploy --plan plan.json
  hsectl deploy --only app               # leave the other services alone
  hsectl deploy --monitoring             # and what watches the stack
  hsectl deploy --probe-load 50          # undo it when a visitor would notice
  hsectl deploy --bundle shop.bundle.tar # where there is no network
  hsectl deploy --abort                  # undo what a killed run left behind
  hsectl deploy --host ssh://deploy@web1 # on another machine`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDeploy(cmd.Context(), g, s, o) },
	}
	flags := cmd.Flags()
	o.session.flags(cmd)
	o.load.flags(cmd)
	formatFlag(cmd, &o.format)
	flags.BoolVar(&o.session.keepOn, "keep", false, "leave a first deploy that failed running")
	flags.StringVar(&o.plan, "plan", "", "apply exactly this saved plan, or nothing")
	flags.StringSliceVar(&o.only, "only", nil, "change only these services")
	flags.BoolVar(&o.dryRun, "dry-run", false, "print the plan and change nothing; the same as hsectl plan")
	flags.BoolVar(&o.abort, "abort", false, "undo a deploy that was cut off, and do nothing else")
	flags.BoolVar(&o.skipHooks, "skip-hooks", false, "run no hook of the profile")
	flags.StringVar(&o.bundle, "bundle", "", "deploy what is in this file of hsectl bundle write; no registry is asked, and no profile is read")
	cmd.MarkFlagsMutuallyExclusive("bundle", "plan", "abort")
	flags.BoolVar(&o.monitoring, "monitoring", false, "deploy the monitoring stack of the profile too")
	return cmd
}

// flags are those of every verb that changes a stack.
func (o *sessionOptions) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.DurationVar(&o.timeout, "timeout", 5*time.Minute, "time for the whole stack to become healthy")
	flags.DurationVar(&o.lockWait, "lock-wait", 0, "time to wait while somebody else deploys")
	flags.DurationVar(&o.settle, "settle", 6*time.Second, "time for which new containers must stay well; 0 to skip")
	flags.BoolVar(&o.verify, "verify", true, "verify the running stack, and undo when it is not proven")
	flags.IntVar(&o.keep, "releases", 10, "releases to keep on the engine")
}

func runDeploy(ctx context.Context, g *app.Settings, s app.Streams, o deployOptions) error {
	if err := app.CheckFormat(o.format); err != nil {
		return err
	}
	if o.abort {
		return runAbort(ctx, g, s, o)
	}
	if o.monitoring && o.plan != "" {
		return &app.UsageError{Err: errors.New("--plan is of one stack, and --monitoring deploys another"), Hint: "deploy the plan, and then: hsectl deploy --monitoring"}
	}
	l, done, err := o.read(g)
	if err != nil {
		return err
	}
	defer done()
	d := deployment{Settings: g, Streams: s, options: o}
	if err := d.prepare(ctx, l); err != nil {
		return err
	}
	if d.engine, err = g.Connect(ctx); err != nil {
		return err
	}
	defer d.engine.Close()
	if err := d.options.load.aim(l.Stack, d.engine.Local()); err != nil {
		return err
	}
	if l.Bundle != nil {
		if err := bundle.Bring(ctx, l.Bundle, s, d.engine); err != nil {
			return err
		}
	}
	if err := d.gates(ctx, l); err != nil {
		return err
	}
	if err := d.stack(ctx, l, d.desired[0]); err != nil || !o.monitoring {
		return err
	}
	return d.watch(ctx, l)
}

// deployment is one run of deploy: the stack of the profile, and the one that watches it when that is asked for.
type deployment struct {
	*app.Settings
	app.Streams
	options deployOptions
	engine  *docker.Engine
	desired []deploy.Desired // of the stack, and of its monitoring
}

// prepare refuses what fails a control and collects variables and secrets, of all stacks before anything changes.
func (d *deployment) prepare(ctx context.Context, l app.Loaded) error {
	stacks := []app.Loaded{l}
	if d.options.monitoring {
		beside, err := l.Watchers()
		if err != nil {
			return err
		}
		stacks = append(stacks, beside)
	}
	for _, one := range stacks {
		if err := refuse(d.Err, one); err != nil {
			return err
		}
	}
	var err error
	d.desired, err = d.GatherAll(ctx, stacks)
	for i := range d.desired {
		d.desired[i].Timeout = d.options.session.timeout
	}
	return err
}

// read returns the profile: that of the flags, or that of a bundle.
func (o deployOptions) read(g *app.Settings) (app.Loaded, func(), error) {
	if o.bundle != "" {
		l, release, err := bundle.Open(o.bundle)
		if err != nil {
			return l, release, err
		}
		if l, err = l.Chosen(g.File.Profiles); err != nil {
			release()
		}
		return l, release, err
	}
	l, err := app.LoadPinned(g.File)
	return l, func() {}, err
}

// gates judges the images of all stacks before the first one changes.
func (d *deployment) gates(ctx context.Context, l app.Loaded) error {
	stacks := []app.Loaded{l}
	if beside, ok, err := l.Watching(); err != nil {
		return err
	} else if ok && d.options.monitoring {
		stacks = append(stacks, beside)
	}
	for _, one := range stacks {
		if _, err := supply.Gate(ctx, d.Settings, d.Streams, one, d.engine); err != nil {
			return err
		}
	}
	return nil
}

// watch deploys the monitoring stack.
func (d *deployment) watch(ctx context.Context, l app.Loaded) error {
	beside, _, err := l.Watching()
	if err != nil {
		return err
	}
	d.options.only = nil // it names services of the other stack
	if err := d.stack(ctx, beside, d.desired[1]); err != nil || d.options.dryRun {
		return err
	}
	return showAddresses(d.Streams, beside)
}

// stack brings one stack to what it should be, or prints how it would.
func (d *deployment) stack(ctx context.Context, l app.Loaded, desired deploy.Desired) error {
	if d.options.dryRun {
		return runPlan(ctx, d.engine, d.Streams, desired, planOptions{format: d.options.format, only: d.options.only})
	}
	p := app.NewProgress(d.Streams, d.options.format)
	p.Hide(ctx, d.engine, l.Stack.Name, desired.Secrets)
	p.Trace(ctx, "deploy", l.Stack.Name)
	p.Say("deploying %s to engine %s", l.Stack.Name, d.engine.Version())
	seen, err := look(ctx, d.engine, desired)
	if err != nil {
		return p.Failed(err)
	}
	if release, same, err := d.unchanged(ctx, desired, seen); err != nil {
		return p.Failed(err)
	} else if same {
		p.Unchanged(l.Stack.Name, release)
		return nil
	}
	sess, err := openAfter(ctx, d.engine, l.Stack.Name, d.options.session, p.Event, seen)
	if err != nil {
		return err
	}
	sess.hooks = newHooks(l, desired.Secrets, d.options.skipHooks, p)
	number, err := sess.deploy(ctx, l, desired, d.options)
	if err = errors.Join(err, sess.close(ctx)); err != nil {
		return p.Failed(err)
	}
	p.Done(l.Stack.Name, number, len(l.Stack.Services))
	return nil
}

// unchanged tells from a look without the lock that there is nothing to do, and which release the stack is at. Whenever
// anything speaks against it, the session decides under the lock.
func (d *deployment) unchanged(ctx context.Context, desired deploy.Desired, seen view) (release int, same bool, err error) {
	if !seen.holds() || len(d.options.only) > 0 {
		return 0, false, nil
	}
	last, err := current(seen.records.History, desired.Stack.Name)
	if err != nil || last == nil {
		return 0, false, err
	}
	desired.Last, desired.Rotate = last, d.options.rotate
	plan, err := deploy.NewPlan(desired, seen.observed)
	if err != nil || len(plan.Steps) > 0 || len(plan.Intent) > 0 {
		return 0, false, err
	}
	if d.options.plan != "" {
		err = sameAsSaved(d.options.plan, desired, seen.observed, plan)
	}
	return last.Number, true, err
}

// deploy plans and applies, and returns the number of the release that the stack is at.
func (s *session) deploy(ctx context.Context, l app.Loaded, desired deploy.Desired, o deployOptions) (int, error) {
	if s.journal.Open() { // it is closed once there is a plan: until then, what was cut off must be seen to be
		if err := s.transaction().Restore(ctx, s.journal); err != nil {
			return 0, err
		}
	}
	last, err := s.current()
	if err != nil {
		return 0, err
	}
	desired.Last, desired.Rotate = last, o.rotate
	desired, observed, plan, err := prepare(ctx, s.engine, desired, o.only, s.seen, s.report)
	if err != nil {
		return 0, err
	}
	if o.plan != "" {
		if err := sameAsSaved(o.plan, desired, observed, plan); err != nil {
			return 0, err
		}
	}
	if err := s.resume(ctx, false); err != nil {
		return 0, err
	}
	if len(plan.Steps) == 0 && len(plan.Intent) == 0 {
		return last.Number, nil
	}
	if len(plan.Steps) == 0 {
		s.report(deploy.Event{Subject: s.stack, Text: "only the intent changes: a new record is written, no container is touched"})
	}
	release, err := s.release(ctx, l, desired, observed, plan)
	if err != nil {
		return 0, err
	}
	if o.load.rate > 0 && last != nil { // before, there is nobody to notice
		s.begin = func() func() error { return o.load.start(ctx, s.report) }
	}
	change := deploy.Change{Release: release, Plan: plan, From: last, Before: observed.Running}
	err = s.run(ctx, change)
	return release.Number, err
}

// prepare brings missing images, which changes nothing that runs, and plans, from what was seen where that still holds.
func prepare(ctx context.Context, engine *docker.Engine, d deploy.Desired, only []string, seen *deploy.Observed, report func(deploy.Event)) (deploy.Desired, deploy.Observed, deploy.Plan, error) {
	if len(only) > 0 {
		var err error
		if d, err = deploy.Narrow(d, only); err != nil {
			return d, deploy.Observed{}, deploy.Plan{}, &app.UsageError{Err: err}
		}
		seen = nil // it is of other services
	}
	observed, plan, err := observe(ctx, engine, d, seen)
	pulled := false
	for _, step := range plan.Steps {
		if err == nil && step.Kind == deploy.PullImage && report != nil {
			pulled, err = true, engine.Apply(ctx, []deploy.Step{step}, report)
		}
	}
	if err == nil && pulled {
		observed, plan, err = observe(ctx, engine, d, nil)
	}
	return d, observed, plan, err
}

func observe(ctx context.Context, engine *docker.Engine, d deploy.Desired, seen *deploy.Observed) (observed deploy.Observed, plan deploy.Plan, err error) {
	if seen != nil {
		observed = *seen
	} else if observed, err = engine.Observe(ctx, d); err != nil {
		return observed, plan, fmt.Errorf("observing the engine: %w", err)
	}
	plan, err = deploy.NewPlan(d, observed)
	return observed, plan, err
}

// release records what the plan brings about and where it comes from.
func (s *session) release(ctx context.Context, l app.Loaded, d deploy.Desired, o deploy.Observed, p deploy.Plan) (record.Release, error) {
	r := deploy.NewRelease(d, o, p, s.history.Next())
	rendered, err := generate.Render(l.Stack, generate.Source{Profile: filepath.ToSlash(filepath.Base(l.Path)), Data: l.Data, BuildRoot: ".", Generator: "hsectl",
		Inputs: l.Inputs, Choices: l.Choices})
	if err != nil {
		return r, err
	}
	revision := host.GitRevision(ctx, l.Dir())
	for _, f := range rendered {
		r.Rendered = append(r.Rendered, record.File(f))
	}
	r.Made = s.made
	r.Made.Revision, r.Made.Source = revision.Commit, revision.Source
	return r, nil
}

// runAbort undoes what a run that was cut off has left.
func runAbort(ctx context.Context, g *app.Settings, s app.Streams, o deployOptions) error {
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
	p.Hide(ctx, engine, name, nil)
	sess, err := open(ctx, engine, name, o.session, p.Event)
	if err != nil {
		return err
	}
	open := sess.journal.Open()
	err = errors.Join(sess.resume(ctx, true), sess.close(ctx))
	if err == nil && !open {
		p.Say("%s: nothing was cut off", name)
	} else if err == nil {
		p.Say("%s: undone", name)
	}
	return p.Redact(err)
}

// refuse stops a deploy whose rendered stack already fails a control of high severity.
func refuse(w io.Writer, l app.Loaded) error {
	refused := false
	for _, f := range l.Stack.Check() {
		if f.Status == finding.Fail && f.Severity >= finding.High {
			refused = true
			fmt.Fprintf(w, "%s: %s %s: %s\n  hint: %s\n", l.Profile.Written(l.Root+"services."+f.Subject+"."+f.Where), f.Control, f.Subject, f.Detail, f.Remedy)
		}
	}
	if refused {
		fmt.Fprintln(w, "refused: mend the profile, or add an exception with a reason and a date; nothing was changed")
		return app.ErrFindings
	}
	return nil
}
