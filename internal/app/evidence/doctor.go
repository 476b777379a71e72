package evidence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/internal/record"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify/doctor"
	"github.com/hsectl/hsectl/profiles"
)

// DoctorOptions are the flags of doctor.
type DoctorOptions struct {
	Fix      bool
	Untested bool // fixes are also written where no copy has shown that they work
	Release  int  // whose deploy failed; 0 is what stands now, and the newest deploy when that failed
	Log      bool // also print what was kept of the log of a failed deploy
	Timeout  time.Duration
}

// Check finds flags that exclude each other.
func (o DoctorOptions) Check() error {
	switch {
	case o.Untested && !o.Fix:
		return &app.UsageError{Err: errors.New("`--untested` needs `--fix`"), Hint: "hsectl doctor --fix --untested"}
	case o.Release < 0, o.Timeout <= 0:
		return &app.UsageError{Err: errors.New("release and timeout must be more than 0")}
	}
	return nil
}

// Doctor diagnoses failing services, and the newest deploy when it failed. With fix it writes the changes into the profile.
func Doctor(ctx context.Context, g *app.Settings, s app.Streams, o DoctorOptions) error {
	l, err := app.LoadPinned(g.File)
	if err != nil {
		return err
	}
	engine, err := g.Connect(ctx)
	if err != nil {
		return err
	}
	defer engine.Close()
	var symptoms []doctor.Symptom
	var conditions []doctor.Condition
	if o.Release == 0 {
		if symptoms, err = engine.Symptoms(ctx, l.Stack); err != nil {
			return err
		}
		symptoms = g.RedactSymptoms(ctx, engine, l, symptoms)
		if conditions, err = engine.Conditions(ctx, l.Stack); err != nil {
			return err
		}
	}
	history, err := engine.History(ctx, l.Stack.Name)
	if err != nil {
		return err
	}
	failed, err := attempt(history, l.Stack.Name, o.Release)
	if err != nil {
		return err
	}
	if f := failed.Outcome.Failure; f != nil && !slices.ContainsFunc(symptoms, func(now doctor.Symptom) bool { return now.Service == f.Service && now.Sick() }) {
		symptom := doctor.Symptom{Service: f.Service, State: f.State, ExitCode: f.ExitCode, OOM: f.OOM, Tested: f.Health != "", Health: f.Health, Logs: f.Logs, Attempt: failed.Number}
		service, _ := failed.Release.Model().Service(f.Service)
		symptoms = append(symptoms, imaged(ctx, engine, l.Stack.Name, failed.Release.Images[service.Image].ID, symptom))
	}
	for i := range symptoms {
		symptoms[i].Notes = notes(l.Stack, symptoms[i].Service)
	}
	found := doctor.Living(l.Stack, conditions, doctor.Diagnose(l.Stack, symptoms))
	for _, c := range conditions {
		if c.Unseen != "" {
			s.Say("%s: not inspected: %s", c.Service, c.Unseen)
		}
	}
	p := printer{s, l, symptoms}
	p.print(found)
	told := p.attempt(failed, current(history), o.Log)
	switch {
	case len(found) == 0 && told:
		return app.ErrFindings
	case len(found) == 0:
		fmt.Fprintf(s.Out, "✓ %s: no known cause of failure found in %s\n", l.Stack.Name, display.Count(len(l.Stack.Services), "service"))
		return nil
	}
	if o.Fix {
		t := trials{Settings: g, Streams: s, loaded: l, engine: engine, options: o}
		if err := t.fix(ctx, found); err != nil {
			return err
		}
	}
	return app.ErrFindings
}

// attempt returns the release whose deploy failed: the one with a number, or the newest one when that failed.
func attempt(h record.History, stack string, number int) (record.Entry, error) {
	if number == 0 {
		r, _ := h.Failed()
		return r, r.Err
	}
	r, ok := h.Find(number)
	switch {
	case !ok:
		return r, &app.UsageError{Err: fmt.Errorf("release %d of %s not found", number, stack), Hint: "list them: hsectl releases"}
	case r.Err != nil:
		return r, r.Err
	case r.Outcome.Status == record.Deployed:
		return r, &app.UsageError{Err: fmt.Errorf("the deploy of release %d did not fail", number), Hint: "list the releases: hsectl releases"}
	}
	return r, nil
}

