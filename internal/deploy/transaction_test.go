package deploy_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/deploy/lock"
	"github.com/hsectl/hsectl/internal/record"
)

// world is an engine and its ledger in memory. It writes down everything in order, and fails where it is told to.
type world struct {
	log    []string
	failAt string
	lost   chan struct{}
	cancel context.CancelFunc
	when   string // at which entry ctx is cancelled
}

var errWorld = errors.New("the engine said no")

func (w *world) note(format string, args ...any) error {
	entry := fmt.Sprintf(format, args...)
	w.log = append(w.log, entry)
	if w.cancel != nil && entry == w.when {
		w.cancel()
	}
	if entry == w.failAt {
		return errWorld
	}
	return nil
}

func (w *world) Observe(context.Context, deploy.Desired) (deploy.Observed, error) {
	return deploy.Observed{Images: map[string]string{"app": "sha256:new"}, Kept: map[string]bool{"sha256:old": true}}, nil
}

func (w *world) Apply(_ context.Context, steps []deploy.Step, _ func(deploy.Event)) error {
	var names []string
	for _, s := range steps {
		if s.Kind == deploy.TagImage {
			return w.note("%s = %s", s.Name(), s.Tag.ID)
		}
		names = append(names, s.Name())
	}
	return w.note("%s", strings.Join(names, " with "))
}

func (w *world) Write(_ context.Context, j record.Journal) error {
	return w.note("journal: %s %s", j.Phase, j.Step)
}

func (w *world) Save(_ context.Context, r record.Release) error { return w.note("save %d", r.Number) }

func (w *world) Close(_ context.Context, r record.Release, o record.Outcome) error {
	return w.note("close %d: %s", r.Number, o.Status)
}

func (w *world) transaction(proven bool) deploy.Transaction {
	return deploy.Transaction{Stack: "shop", Engine: w, Ledger: w, Lost: w.lost, Undo: time.Minute, Report: func(deploy.Event) {},
		Verify: func(context.Context, record.Release) (record.Proof, error) {
			return record.Proof{Proven: proven, Failed: []string{"app HSE-FS-001 is fail"}}, w.note("verify")
		}}
}

func change(from bool) deploy.Change {
	c := deploy.Change{Release: record.Release{Stack: "shop", Number: 2},
		Plan: deploy.Plan{Stack: "shop", Steps: []deploy.Step{{Kind: deploy.DeliverSecrets, Subject: "app"}, {Kind: deploy.Converge, Subject: "shop"}}}}
	if from {
		c.From = &record.Entry{Number: 1, Release: record.Release{Stack: "shop", Number: 1, Images: map[string]record.Image{"app": {ID: "sha256:old"}}},
			Outcome: record.Outcome{Status: record.Deployed}}
	}
	return c
}

var forward = []string{"journal: applying keep the release", "save 2", "journal: applying deliver secrets app", "deliver secrets app",
	"journal: applying converge shop", "converge shop", "journal: applying verify", "verify", "journal: applying close the release"}

// Every step is in the journal before it happens, and the journal is closed at the end.
func TestTransaction(t *testing.T) {
	w := &world{}
	out, err := w.transaction(true).Run(t.Context(), change(true))
	want := append(slices.Clone(forward), "close 2: deployed", "journal: closed ")
	if err != nil || out.Status != record.Deployed || !slices.Equal(w.log, want) {
		t.Errorf("%v\ngot  %q\nwant %q", err, w.log, want)
	}
}

// Volumes are prepared and filled together, with one record that names them all.
func TestTransactionFillsTogether(t *testing.T) {
	w := &world{}
	c := change(true)
	c.Plan.Steps = slices.Insert(c.Plan.Steps, 0, deploy.Step{Kind: deploy.PullImage, Subject: "app"}, deploy.Step{Kind: deploy.PrepareVolume, Subject: "data"})
	if _, err := w.transaction(true).Run(t.Context(), c); err != nil {
		t.Error(err)
	}
	want := []string{"journal: applying pull image app", "pull image app", "journal: applying prepare volume data, deliver secrets app",
		"prepare volume data with deliver secrets app", "journal: applying converge shop"}
	if !slices.Equal(w.log[2:7], want) {
		t.Errorf("got  %q\nwant %q", w.log[2:7], want)
	}
}

