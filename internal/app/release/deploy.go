package release

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/app/bundle"
	"github.com/hsectl/hsectl/internal/app/supply"
	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/record"
	"github.com/hsectl/hsectl/internal/witness"
)

// DeployOptions say what is deployed, and how.
type DeployOptions struct {
	Session SessionOptions
	Format  string
	Plan    string
	Only    []string
	rotate  []string // generated secrets that get a new value
	DryRun  bool
	Abort   bool
	Hooks   bool // a rollback runs them, too
	Accept  bool // open questions
	Load    ProbeLoad

	Monitoring bool
	SkipHooks  bool
	Bundle     string
}

// Deploy applies the profile atomically.
func Deploy(ctx context.Context, g *app.Settings, s app.Streams, o DeployOptions) error {
	if err := app.CheckFormat(o.Format); err != nil {
		return err
	}
	if o.Abort {
		return abort(ctx, g, s, o)
	}
	d := deployment{Settings: g, Streams: s, options: o}
	err := d.run(ctx)
	if err != nil && !d.told && !o.DryRun { // a plan is no stream
		return app.NewProgress(s, o.Format).Failed(err)
	}
	return err
}

// run deploys the stack of the profile, and the one that watches it when that is asked for.
func (d *deployment) run(ctx context.Context) error {
	o, g, s := d.options, d.Settings, d.Streams
	if o.Monitoring && o.Plan != "" {
		return &app.UsageError{Err: errors.New("`--plan` cannot be combined with `--monitoring`"), Hint: "deploy the plan, and then: hsectl deploy --monitoring"}
	}
	l, done, err := o.read(g)
	if err != nil {
		return err
	}
	defer done()
	if o.Plan != "" {
		if _, err := readPlan(o.Plan, l.Stack.Name); err != nil {
			return err
		}
	}
	if err := d.prepare(ctx, l); err != nil {
		return err
	}
	signing, err := supply.RecordSigning(l, !o.DryRun)
	if err != nil {
		return err
	}
	if d.engine, err = g.Connect(ctx); err != nil {
		return err
	}
	defer d.engine.Close()
	d.engine.SignReleases(signing)
	if err := d.options.Load.aim(l.Stack, d.engine.Local()); err != nil {
		return err
	}
	if err := d.checkImages(ctx, l); err != nil {
		return err
	}
	if l.Bundle != nil {
		if err := bundle.Bring(ctx, l.Bundle, s, d.engine); err != nil {
			return err
		}
	}
	if err := d.stack(ctx, l, d.desired[0]); err != nil || !o.Monitoring {
		return err
	}
	return d.watch(ctx, l)
}

// deployment is one run of deploy: the stack of the profile, and the one that watches it when that is asked for.
type deployment struct {
	*app.Settings
	app.Streams
	options DeployOptions
	engine  *docker.Engine
	desired []deploy.Desired // of the stack, and of its monitoring
	told    bool             // a failure, by the progress of its stack
}

// prepare refuses what fails a control and collects variables and secrets, of all stacks before anything changes.
func (d *deployment) prepare(ctx context.Context, l app.Loaded) error {
	stacks := []app.Loaded{l}
	if d.options.Monitoring {
		monitor, err := l.RequireMonitoring()
		if err != nil {
			return err
		}
		stacks = append(stacks, monitor)
	}
	if err := l.Weakened(); err != nil {
		return err
	}
	if err := l.Unanswered(d.Streams, d.options.Accept || d.options.DryRun); err != nil {
		return err
	}
	gathered, missing := d.GatherAll(ctx, stacks)
	for i, one := range stacks {
		if err := one.Expired(); err != nil {
			return err
		}
		declared, err := one.Declared()
		if missing == nil { // with the values that its variables will have
			declared, err = witness.DeclareWith(ctx, gathered[i].Stack, gathered[i].Environment)
		}
		if err != nil {
			return err
		}
		if err := d.refuse(one, declared); err != nil {
			return err
		}
	}
	d.desired = gathered
	for i := range d.desired {
		d.desired[i].Timeout = d.options.Session.Timeout
	}
	return missing
}

