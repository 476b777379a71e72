package evidence

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/app/supply"
	"github.com/hsectl/hsectl/internal/composefile"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/report"
	"github.com/hsectl/hsectl/internal/review"
	"github.com/hsectl/hsectl/internal/review/demand"
	"github.com/hsectl/hsectl/internal/stack"
)

// ReviewOptions are the flags of review.
type ReviewOptions struct {
	Format string
	FailOn string
	Diff   bool
	Inputs app.Inputs
}

// Review compares two versions of a profile, or of a Compose file.
func Review(ctx context.Context, g *app.Settings, s app.Streams, o ReviewOptions, base, head string) error {
	if !slices.Contains(report.ReviewFormats(), o.Format) {
		return &app.UsageError{Err: fmt.Errorf("unknown format %q", o.Format), Hint: "write --format text, markdown, json or sarif"}
	}
	fails, err := failsOn(o.FailOn)
	if err != nil {
		return err
	}
	before, err := openSnapshot(ctx, g, o.Inputs, base)
	if err != nil {
		return err
	}
	after, err := openSnapshot(ctx, g, o.Inputs, head)
	if err != nil {
		return err
	}
	defer before.close()
	defer after.close()
	reviews, err := compareSnapshots(ctx, g, s, &before, &after)
	if err != nil {
		return err
	}
	if err := writeReview(s, o, reviews); err != nil {
		return err
	}
	if slices.ContainsFunc(reviews, fails) {
		return app.ErrFindings
	}
	return nil
}

// failsOn returns the test that --fail-on asks for.
func failsOn(threshold string) (func(review.Review) bool, error) {
	switch threshold {
	case "":
		return func(review.Review) bool { return false }, nil
	case "weaker":
		return func(r review.Review) bool { return r.Tally()[review.Weaker] > 0 }, nil
	}
	var severity finding.Severity
	if err := severity.UnmarshalText([]byte(threshold)); err != nil {
		return nil, &app.UsageError{Err: fmt.Errorf("unknown severity --fail-on %q", threshold), Hint: "write weaker, low, medium, high or critical"}
	}
	return func(r review.Review) bool {
		worst, found := r.Worst()
		return found && worst >= severity
	}, nil
}

// compareSnapshots pairs the profiles of two versions by their names, and compares each pair that differs.
func compareSnapshots(ctx context.Context, g *app.Settings, s app.Streams, before, after *snapshot) ([]review.Review, error) {
	if len(before.names) == 0 && len(after.names) == 0 {
		return nil, &app.UsageError{Err: fmt.Errorf("no profile found in %s or in %s", before.title, after.title), Hint: "name the profile with -f, or its directory"}
	}
	names := slices.Concat(before.names, after.names)
	slices.Sort(names)
	var reviews []review.Review
	for _, name := range slices.Compact(names) {
		if before.single && after.single {
			name = after.names[0]
		}
		pair, err := compareProfile(ctx, g, s, before, after, name)
		if err != nil {
			return nil, err
		}
		for _, r := range pair {
			if len(r.Changes) > 0 || r.Diff != "" {
				reviews = append(reviews, r)
			}
		}
		if before.single && after.single {
			break
		}
	}
	return reviews, nil
}

// compareProfile compares the stack of a profile, and the one that watches it where either version has one.
func compareProfile(ctx context.Context, g *app.Settings, s app.Streams, before, after *snapshot, name string) ([]review.Review, error) {
	was := name
	if before.single {
		was = before.names[0]
	}
	old, err := before.sides(ctx, g, was, time.Time{}) // an exception that has expired since was valid then
	if failed := before.failed(err); failed != nil {
		return nil, failed
	}
	if err != nil {
		s.Say("%s: the earlier version cannot be read, so everything in it counts as new: %v", before.title, err)
		old = sides{}
	}
	now, err := after.sides(ctx, g, name, time.Now())
	if err := cmp.Or(after.failed(err), err); err != nil {
		return nil, err
	}
	reviews := []review.Review{review.Compare(old.stack, now.stack, time.Now())}
	if old.watching.Monitoring != nil || now.watching.Monitoring != nil {
		reviews = append(reviews, review.Compare(old.watching, now.watching, time.Now()))
	}
	for _, r := range reviews {
		for i, c := range r.Changes {
			switch {
			case c.Where != "": // in a Dockerfile
			case now.from.Profile != nil:
				r.Changes[i].Where = now.from.Profile.Written(c.Key).String()
			case now.from.Project != nil:
				r.Changes[i].Where = after.where(ctx, now.from.Project, c)
			}
		}
	}
	return reviews, nil
}

