package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/redact"
	"github.com/hsectl/hsectl/internal/report"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify"
)

func newDrill(g *app.Settings, s app.Streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "drill",
		Short:   "Prove behaviour by trying it on a throw-away copy",
		Example: "  hsectl drill shutdown app",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newDrillShutdown(g, s), newDrillRestart(g, s), newDrillDependency(g, s), newDrillMemory(g, s), newDrillLoad(g, s), newDrillRestore(g, s))
	return cmd
}

type shutdownOptions struct {
	live bool
	app.ReportOptions
	timeout time.Duration
}

func newDrillShutdown(g *app.Settings, s app.Streams) *cobra.Command {
	var o shutdownOptions
	cmd := &cobra.Command{
		Use:   "shutdown [SERVICE...]",
		Short: "Prove that services stop as declared",
		Long: `Shutdown starts a throw-away copy of each service with all it depends on, under another name, with volumes of
its own and nothing published, sends the stop signal, and judges the time, the exit code, the log lines in their
order, and that no SIGKILL was needed. The live service is not touched unless --live is given.`,
		Example: `  hsectl drill shutdown app
  hsectl drill shutdown               # every service in turn
  hsectl drill shutdown app --live    # stop the running one, and start it again`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.Check(); err != nil {
				return err
			}
			return runDrillShutdown(cmd.Context(), g, s, args, o)
		},
	}
	reportFlags(&o.ReportOptions, cmd)
	cmd.Flags().BoolVar(&o.live, "live", false, "stop the running service itself, and start it again")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 5*time.Minute, "time for the copy to become healthy")
	return cmd
}

func runDrillShutdown(ctx context.Context, g *app.Settings, s app.Streams, names []string, o shutdownOptions) error {
	d, err := startDrill(ctx, g, s, names)
	if err != nil {
		return err
	}
	defer d.engine.Close()
	for _, service := range d.services {
		stopped, err := drillShutdown(ctx, d, service, o)
		if err != nil {
			return err
		}
		d.findings = append(d.findings, verify.JudgeShutdown(service, stopped)...)
	}
	return d.finish("shutdown", o.ReportOptions)
}

// drill is one run: what is tried, and what came of it.
type drill struct {
	app.Streams
	globals  *app.Settings
	loaded   app.Loaded
	engine   *docker.Engine
	services []stack.Service
	findings []finding.Finding
	charts   []report.Chart

	environment map[string]string // what copies take from the deploying environment
	secrets     map[string]deploy.Secret
}

func startDrill(ctx context.Context, g *app.Settings, s app.Streams, names []string) (*drill, error) {
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
	return &drill{Streams: s, globals: g, loaded: l, engine: engine, services: services}, nil
}

// finish writes the report, and keeps it for the checklist.
func (d *drill) finish(kind string, o app.ReportOptions) error {
	o.All = true
	doc := report.Document{Kind: "Drill", Subject: d.loaded.Stack.Name, Profile: d.loaded.Path, Findings: app.Located(d.loaded, d.findings), Charts: d.charts, Engine: d.engine.Version(), Made: time.Now(), Tool: app.Version()}
	if err := app.Keep(doc, "drill-"+kind); err != nil {
		d.Say("the result is not kept for the checklist: %v", err)
	}
	return o.Write(d.Streams, doc)
}

func drillShutdown(ctx context.Context, d *drill, service stack.Service, o shutdownOptions) (stopped verify.Stopped, err error) {
	if o.live {
		d.Say("stopping the live %s", service.Name)
		stopped, err = d.engine.Stop(ctx, d.loaded.Stack.Name, service.Name)
		return stopped, errors.Join(err, d.engine.Start(context.WithoutCancel(ctx), d.loaded.Stack.Name, service.Name))
	}
	err = d.withTwin(ctx, service, o.timeout, func(twin string) error {
		d.Say("stopping it with %s", service.Shutdown.Signal)
		stopped, err = d.engine.Stop(ctx, twin, service.Name)
		return err
	})
	return stopped, err
}

// withTwin calls f with the name of a running, healthy copy of a service and all it depends on, and takes it away again.
func (d *drill) withTwin(ctx context.Context, service stack.Service, timeout time.Duration, f func(twin string) error) error {
	return d.withPrepared(ctx, service, timeout, func(stack.Stack) error { return nil }, f)
}

// withPrepared is withTwin after something was done for the copy, such as filling one of its volumes.
func (d *drill) withPrepared(ctx context.Context, service stack.Service, timeout time.Duration, before func(twin stack.Stack) error, f func(twin string) error) (err error) {
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand
	twin := d.loaded.Stack.Twin(d.loaded.Stack.Name+"-drill-"+hex.EncodeToString(random[:]), service.Name)
	d.Say("starting a copy of %s as %s", service.Name, twin.Name)
	if d.secrets == nil { // once: a source may be a program that asks somebody
		d.environment, d.secrets = d.globals.ThrowAway(ctx, d.loaded)
	}
	desired := deploy.Desired{Stack: twin, Environment: d.environment, Secrets: d.secrets, Timeout: timeout}
	defer func() {
		err = errors.Join(err, d.engine.Down(context.WithoutCancel(ctx), twin.Name, true))
	}()
	if err := before(twin); err != nil {
		return err
	}
	observed, err := d.engine.Observe(ctx, desired)
	if err != nil {
		return err
	}
	plan, err := deploy.NewPlan(desired, observed)
	if err != nil {
		return err
	}
	if err := deploy.Execute(ctx, plan, d.engine, func(deploy.Event) {}); err != nil {
		return app.Redact(err, redact.New(app.Reveal(d.secrets), nil))
	}
	return f(twin.Name)
}
