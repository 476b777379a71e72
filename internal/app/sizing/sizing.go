// Package sizing proposes limits and reservations from what a stack used, writes them into its profile, and has them proven.
package sizing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/app/drill"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/size"
	"github.com/hsectl/hsectl/internal/stack"
)

// Formats of the result.
const (
	formatText  = "text"
	formatJSON  = "json"
	formatPatch = "patch"
)

// Formats lists the formats of the result.
func Formats() []string { return []string{formatText, formatJSON, formatPatch} }

// Options say what is measured, and what becomes of the proposals.
type Options struct {
	Format     string
	Prometheus string        // address of a Prometheus, instead of the one in the monitoring stack
	Window     time.Duration // time before now that Prometheus is asked about
	Sample     time.Duration // measure for this long now, instead of asking Prometheus
	Interval   time.Duration // between two measurements
	Start      time.Duration // time after a start that is measured apart
	Force      bool          // propose from less than a day
	Write      bool          // write the proposals into the profile
	Prove      bool          // prove the proposals on copies of the services
	Load       drill.LoadOptions
}

// Bounds of what is asked for.
const (
	longestWindow = 90 * 24 * time.Hour
	mostReadings  = 50_000 // of each container
)

// check finds a mistake before anything is asked.
func (o Options) check() error {
	usage := func(hint, format string, args ...any) error {
		return &app.UsageError{Err: fmt.Errorf(format, args...), Hint: hint}
	}
	switch {
	case !slices.Contains(Formats(), o.Format):
		return usage("write --format text, json or patch", "unknown format %q", o.Format)
	case o.Prove && o.Format != formatText:
		return usage("write --format text, or prove in a second run", "--prove prints a report, which cannot be part of --format %s", o.Format)
	case o.Sample > 0 && o.Prometheus != "":
		return usage("measure now, or ask Prometheus about the time before", "--sample and --prometheus exclude each other")
	case o.Sample < 0 || o.Start < 0 || o.Start > 24*time.Hour:
		return usage("write a duration such as 10m", "--sample and --start must not be negative, and --start at most a day")
	case o.Sample > 0 && (o.Interval < time.Second || o.Interval > o.Sample):
		return usage("write --interval 10s", "the interval must be at least 1s and at most the time of --sample")
	case o.Sample > 0 && o.Sample/o.Interval > mostReadings:
		return usage("raise --interval", "%d measurements of each container are more than %d", o.Sample/o.Interval, mostReadings)
	case o.Sample == 0 && (o.Window < time.Hour || o.Window > longestWindow):
		return usage("write --window 14d as 336h", "the window must be between 1h and %s", size.Time(longestWindow))
	}
	return nil
}

// Run measures, proposes, and writes what came of it.
func Run(ctx context.Context, g *app.Settings, s app.Streams, names []string, o Options) error {
	if err := o.check(); err != nil {
		return err
	}
	l, err := app.LoadPinned(g.File)
	if err != nil {
		return err
	}
	services, err := app.Services(l, names)
	if err != nil {
		return err
	}
	m := measurement{settings: g, streams: s, loaded: l, options: o}
	for _, service := range services {
		m.services = append(m.services, service.Name)
	}
	used, window, err := m.measure(ctx)
	if err != nil {
		return err
	}
	proposals, err := propose(g.File, l, services, used, window, o)
	if err != nil {
		return err
	}
	p := newPatch(g.File, l, proposals)
	r := result{loaded: l, window: window, proposals: proposals, patch: p, options: o}
	if err := r.write(s.Out); err != nil {
		return err
	}
	if o.Prove { // first: what is not proven is not written
		if err := r.prove(ctx, g, s); err != nil {
			return err
		}
	}
	if o.Write {
		if err := p.write(l, s); err != nil {
			return err
		}
	}
	return r.verdict(s)
}

// propose computes the proposals of all services.
func propose(from app.Selection, l app.Loaded, services []stack.Service, used map[string]size.Usage, w size.Window, o Options) ([]size.Proposal, error) {
	other, err := doubled(from, l, services)
	if err != nil {
		return nil, err
	}
	var out []size.Proposal
	for _, service := range services {
		promises := size.Promises(service)
		if twin, ok := other.Service(service.Name); ok {
			promises = size.Moving(service, twin)
		}
		out = append(out, size.Propose(service, promises, used[service.Name], w, size.Options{Force: o.Force}))
	}
	return out, nil
}

// doubled is the stack with twice the memory for each service: what differs then follows the limit.
func doubled(from app.Selection, l app.Loaded, services []stack.Service) (stack.Stack, error) {
	from.Set = slices.Clone(from.Set)
	for _, service := range services {
		from.Set = append(from.Set, fmt.Sprintf("services.%s.limits.memory=%d", service.Name, 2*service.Limits.Memory.Bytes))
	}
	other, err := reload(from, l, l.Data)
	return other.Stack, err
}

// reload reads the profile with other bytes in its file.
func reload(from app.Selection, l app.Loaded, data []byte) (app.Loaded, error) {
	read := func(path string, limit int64) ([]byte, error) {
		if path == l.Path {
			return data, nil
		}
		return host.ReadFile(path, limit)
	}
	out, err := app.LoadFrom(from, read, l.Today)
	if err != nil {
		return app.Loaded{}, err
	}
	if out, err = out.Pinned(); err != nil {
		return app.Loaded{}, err
	}
	return out.Chosen(from.Profiles)
}

// errNothing is that no service was measured at all.
var errNothing = errors.New("no service of the stack was measured")

// measurement is one measurement of services.
type measurement struct {
	settings *app.Settings
	streams  app.Streams
	loaded   app.Loaded
	services []string
	options  Options
}

// measure asks the engine now, or Prometheus about the time before.
func (m measurement) measure(ctx context.Context) (map[string]size.Usage, size.Window, error) {
	if m.options.Sample > 0 {
		return m.sample(ctx)
	}
	return m.prometheus(ctx)
}

// sample reads what the containers use from now on.
func (m measurement) sample(ctx context.Context) (map[string]size.Usage, size.Window, error) {
	e, err := m.settings.Connect(ctx)
	if err != nil {
		return nil, size.Window{}, err
	}
	defer e.Close()
	tmpfs := map[string][]string{}
	for _, service := range m.loaded.Stack.Services {
		for _, w := range service.Writable {
			if w.Size.Bytes > 0 {
				tmpfs[service.Name] = append(tmpfs[service.Name], w.Path)
			}
		}
	}
	m.streams.Say("measuring %s for %s, every %s", m.loaded.Stack.Name, size.Time(m.options.Sample), size.Time(m.options.Interval))
	return m.readings(ctx, e, tmpfs)
}

func (m measurement) readings(ctx context.Context, e *docker.Engine, tmpfs map[string][]string) (map[string]size.Usage, size.Window, error) {
	readings, err := e.Readings(ctx, usagePlan(m, tmpfs))
	if err != nil {
		return nil, size.Window{}, err
	}
	if len(readings) == 0 {
		return nil, size.Window{}, &app.UsageError{Err: errNothing, Hint: "start the stack first: hsectl deploy"}
	}
	w := size.Window{From: readings[0].At, Step: m.options.Interval, Source: "the engine"}
	w.To = w.From.Add(m.options.Sample)
	return size.FromReadings(readings, m.options.Start), w, nil
}