// read returns the profile: that of the flags, or that of a bundle.
func (o DeployOptions) read(g *app.Settings) (app.Loaded, func(), error) {
	if o.Bundle != "" {
		l, release, err := bundle.Open(o.Bundle)
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

// checkImages judges the images of all stacks before the first one changes.
func (d *deployment) checkImages(ctx context.Context, l app.Loaded) error {
	stacks := []app.Loaded{l}
	if monitor, ok, err := l.MonitoringStack(); err != nil {
		return err
	} else if ok && d.options.Monitoring {
		stacks = append(stacks, monitor)
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
	monitor, _, err := l.MonitoringStack()
	if err != nil {
		return err
	}
	d.options.Only = nil // it names services of the other stack
	if err := d.stack(ctx, monitor, d.desired[1]); err != nil || d.options.DryRun {
		return err
	}
	return showAddresses(d.Streams, monitor)
}

// stack brings one stack to what it should be, or prints how it would.
func (d *deployment) stack(ctx context.Context, l app.Loaded, desired deploy.Desired) error {
	if d.options.DryRun {
		return planOne(ctx, d.engine, d.Streams, desired, PlanOptions{Format: d.options.Format, Only: d.options.Only})
	}
	p := app.NewProgress(d.Streams, d.options.Format)
	p.Hide(ctx, d.engine, l.Stack.Name, desired.Secrets)
	p.Trace(ctx, "deploy", l.Stack.Name)
	p.Say("deploying %s to engine %s", l.Stack.Name, d.engine.Version())
	release, same, err := d.apply(ctx, l, desired, p)
	switch {
	case err != nil:
		d.told = true
		return p.Failed(err)
	case same:
		p.Unchanged(l.Stack.Name, release)
	default:
		p.Done(l.Stack, release)
	}
	return nil
}

// apply brings the stack to what it should be, and returns the release that it is at, and whether it was there before.
func (d *deployment) apply(ctx context.Context, l app.Loaded, desired deploy.Desired, p *app.Progress) (release int, same bool, err error) {
	seen, err := look(ctx, d.engine, desired)
	if err != nil {
		return 0, false, err
	}
	if release, same, err := d.unchanged(desired, seen); err != nil || same {
		return release, same, err
	}
	sess, err := openAfter(ctx, d.engine, l.Stack.Name, d.options.Session, p.Event, seen)
	if err != nil {
		return 0, false, err
	}
	sess.hooks, sess.explain = newHooks(l, desired.Secrets, d.options.SkipHooks, p), p.Failure
	release, err = sess.deploy(ctx, l, desired, d.options)
	return release, false, errors.Join(err, sess.close(ctx))
}

// unchanged tells from a look without the lock that there is nothing to do, and which release the stack is at. Whenever
// anything speaks against it, the session decides under the lock.
func (d *deployment) unchanged(desired deploy.Desired, seen view) (release int, same bool, err error) {
	if !seen.holds() || len(d.options.Only) > 0 {
		return 0, false, nil
	}
	last, err := current(seen.records.History, desired.Stack.Name)
	if err != nil || last == nil {
		return 0, false, err
	}
	if last.Foreign != nil { // a new record is written, which is signed
		return 0, false, nil
	}
	desired.Last, desired.Rotate = last, d.options.rotate
	plan, err := deploy.NewPlan(desired, seen.observed)
	if err != nil || len(plan.Steps) > 0 || len(plan.Intent) > 0 || plan.Uncompared != "" || len(plan.Changed) > 0 {
		return 0, false, err
	}
	if d.options.Plan != "" {
		err = sameAsSaved(d.options.Plan, desired, seen.observed, plan)
	}
	return last.Number, true, err
}

// deploy plans and applies, and returns the number of the release that the stack is at.
func (s *session) deploy(ctx context.Context, l app.Loaded, desired deploy.Desired, o DeployOptions) (int, error) {
	if s.journal.Open() { // it is closed once there is a plan: until then, what was interrupted must be seen to be
		if err := s.transaction().Restore(ctx, s.journal); err != nil {
			return 0, err
		}
	}
	last, err := s.current()
	if err != nil {
		return 0, err
	}
	if last != nil && last.Foreign != nil {
		if len(o.Only) > 0 { // the rest would be taken from the record
			return 0, foreign(*last, s.stack)
		}
		s.report(deploy.Event{Subject: s.stack, Text: fmt.Sprintf("the record of release %d is not that of a deployer: %v", last.Number, last.Foreign)})
	}
	desired.Last, desired.Rotate, desired.Interrupted = last, o.rotate, s.journal.Open()
	desired, observed, plan, err := prepare(ctx, s.engine, desired, o.Only, s.seen, s.report)
	if err != nil {
		return 0, err
	}
	if o.Plan != "" {
		if err := sameAsSaved(o.Plan, desired, observed, plan); err != nil {
			return 0, err
		}
	}
	if err := s.resume(ctx, false); err != nil {
		return 0, err
	}
	for _, c := range plan.Changed {
		s.report(deploy.Event{Subject: s.stack, Text: c.Resource + " was changed outside hsectl, and no deploy puts that right; see: hsectl plan"})
	}
	if plan.Uncompared != "" {
		s.report(deploy.Event{Subject: s.stack, Text: "whether containers were changed is unknown: " + plan.Uncompared})
	}
	if len(plan.Steps) == 0 && len(plan.Intent) == 0 && last.Foreign == nil {
		return last.Number, nil
	}
	if len(plan.Steps) == 0 {
		s.report(deploy.Event{Subject: s.stack, Text: "only the intent changes: a new record is written, no container is touched"})
	}
	release, err := s.release(ctx, l, desired, observed, plan)
	if err != nil {
		return 0, err
	}
	if o.Load.Rate > 0 && last != nil { // a first deploy has no visitors
		s.begin = func() func() error { return o.Load.start(ctx, s.report) }
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

// refuse stops a deploy whose rendered stack already fails a control that verification would be asked about, or does not show whether
// one of high severity holds.
func (d *deployment) refuse(l app.Loaded, declared witness.Declared) error {
	refused := false
	for _, f := range declared.Check() {
		high := f.Severity >= finding.High
		if f.Status == finding.Fail && (high || d.options.Session.Verify && !witness.OnlyText(f.Control)) || f.Status == finding.Unknown && high {
			refused = true
			about := f.Subject
			if f.Status == finding.Unknown {
				about += " is unknown"
			}
			fmt.Fprintf(d.Err, "%s: %s %s: %s\n  hint: %s\n", l.Profile.Written(l.Root+"services."+f.Subject+"."+f.Where), f.Control, about, f.Detail, f.Remedy)
		}
	}
	if refused {
		fmt.Fprintln(d.Err, "refused: fix the profile, or add an exception with a reason and a date; nothing was changed")
		return app.ErrFindings
	}
	return nil
}
