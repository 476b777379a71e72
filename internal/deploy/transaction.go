package deploy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/deploy/lock"
	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/record"
)

// Ledger keeps the records of a stack on the engine. It stamps them with the engine's time, and refuses to write with a
// lock.LostError once the lock is no longer ours.
type Ledger interface {
	// Write keeps the journal; it returns when it is on the engine.
	Write(ctx context.Context, j record.Journal) error
	// Save keeps a release that is about to be deployed, and everything that a return to it needs.
	Save(ctx context.Context, r record.Release) error
	// Close keeps how the deploy of a release ended, and which containers are its own. An outcome that has a time keeps it.
	Close(ctx context.Context, r record.Release, o record.Outcome) error
}

// Transaction brings a stack to a release, or back to where it was.
type Transaction struct {
	Stack  string
	Engine Engine
	Ledger Ledger
	Lost   <-chan struct{}                                             // closed when the lock is lost
	Verify func(context.Context, record.Release) (record.Proof, error) // nil: nothing is verified
	Report func(Event)
	Undo   time.Duration // bounds the way back
	Settle time.Duration // for which new containers must stay well
	Keep   bool          // leave a first deploy that failed running
	Judge  func() error  // judges the responses to the probe load at the end; nil without one

	Explain func(error, record.Release) *record.Failure // what is kept of a failure, without values of secrets; nil: nothing is
}

// Change is what a transaction does.
type Change struct {
	Release record.Release
	Plan    Plan
	From    *record.Entry        // nil when there is nothing to return to
	Before  map[string][]Running // what ran of the stack before
	Journal record.Journal       // the last one that was written
}

// UnprovenError is a stack that is healthy and yet not what its profile says.
type UnprovenError struct{ Proof record.Proof }

// Error implements error.
func (e *UnprovenError) Error() string {
	return fmt.Sprintf("verification failed: %s", strings.Join(e.Proof.Failed, "; "))
}

// only tells whether what is not proven is about some services and no other.
func (e *UnprovenError) only(services []string) bool {
	return len(e.Proof.About) > 0 && !slices.ContainsFunc(e.Proof.About, func(name string) bool { return !slices.Contains(services, name) })
}

// FailedError is a transaction that did not reach its release, and what became of the stack.
type FailedError struct {
	Err     error // why
	Undo    error // why the way back failed; nil when it did not
	Back    int   // release that the stack is at again; 0 when there was none
	Stopped bool  // there was none, and what was started has been stopped
	Stack   string
}

// Error implements error.
func (e *FailedError) Error() string { return e.Err.Error() + "\n" + e.State() }

// State says where the stack is now.
func (e *FailedError) State() string {
	switch {
	case e.Undo != nil:
		return fmt.Sprintf("%s could not be restored: %v", e.Stack, e.Undo)
	case e.Back > 0:
		return fmt.Sprintf("%s is back at release %d, with its images, configuration and secrets", e.Stack, e.Back)
	case e.Stopped:
		return e.Stack + " had no release to return to; its containers are stopped and keep their logs"
	}
	return e.Stack + " had no release to return to; its containers are left as they are"
}

// Unwrap returns the cause.
func (e *FailedError) Unwrap() error { return e.Err }

// Run applies the change. When a step or the verification fails, or ctx ends, the stack returns to the release it came
// from, all of it, and the error is a FailedError. When the lock is lost nothing more is touched.
func (t Transaction) Run(ctx context.Context, c Change) (record.Outcome, error) {
	j := c.Journal
	j.From, j.To, j.Made, j.Phase, j.Tags = 0, c.Release.Number, c.Release.Made, record.Applying, c.Plan.moved()
	if c.From != nil {
		j.From = c.From.Number
	}
	guarded, cancel := t.guard(ctx)
	defer cancel()
	outcome, err := t.apply(guarded, &j, c)
	if err == nil {
		return outcome, t.finish(context.WithoutCancel(ctx), &j, c.Release, outcome)
	}
	var lost *lock.LostError
	if errors.As(err, &lost) || errors.As(context.Cause(guarded), &lost) {
		return record.Outcome{}, errors.Join(err, context.Cause(guarded))
	}
	return t.fail(context.WithoutCancel(ctx), &j, c, err)
}

