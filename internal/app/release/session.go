// Package release brings a stack from one release to another, and says where it is: plan, deploy, rollback, status, maintenance, and
// the secrets that are delivered.
package release

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/deploy/lock"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/engine/records"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/record"
	"github.com/hsectl/hsectl/internal/verify"
)

// session is a stack on an engine under its lock, with everything the engine has recorded of it.
type session struct {
	engine  *docker.Engine
	lock    *records.Lock
	stack   string
	made    record.Made
	journal record.Journal
	history record.History
	report  func(deploy.Event)
	begin   func() func() error // begins the load that runs meanwhile, and returns who judges it; nil for none
	judge   func() error        // of the load that runs meanwhile; nil for none
	options SessionOptions
	named   bool                                        // the stack was only named: there is no profile, and no key of its deployers
	hooks   *hooks                                      // nil: none run
	explain func(error, record.Release) *record.Failure // of a deploy that failed; nil: nothing is kept
	seen    *deploy.Observed                            // by a look before the lock that still holds; nil for none
}

// view is what a look without the lock shows of a stack.
type view struct {
	records  deploy.Records
	observed deploy.Observed
}

func look(ctx context.Context, engine *docker.Engine, d deploy.Desired) (view, error) {
	records, observed, err := engine.Look(ctx, d)
	if err != nil {
		return view{}, fmt.Errorf("observing the engine: %w", err)
	}
	return view{records, observed}, nil
}

// holds tells whether what was seen is of one moment, and no deploy was interrupted then.
func (v view) holds() bool { return v.records.Quiet && !v.records.Journal.Open() }

// SessionOptions are the flags of every verb that changes a stack.
type SessionOptions struct {
	LockWait time.Duration
	Timeout  time.Duration
	Verify   bool
	Settle   time.Duration
	Keep     int  // releases
	KeepOn   bool // leave a failed first deploy running
}

// open takes the lock and reads the records. The caller closes the session.
func open(ctx context.Context, engine *docker.Engine, name string, o SessionOptions, report func(deploy.Event)) (*session, error) {
	return openAfter(ctx, engine, name, o, report, view{})
}

// openAfter is open after a look. When the lock was free and the journal is still the same, no deploy has
// changed anything since, and what was seen is not read again.
func openAfter(ctx context.Context, engine *docker.Engine, name string, o SessionOptions, report func(deploy.Event), v view) (*session, error) {
	person, machine := host.Who()
	lock, err := engine.Lock(ctx, name, records.LockOptions{Wait: o.LockWait, Gone: host.Gone, Report: report,
		Holder: lock.Holder{By: person, Host: machine, PID: os.Getpid(), Process: host.Process()}})
	if err != nil {
		return nil, err
	}
	s := &session{engine: engine, lock: lock, stack: name, report: report, options: o,
		made: record.Made{By: person, Host: machine, Tool: "hsectl " + app.Version()}}
	s.journal, err = lock.Journal(ctx)
	switch {
	case err == nil && v.holds() && lock.AtOnce() && s.journal.Sequence == v.records.Journal.Sequence:
		s.history, s.seen = v.records.History, &v.observed
	case err == nil:
		s.history, err = engine.History(ctx, name)
	}
	if err == nil {
		err = s.history.Newer()
	}
	if err != nil {
		return nil, errors.Join(err, lock.Unlock(ctx))
	}
	return s, nil
}

// close lets the lock go, after what interrupted runs have delivered is gone. What cannot be removed now is left to the next run.
func (s *session) close(ctx context.Context) error {
	if ctx.Err() == nil {
		if err := s.lock.Tidy(ctx, s.history); err != nil {
			s.report(deploy.Event{Subject: s.stack, Text: "cleanup failed: " + err.Error()})
		}
	}
	return s.lock.Unlock(ctx)
}

// current returns the release that the stack is at, or nil. A damaged record is an error: nothing could be undone.
func (s *session) current() (*record.Entry, error) { return current(s.history, s.stack) }