// Whatever fails on the way, the stack goes back: images, then containers, then proof; and references get their newest
// meaning again.
func TestTransactionGoesBack(t *testing.T) {
	back := []string{"journal: undoing name image app", "name image app = sha256:old", "journal: undoing converge shop", "converge shop",
		"journal: undoing verify", "verify", "close 1: deployed", "name image app = sha256:new", "close 2: undone", "journal: closed "}
	for i, entry := range forward[:6] { // what comes later happens on the way back, too
		w := &world{failAt: entry}
		if entry == "converge shop" {
			continue
		}
		_, err := w.transaction(true).Run(t.Context(), change(true))
		failed, ok := errors.AsType[*deploy.FailedError](err)
		if !ok || !errors.Is(err, errWorld) || failed.Back != 1 || failed.Undo != nil {
			t.Errorf("failing at %q: %v", entry, err)
		}
		if want := append(slices.Clone(forward[:i+1]), back...); !slices.Equal(w.log, want) {
			t.Errorf("failing at %q:\ngot  %q\nwant %q", entry, w.log, want)
		}
	}
}

// A deploy that visitors noticed goes back as well; on the way back the probe load is not judged again.
func TestTransactionNoticedByVisitors(t *testing.T) {
	w := &world{}
	transaction := w.transaction(true)
	noticed, asked := errors.New("7 of 900 requests failed"), 0
	transaction.Judge = func() error { asked++; return noticed }
	_, err := transaction.Run(t.Context(), change(true))
	failed, ok := errors.AsType[*deploy.FailedError](err)
	if !ok || !errors.Is(err, noticed) || failed.Back != 1 || failed.Undo != nil || asked != 1 || !slices.Contains(w.log, "journal: applying judge the load") {
		t.Errorf("%v, asked %d times, %q", err, asked, w.log)
	}
}

// An interrupt goes back as well, and is not stopped by itself.
func TestTransactionInterrupted(t *testing.T) {
	for _, entry := range forward[:6] {
		ctx, cancel := context.WithCancel(t.Context())
		w := &world{cancel: cancel, when: entry}
		_, err := w.transaction(true).Run(ctx, change(true))
		if !errors.Is(err, context.Canceled) || w.log[len(w.log)-2] != "close 2: undone" {
			t.Errorf("interrupted at %q: %v, %q", entry, err, w.log)
		}
	}
}

// A stack that cannot be proven goes back; one that cannot be proven there either is said to be in neither state.
func TestTransactionUnproven(t *testing.T) {
	w := &world{}
	_, err := w.transaction(false).Run(t.Context(), change(true))
	var unproven *deploy.UnprovenError
	if !errors.As(err, &unproven) || !strings.Contains(err.Error(), "could not be restored") {
		t.Error(err)
	}
	if slices.Contains(w.log, "journal: closed ") {
		t.Error("the journal was closed although the stack is nowhere")
	}
}

// A first deploy that fails is stopped, unless something ran before or it is to be kept.
func TestFirstTransactionFails(t *testing.T) {
	for _, c := range []struct {
		name   string
		keep   bool
		before map[string][]deploy.Running
		stops  bool
	}{
		{"fresh", false, nil, true},
		{"kept", true, nil, false},
		{"something ran", false, map[string][]deploy.Running{"app": {{ID: "a"}}}, false},
	} {
		w := &world{failAt: "converge shop"}
		transaction, ch := w.transaction(true), change(false)
		transaction.Keep, ch.Before = c.keep, c.before
		_, err := transaction.Run(t.Context(), ch)
		failed, ok := errors.AsType[*deploy.FailedError](err)
		if !ok || failed.Stopped != c.stops || slices.Contains(w.log, "stop shop") != c.stops || w.log[len(w.log)-1] != "journal: closed " {
			t.Errorf("%s: %v, %q", c.name, err, w.log)
		}
	}
}