// imaged adds what the image of a service has at the paths that its log names. Of an image that the engine no longer has that stays unseen.
func imaged(ctx context.Context, engine *docker.Engine, project, image string, symptom doctor.Symptom) doctor.Symptom {
	if places, err := engine.Places(ctx, project, image, doctor.Mentioned(symptom.Logs)); err == nil && image != "" {
		symptom.Places = places
	}
	return symptom
}

func current(h record.History) int {
	r, _ := h.Current()
	return r.Number
}

// notes are the known problems of the preset of a service.
func notes(in stack.Stack, service string) []string {
	s, _ := in.Service(service)
	if s.Preset == "" {
		return nil
	}
	p, err := parser.ReadPreset(s.Preset, profiles.Library{})
	if err != nil {
		return nil // a preset of another library has none that are known here
	}
	return p.Service.Notes
}

// printer writes what was found.
type printer struct {
	app.Streams
	loaded   app.Loaded
	symptoms []doctor.Symptom
}

func (p printer) print(found []doctor.Diagnosis) {
	for _, symptom := range p.symptoms {
		if symptom.Sick() && symptom.Unread != "" {
			p.Say("%s: log not read: %s", symptom.Service, symptom.Unread)
		}
	}
	tested := map[string]bool{}
	for _, d := range found {
		fmt.Fprintf(p.Out, "✗ %s: %s\n", d.Service, d.Cause)
		if d.Attempt > 0 {
			fmt.Fprintf(p.Out, "    of     the failed deploy of release %d\n", d.Attempt)
		}
		fmt.Fprintf(p.Out, "    seen   %s\n", d.Evidence)
		if !tested[d.Service] {
			tested[d.Service] = true
			p.test(d)
		}
		switch {
		case !d.Patch.Certain() && d.Patch.Path != "":
			fmt.Fprintf(p.Out, "    fix    %s: %s\n", p.loaded.Profile.Written(d.Patch.Path), d.Advice)
		case d.Patch.Path == "":
			fmt.Fprintf(p.Out, "    fix    %s\n", d.Advice)
		default:
			fmt.Fprintf(p.Out, "    fix    %s: %s\n", p.loaded.Profile.Written(d.Patch.Path), change(d.Patch))
		}
	}
}

// change says what a patch does.
func change(p doctor.Patch) string {
	if p.Item != "" {
		return fmt.Sprintf("add to %s: %s", p.Path, p.Item)
	}
	return fmt.Sprintf("set %s: %s", p.Path, p.Value)
}

// maxTestLines is what is shown of a health test.
const maxTestLines = 3

// test shows what the health test of a service printed, when it failed.
func (p printer) test(d doctor.Diagnosis) {
	i := slices.IndexFunc(p.symptoms, func(s doctor.Symptom) bool { return s.Service == d.Service && s.Attempt == d.Attempt })
	if i < 0 || !p.symptoms[i].Tested {
		return
	}
	lines := display.LastLines(p.symptoms[i].Health, maxTestLines)
	if len(lines) == 0 {
		lines = []string{"it printed nothing"}
	}
	if len(lines) == 1 && strings.Join(strings.Fields(lines[0]), " ") == d.Evidence {
		return
	}
	for i, line := range lines {
		title := "test"
		if i > 0 {
			title = ""
		}
		fmt.Fprintf(p.Out, "    %-6s %s\n", title, line)
	}
}

// attempt says which deploy failed and what was kept of it, and whether there was one.
func (p printer) attempt(failed record.Entry, now int, log bool) bool {
	if failed.Number == 0 {
		return false
	}
	back := "nothing was deployed before it"
	if now > 0 {
		back = fmt.Sprintf("the stack is at release %d", now)
	}
	ended := "was undone"
	if failed.Outcome.Status != record.Undone {
		ended = "was interrupted"
	}
	fmt.Fprintf(p.Out, "✗ %s: the deploy of release %d %s; %s\n    seen   %s\n", p.loaded.Stack.Name, failed.Number, ended, back, display.Name(failed.Outcome.Reason))
	f := failed.Outcome.Failure
	switch {
	case f == nil:
		fmt.Fprintf(p.Out, "    fix    no output of a service was kept: correct what the line names, then hsectl deploy\n")
	case log:
		fmt.Fprintf(p.Out, "    log    of %s, %s\n", f.Service, f.State)
		for _, line := range f.Logs {
			fmt.Fprintf(p.Out, "           %s\n", display.Clean(line))
		}
	default:
		fmt.Fprintf(p.Out, "    log    hsectl doctor --release %d --log prints what was kept of it\n", failed.Number)
	}
	return true
}