func current(h record.History, stack string) (*record.Entry, error) {
	if err := h.Newer(); err != nil {
		return nil, err
	}
	r, ok := h.Current()
	if !ok {
		return nil, nil
	}
	return &r, trust(r, stack)
}

// foreign is the error of a record that none of the configured keys has signed.
func foreign(r record.Entry, name string) error {
	return &app.UsageError{Err: fmt.Errorf("the record of release %d of %s is not that of a deployer: %w", r.Number, name, r.Foreign),
		Hint: "nothing was changed; choose another release, or deploy the whole profile: hsectl deploy"}
}

func trust(r record.Entry, name string) error {
	if r.Err != nil {
		return &record.DamagedError{What: fmt.Sprintf("release %d of %s (volume %s)", r.Number, name, r.Volume), Err: r.Err}
	}
	return nil
}

func (s *session) transaction() deploy.Transaction {
	t := deploy.Transaction{Stack: s.stack, Engine: s.engine, Ledger: s.lock, Lost: s.lock.Lost(), Report: s.report,
		Undo: s.options.Timeout, Settle: s.options.Settle, Keep: s.options.KeepOn, Judge: s.judge, Explain: s.explain}
	if s.options.Verify {
		t.Verify = func(ctx context.Context, r record.Release) (record.Proof, error) { return prove(ctx, s.engine, r) }
	}
	return t
}

// resume ends what an earlier run left open. With undo the stack returns to the release it was at.
func (s *session) resume(ctx context.Context, undo bool) error {
	if !s.journal.Open() {
		return nil
	}
	j := s.journal
	s.report(deploy.Event{Kind: deploy.PhaseEvent, Subject: s.stack,
		Text: fmt.Sprintf("release %d was interrupted at %q by %s on %s", j.To, j.Step, j.Made.By, j.Made.Host)})
	from, err := s.current()
	if err != nil {
		return err
	}
	cut, _ := s.history.Find(j.To)
	if s.journal, err = s.transaction().Resume(ctx, j, cut, from, undo); err != nil {
		return fmt.Errorf("ending the interrupted deploy: %w", err)
	}
	s.history, err = s.engine.History(ctx, s.stack)
	return err
}

// run makes a change happen and tidies up after it.
func (s *session) run(ctx context.Context, c deploy.Change) error {
	c.Journal = s.journal
	if err := s.before(ctx, c); err != nil {
		return err
	}
	if s.begin != nil && len(c.Plan.Steps) > 0 {
		s.judge = sync.OnceValue(s.begin())
		defer func() { _ = s.judge() }() // what it saw of a deploy that failed for another reason is of no interest
	}
	outcome, err := s.transaction().Run(ctx, c)
	s.afterwards(ctx, c, &outcome, err)
	if err != nil {
		return err
	}
	s.history = append(s.history, record.Entry{Number: c.Release.Number, Release: c.Release, Outcome: outcome})
	if err := s.engine.Prune(ctx, s.stack, s.history, s.options.Keep); err != nil {
		s.report(deploy.Event{Subject: s.stack, Text: "deployed, but cleanup failed: " + err.Error()})
	}
	return nil
}

// A dependency that was replaced makes a test of health fail once, and the next one passes: that is no reason to undo
// a deploy. Health alone is asked again, this often.
const proveTries = 4

// prove verifies the running stack against a release.
func prove(ctx context.Context, engine *docker.Engine, r record.Release) (record.Proof, error) {
	evidence, err := app.Verify(ctx, engine, r.Model(), verify.Options{Rendered: app.RenderedOf(r)}, proveTries)
	return newProof(evidence.Findings), err
}

func newProof(findings []finding.Finding) record.Proof {
	p := record.Proof{Proven: finding.Proven(findings), Counts: map[string]int{}}
	for status, n := range finding.Tally(findings) {
		p.Counts[status.String()] = n
	}
	for _, f := range findings {
		if !f.Proven() {
			p.About = append(p.About, f.Subject)
			p.Failed = append(p.Failed, fmt.Sprintf("%s %s is %s: %s", f.Subject, f.Control, f.Status, f.Detail))
		}
	}
	return p
}