// guard ends a context when the lock is lost.
func (t Transaction) guard(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-t.Lost:
			cancel(&lock.LostError{Stack: t.Stack})
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

func (t Transaction) apply(ctx context.Context, j *record.Journal, c Change) (record.Outcome, error) {
	if err := t.record(ctx, j, "keep the release"); err != nil {
		return record.Outcome{}, err
	}
	if err := t.Ledger.Save(ctx, c.Release); err != nil {
		return record.Outcome{}, err
	}
	if err := t.steps(ctx, j, c.Plan); err != nil {
		return record.Outcome{}, err
	}
	out := record.Outcome{Status: record.Deployed}
	proof, err := t.verify(ctx, j, c.Release)
	if err != nil {
		return out, err
	}
	out.Proof = proof
	if len(c.Plan.Steps) == 0 { // only the intent is another one: nothing is new that could fail
		return out, t.record(ctx, j, "close the release")
	}
	if err := t.steps(ctx, j, Plan{Steps: t.settling(c.Before)}); err != nil {
		return out, err
	}
	if t.Judge != nil {
		if err := t.record(ctx, j, "judge the load"); err != nil {
			return out, err
		}
		if err := t.Judge(); err != nil {
			return out, err
		}
	}
	return out, t.record(ctx, j, "close the release")
}

// settling comes after verification, which takes its share of the time.
func (t Transaction) settling(before map[string][]Running) []Step {
	if t.Settle <= 0 {
		return nil
	}
	known := map[string]bool{}
	for _, list := range before {
		for _, c := range list {
			known[c.ID] = true
		}
	}
	return []Step{{Kind: Settle, Subject: t.Stack, Cause: "healthy services must stay healthy", Settle: &SettleStep{For: t.Settle, Known: known}}}
}

func (t Transaction) steps(ctx context.Context, j *record.Journal, p Plan) error {
	for _, batch := range batches(p.Steps) {
		if err := t.record(ctx, j, names(batch)...); err != nil {
			return err
		}
		if err := t.Engine.Apply(ctx, batch, t.Report); err != nil {
			return fmt.Errorf("%s: %w", j.Step, err)
		}
	}
	return nil
}

// record writes what is about to happen, before it happens.
func (t Transaction) record(ctx context.Context, j *record.Journal, steps ...string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j.Sequence++
	j.Step = strings.Join(steps, ", ")
	if err := t.Ledger.Write(ctx, *j); err != nil {
		return fmt.Errorf("recording %q: %w", j.Step, err)
	}
	for _, step := range steps {
		t.Report(Event{Kind: StepEvent, Subject: string(j.Phase), Text: step})
	}
	return nil
}

func (t Transaction) verify(ctx context.Context, j *record.Journal, r record.Release) (*record.Proof, error) {
	if t.Verify == nil {
		return nil, nil
	}
	if err := t.record(ctx, j, "verify"); err != nil {
		return nil, err
	}
	proof, err := t.Verify(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("verifying: %w", err)
	}
	if !proof.Proven {
		return &proof, &UnprovenError{proof}
	}
	t.Report(Event{Subject: r.Stack, Text: "verified", Done: true})
	return &proof, nil
}

// finish closes the release and then the journal. A crash between the two is no harm: the release counts.
func (t Transaction) finish(ctx context.Context, j *record.Journal, r record.Release, o record.Outcome) error {
	ctx, cancel := context.WithTimeout(ctx, t.Undo)
	defer cancel()
	if err := t.restore(ctx, j.Tags); err != nil {
		return err
	}
	if err := t.Ledger.Close(ctx, r, o); err != nil {
		return err
	}
	return t.close(ctx, j)
}

func (t Transaction) close(ctx context.Context, j *record.Journal) error {
	j.Sequence++
	j.Phase, j.Step = record.Closed, ""
	if err := t.Ledger.Write(ctx, *j); err != nil {
		return fmt.Errorf("closing the journal: %w", err)
	}
	return nil
}

// restore lets references mean again what they meant before.
func (t Transaction) restore(ctx context.Context, tags map[string]string) error {
	for _, step := range tagSteps(tags) {
		if err := t.Engine.Apply(ctx, []Step{step}, t.Report); err != nil {
			return fmt.Errorf("%s: %w", step.Name(), err)
		}
	}
	return nil
}

// fail goes the way back and says how it went.
func (t Transaction) fail(ctx context.Context, j *record.Journal, c Change, cause error) (record.Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, t.Undo)
	defer cancel()
	ctx, release := t.guard(ctx)
	defer release()
	t.Report(Event{Kind: PhaseEvent, Subject: t.Stack, Text: "undoing: " + display.FirstLine(cause.Error())})
	out := record.Outcome{Status: record.Undone, Reason: display.FirstLine(cause.Error())}
	failed := &FailedError{Err: cause, Stack: t.Stack}
	if t.Explain != nil { // before what failed is taken away
		out.Failure = t.Explain(cause, c.Release)
	}
	switch {
	case c.From != nil:
		failed.Back = c.From.Number
		failed.Undo = t.back(ctx, j, *c.From, c.Before)
	case len(c.Before) == 0 && !t.Keep:
		failed.Stopped = true
		j.Phase = record.Undoing
		failed.Undo = t.steps(ctx, j, stopping(t.Stack))
	}
	if failed.Undo == nil {
		failed.Undo = t.finish(ctx, j, c.Release, out)
	}
	return out, failed
}