// sides are the stacks of one version of a profile. Watching is empty where nothing watches.
type sides struct {
	stack, watching review.Side
	from            app.Loaded
}

// sides loads one profile of a version. One that is not there is an empty stack.
func (v *snapshot) sides(ctx context.Context, g *app.Settings, name string, today time.Time) (sides, error) {
	if !slices.Contains(v.names, name) {
		return sides{}, nil
	}
	if data, err := v.read(name, app.MaxProfileBytes); err == nil && composefile.IsCompose(data) {
		side, p, err := v.composeSide(ctx, name)
		side.Dockerfiles = v.dockerfiles(ctx, name, side.Stack)
		return sides{stack: side, from: app.Loaded{Project: p}}, err
	}
	from := g.File
	from.Files = append([]string{name}, v.overlays...)
	from, err := v.inputs.With(from)
	if err != nil {
		return sides{}, err
	}
	l, err := app.LoadFrom(from, v.read, today)
	if err != nil {
		return sides{}, err
	}
	lock, err := v.read(path.Join(path.Dir(name), lockFile), app.MaxProfileBytes)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return sides{}, fmt.Errorf("reading the lock: %w", err)
	}
	declared, err := l.Declared()
	if err != nil {
		return sides{}, err
	}
	out := sides{stack: review.Side{Stack: l.Stack, Declared: declared.Check(), Open: declared.Open(), Lock: lock, Dockerfiles: v.dockerfiles(ctx, name, l.Stack),
		Demands: demand.Set{Images: l.Profile.SupplyChain, Releases: l.Profile.ReleaseSigning}}, from: l}
	source := generate.Source{Profile: "hsectl.yaml", BuildRoot: ".", Generator: "hsectl"}
	monitor, watched, err := l.MonitoringStack()
	if err != nil {
		return sides{}, err
	}
	if watched {
		source.Monitoring = &monitor.Stack
		watching, err := monitor.Declared()
		if err != nil {
			return sides{}, err
		}
		out.watching = review.Side{Stack: monitor.Stack, Declared: watching.Check(), Open: watching.Open(), Lock: lock, Monitoring: l.Profile.Monitoring}
	}
	files, err := generate.Render(l.Stack, source)
	if err != nil {
		return sides{}, err
	}
	for _, f := range files {
		switch f.Path {
		case generate.ComposeFile:
			out.stack.Rendered = f.Data
		case generate.MonitoringFile:
			out.watching.Rendered = f.Data
		}
	}
	return out, nil
}

// dockerfiles judges the Dockerfiles of a version, as far as they are in it.
func (v *snapshot) dockerfiles(ctx context.Context, name string, s stack.Stack) map[string][]finding.Finding {
	out := map[string][]finding.Finding{}
	for _, service := range s.Services {
		b := service.Build
		if b == nil {
			continue
		}
		root := filepath.FromSlash(b.Context)
		if !filepath.IsAbs(root) {
			root = filepath.Join(filepath.Dir(name), root)
		}
		found, err := supply.JudgeDockerfile(ctx, v.read, image.BuildRequest{Context: root, Dockerfile: b.Dockerfile, Target: b.Target, Args: b.Args})
		if err == nil {
			out[service.Name] = service.Waive(found)
		}
	}
	return out
}

// lockFile holds the digests of a stack's images, next to its profile.
const lockFile = "hsectl.lock"

func writeReview(s app.Streams, o ReviewOptions, reviews []review.Review) error {
	if o.Format != "text" {
		return report.WriteReviews(s.Out, o.Format, reviews, app.Sources())
	}
	if len(reviews) == 0 {
		s.Say("nothing changes")
		return nil
	}
	if err := report.WriteReviews(s.Out, o.Format, reviews, app.Sources()); err != nil {
		return err
	}
	for _, r := range reviews {
		if o.Diff && r.Diff != "" {
			fmt.Fprintf(s.Out, "\n%s", r.Diff)
		}
	}
	return nil
}