// Without the lock nothing is touched any more, not even to go back.
func TestTransactionLosesTheLock(t *testing.T) {
	w := &world{lost: make(chan struct{})}
	transaction := w.transaction(true)
	transaction.Verify = func(ctx context.Context, _ record.Release) (record.Proof, error) {
		close(w.lost)
		<-ctx.Done()
		return record.Proof{}, ctx.Err()
	}
	_, err := transaction.Run(t.Context(), change(true))
	var lost *lock.LostError
	if !errors.As(err, &lost) || w.log[len(w.log)-1] != "journal: applying verify" {
		t.Errorf("%v, %q", err, w.log)
	}
}

// What was interrupted is closed by a new deploy and undone by a rollback; what was committed before the crash stays.
func TestResume(t *testing.T) {
	j := record.Journal{Sequence: 9, From: 1, To: 2, Phase: record.Applying, Step: "converge shop", Tags: map[string]string{"app": "sha256:new"}}
	undone := []string{"journal: undoing name image app", "name image app = sha256:old", "journal: undoing converge shop", "converge shop",
		"journal: undoing verify", "verify", "close 1: deployed"}
	end := []string{"name image app = sha256:new", "close 2: cut off", "journal: closed "}
	for _, c := range []struct {
		name string
		cut  record.Entry
		undo bool
		want []string
	}{
		{"deploy again", record.Entry{Number: 2}, false, end},
		{"undo", record.Entry{Number: 2}, true, append(undone, end...)},
		{"it was committed", record.Entry{Number: 2, Outcome: record.Outcome{Status: record.Deployed}}, true,
			[]string{"name image app = sha256:new", "close 2: deployed", "journal: closed "}},
	} {
		w := &world{}
		after, err := w.transaction(true).Resume(t.Context(), j, c.cut, change(true).From, c.undo)
		if err != nil || after.Open() || after.Sequence <= j.Sequence || !slices.Equal(w.log, c.want) {
			t.Errorf("%s: %v\ngot  %q\nwant %q", c.name, err, w.log, c.want)
		}
	}
}

// The way back is refused as a whole when something that it needs is gone.
func TestReturnNeedsEverything(t *testing.T) {
	r := record.Release{Stack: "shop", Number: 3, Images: map[string]record.Image{"app": {ID: "sha256:old"}}, Secrets: map[string]string{"app": "shop_app_secrets_1"}}
	_, err := deploy.NewReturn(r, deploy.Observed{}, time.Minute)
	gone, ok := errors.AsType[*deploy.GoneError](err)
	if !ok || len(gone.What) != 2 {
		t.Errorf("got %v", err)
	}
	r.Images["app"] = record.Image{ID: "sha256:old", Digest: "registry.example/app@sha256:x"}
	plan, err := deploy.NewReturn(r, deploy.Observed{Delivered: map[string]deploy.SecretState{"shop_app_secrets_1": {}}}, time.Minute)
	if err != nil || len(plan.Steps) != 3 || plan.Steps[0].Kind != deploy.PullImage {
		t.Errorf("an image of a registry is brought again: %+v, %v", plan.Steps, err)
	}
}

// An undo does not depend on what was not well before: that is started and not waited for, and only its own findings are excused.
func TestUndoExcusesWhatWasIll(t *testing.T) {
	for name, tt := range map[string]struct {
		before map[string][]deploy.Running
		about  []string
		back   bool
	}{
		"it was ill":           {map[string][]deploy.Running{"app": {{State: "unhealthy"}}}, []string{"app"}, true},
		"it was well":          {map[string][]deploy.Running{"app": {{Well: true}}}, []string{"app"}, false},
		"another one was ill":  {map[string][]deploy.Running{"app": {{Well: true}}, "db": {{State: "exited"}}}, []string{"db", "app"}, false},
		"nothing says of whom": {map[string][]deploy.Running{"app": {{State: "unhealthy"}}}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{failAt: "save 2"}
			transaction := w.transaction(false)
			transaction.Verify = func(context.Context, record.Release) (record.Proof, error) {
				return record.Proof{Failed: []string{"app HSE-HLT-002 is fail"}, About: tt.about}, nil
			}
			c := change(true)
			c.Before = tt.before
			_, err := transaction.Run(t.Context(), c)
			failed, ok := errors.AsType[*deploy.FailedError](err)
			if !ok || (failed.Undo == nil) != tt.back {
				t.Errorf("%v", err)
			}
		})
	}
}