// back brings the stack to a release that it was at, and proves it. Services that did not work before are started, and need not be proven.
func (t Transaction) back(ctx context.Context, j *record.Journal, to record.Entry, before map[string][]Running) error {
	plan, err := t.planReturn(ctx, to.Release, before)
	if err != nil {
		return err
	}
	j.Phase = record.Undoing
	j.Tags = merge(plan.moved(), j.Tags)
	if err := t.steps(ctx, j, plan); err != nil {
		return err
	}
	_, err = t.verify(ctx, j, to.Release)
	if unproven, ok := errors.AsType[*UnprovenError](err); ok && unproven.only(ill(before)) {
		t.Report(Event{Subject: t.Stack, Text: "back, and as before not proven: " + strings.Join(unproven.Proof.Failed, "; ")})
		err = nil
	}
	if err != nil {
		return err
	}
	return t.Ledger.Close(ctx, to.Release, to.Outcome) // its containers are others now
}

func (t Transaction) planReturn(ctx context.Context, to record.Release, before map[string][]Running) (Plan, error) {
	observed, err := t.Engine.Observe(ctx, Desired{Stack: to.Model(), Last: &record.Entry{Number: to.Number, Release: to}})
	if err != nil {
		return Plan{}, fmt.Errorf("observing the engine: %w", err)
	}
	observed.Before = before
	return NewReturn(to, observed, t.Undo)
}

// Restore lets references mean again what they meant before an interrupted transaction, so that what is planned next
// is about the newest images. The journal stays open.
func (t Transaction) Restore(ctx context.Context, j record.Journal) error {
	return t.restore(ctx, j.Tags)
}

// Resume ends an interrupted transaction, whose record, if it has one, is of an interrupted release. With undo the stack returns to the
// release it came from; without, only references get their meaning back, because the next deploy brings everything else
// to where it should be. A release that was closed before the crash counts as deployed, and is not undone.
func (t Transaction) Resume(ctx context.Context, j record.Journal, cut record.Entry, from *record.Entry, undo bool) (record.Journal, error) {
	ctx, release := t.guard(ctx)
	defer release()
	cut.Release.Stack, cut.Release.Number = t.Stack, j.To
	outcome := record.Outcome{Status: record.Cut, Reason: "interrupted at: " + j.Step}
	if cut.Outcome.Status != "" {
		outcome, undo = cut.Outcome, false
	}
	switch {
	case undo && from != nil:
		if err := t.back(ctx, &j, *from, nil); err != nil {
			return j, err
		}
	case undo:
		j.Phase = record.Undoing
		if err := t.steps(ctx, &j, stopping(t.Stack)); err != nil {
			return j, err
		}
	}
	return j, t.finish(ctx, &j, cut.Release, outcome)
}

func stopping(stack string) Plan {
	return Plan{Steps: []Step{{Kind: StopStack, Subject: stack, Cause: "no release to roll back to"}}}
}

func merge(weak, strong map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, weak)
	maps.Copy(out, strong)
	return out
}
