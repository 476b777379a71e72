package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/redact"
	"github.com/hsectl/hsectl/internal/report"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify"
)

func newDrill(g *globals, s streams) *cobra.Command {
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
	reportOptions
	timeout time.Duration
}

func newDrillShutdown(g *globals, s streams) *cobra.Command {
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
			if err := o.check(); err != nil {
				return err
			}
			return runDrillShutdown(cmd.Context(), g, s, args, o)
		},
	}
	o.flags(cmd)
	cmd.Flags().BoolVar(&o.live, "live", false, "stop the running service itself, and start it again")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 5*time.Minute, "time for the copy to become healthy")
	return cmd
}

func runDrillShutdown(ctx context.Context, g *globals, s streams, names []string, o shutdownOptions) error {
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
	return d.finish("shutdown", o.reportOptions)
}

// drill is one run: what is tried, and what came of it.
type drill struct {
	streams
	globals  *globals
	loaded   loaded
	engine   *docker.Engine
	services []stack.Service
	findings []finding.Finding
	charts   []report.Chart

	environment map[string]string // what copies take from the deploying environment
	secrets     map[string]deploy.Secret
}

func startDrill(ctx context.Context, g *globals, s streams, names []string) (*drill, error) {
	l, err := loadPinned(g.file)
	if err != nil {
		return nil, err
	}
	services, err := chosen(l, names)
	if err != nil {
		return nil, err
	}
	engine, err := g.connect(ctx)
	if err != nil {
		return nil, err
	}
	return &drill{streams: s, globals: g, loaded: l, engine: engine, services: services}, nil
}

// finish writes the report, and keeps it for the checklist.
func (d *drill) finish(kind string, o reportOptions) error {
	o.all = true
	doc := report.Document{Kind: "Drill", Subject: d.loaded.stack.Name, Profile: d.loaded.path, Findings: located(d.loaded, d.findings), Charts: d.charts, Engine: d.engine.Version(), Made: time.Now(), Tool: version()}
	if err := keep(doc, "drill-"+kind); err != nil {
		d.say("the result is not kept for the checklist: %v", err)
	}
	return o.write(d.streams, doc)
}

// keep stores a result as the latest of its kind.
func keep(doc report.Document, kind string) error {
	dir, err := host.StateDir()
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := report.JSON(&b, doc); err != nil {
		return err
	}
	return host.WriteTree(filepath.Join(dir, doc.Subject), []generate.File{{Path: kind + ".json", Data: b.Bytes()}})
}

func chosen(l loaded, names []string) ([]stack.Service, error) {
	if len(names) == 0 {
		return l.stack.Services, nil
	}
	var out []stack.Service
	for _, name := range names {
		service, ok := l.stack.Service(name)
		if !ok {
			return nil, &usageError{fmt.Errorf("there is no service %q in %s", name, l.path), "services: " + fmt.Sprint(serviceNames(l))}
		}
		out = append(out, service)
	}
	return out, nil
}

func serviceNames(l loaded) []string { return slices.Sorted(maps.Keys(l.profile.Services)) }

func drillShutdown(ctx context.Context, d *drill, service stack.Service, o shutdownOptions) (stopped verify.Stopped, err error) {
	if o.live {
		d.say("stopping the live %s", service.Name)
		stopped, err = d.engine.Stop(ctx, d.loaded.stack.Name, service.Name)
		return stopped, errors.Join(err, d.engine.Start(context.WithoutCancel(ctx), d.loaded.stack.Name, service.Name))
	}
	err = d.withTwin(ctx, service, o.timeout, func(twin string) error {
		d.say("stopping it with %s", service.Shutdown.Signal)
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
	twin := d.loaded.stack.Twin(d.loaded.stack.Name+"-drill-"+hex.EncodeToString(random[:]), service.Name)
	d.say("starting a copy of %s as %s", service.Name, twin.Name)
	if d.secrets == nil { // once: a source may be a program that asks somebody
		d.environment, d.secrets = d.globals.throwAway(ctx, d.loaded)
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
		return redacted(err, redact.New(revealed(d.secrets), nil))
	}
	return f(twin.Name)
}

// throwAway gives a copy what it takes from the environment. Secrets that are not at hand here become random ones: the
// copy's database and application are both new, so they agree on any value.
func (g *globals) throwAway(ctx context.Context, l loaded) (map[string]string, map[string]deploy.Secret) {
	environment, secrets, err := g.gather(ctx, l)
	if err == nil {
		return environment, secrets
	}
	environment, secrets = map[string]string{}, map[string]deploy.Secret{}
	for _, name := range l.stack.Required() {
		environment[name] = "drill"
	}
	for _, secret := range l.stack.Secrets {
		if secret.From == "" {
			secrets[secret.Name] = deploy.NewSecret([]byte(rand.Text()))
		}
	}
	derive(l, secrets)
	return environment, secrets
}
