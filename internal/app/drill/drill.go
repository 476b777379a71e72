// Package drill proves behaviour by trying it, on throw-away copies: that services stop, restart and recover as declared, keep to
// their limits, and that their backups can be restored. It makes those backups, too.
package drill

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"time"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/report"
	"github.com/hsectl/hsectl/internal/stack"
)

// run is one run: what is tried, and what came of it.
type run struct {
	app.Streams
	settings *app.Settings
	loaded   app.Loaded
	engine   *docker.Engine
	services []stack.Service
	findings []finding.Finding
	charts   []report.Chart

	environment map[string]string // what copies take from the deploying environment
	secrets     map[string]deploy.Secret
}

func start(ctx context.Context, g *app.Settings, s app.Streams, names []string) (*run, error) {
	l, err := app.LoadPinned(g.File)
	if err != nil {
		return nil, err
	}
	services, err := app.Services(l, names)
	if err != nil {
		return nil, err
	}
	engine, err := g.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &run{Streams: s, settings: g, loaded: l, engine: engine, services: services}, nil
}

// finish writes the report, and keeps it for the checklist.
func (d *run) finish(kind string, o app.ReportOptions) error {
	o.All = true
	doc := report.Document{Kind: "Drill", Subject: d.loaded.Stack.Name, Profile: d.loaded.Path, Findings: app.Located(d.loaded, d.findings), Charts: d.charts, Engine: d.engine.Version(), Made: time.Now(), Tool: app.Version()}
	if err := app.Keep(doc, "drill-"+kind); err != nil {
		d.Say("could not save the result for the checklist: %v", err)
	}
	return o.Write(d.Streams, doc)
}

// withTwin calls f with the name of a running, healthy copy of a service and all it depends on, and takes it away again.
func (d *run) withTwin(ctx context.Context, service stack.Service, timeout time.Duration, f func(twin string) error) error {
	return d.withPrepared(ctx, service, timeout, func(stack.Stack) error { return nil }, f)
}

// withPrepared is withTwin after something was done for the copy, such as filling one of its volumes.
func (d *run) withPrepared(ctx context.Context, service stack.Service, timeout time.Duration, before func(twin stack.Stack) error, f func(twin string) error) error {
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand
	twin := d.loaded.Stack.Twin(d.loaded.Stack.Name+"-drill-"+hex.EncodeToString(random[:]), service.Name)
	d.Say("starting a copy of %s as %s", service.Name, twin.Name)
	if d.secrets == nil { // once: a source may be a program that prompts
		d.environment, d.secrets = d.settings.ThrowAway(ctx, d.loaded)
	}
	c := app.Copy{Stack: twin, Environment: d.environment, Secrets: d.secrets, Timeout: timeout}
	return c.Run(ctx, d.engine, func() error { return before(twin) }, func() error { return f(twin.Name) })
}
