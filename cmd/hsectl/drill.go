package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/finding"
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
	cmd.AddCommand(newDrillShutdown(g, s))
	return cmd
}

type shutdownOptions struct {
	live    bool
	format  string
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
			if err := checkFormat(o.format); err != nil {
				return err
			}
			return runDrillShutdown(cmd.Context(), g, s, args, o)
		},
	}
	formatFlag(cmd, &o.format)
	cmd.Flags().BoolVar(&o.live, "live", false, "stop the running service itself, and start it again")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 5*time.Minute, "time for the copy to become healthy")
	return cmd
}

func runDrillShutdown(ctx context.Context, g *globals, s streams, names []string, o shutdownOptions) error {
	l, err := load(g.file)
	if err != nil {
		return err
	}
	services, err := chosen(l, names)
	if err != nil {
		return err
	}
	engine, err := g.connect(ctx)
	if err != nil {
		return err
	}
	defer engine.Close()
	var findings []finding.Finding
	for _, service := range services {
		stopped, err := drillShutdown(ctx, engine, s, l, service, o)
		if err != nil {
			return err
		}
		findings = append(findings, verify.JudgeShutdown(service, stopped)...)
	}
	findings = located(l, findings)
	if err := write(s, o.format, true, report.Document{Kind: "Drill", Subject: l.stack.Name, Findings: findings}); err != nil {
		return err
	}
	if !finding.Proven(findings) {
		return errFindings
	}
	return nil
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

func drillShutdown(ctx context.Context, engine *docker.Engine, s streams, l loaded, service stack.Service, o shutdownOptions) (stopped verify.Stopped, err error) {
	if o.live {
		s.say("stopping the live %s", service.Name)
		stopped, err = engine.Stop(ctx, l.stack.Name, service.Name)
		return stopped, errors.Join(err, engine.Start(context.WithoutCancel(ctx), l.stack.Name, service.Name))
	}
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand
	twin := l.stack.Twin(l.stack.Name+"-drill-"+hex.EncodeToString(random[:]), service.Name)
	s.say("starting a copy of %s as %s", service.Name, twin.Name)
	environment, secrets := throwAway(l)
	desired := deploy.Desired{Stack: twin, Environment: environment, Secrets: secrets, Timeout: o.timeout}
	defer func() {
		err = errors.Join(err, engine.Down(context.WithoutCancel(ctx), twin.Name, true))
	}()
	observed, err := engine.Observe(ctx, desired)
	if err != nil {
		return stopped, err
	}
	plan, err := deploy.NewPlan(desired, observed)
	if err != nil {
		return stopped, err
	}
	if err := deploy.Execute(ctx, plan, engine, func(deploy.Event) {}); err != nil {
		return stopped, redact(err, secrets)
	}
	s.say("stopping it with %s", service.Shutdown.Signal)
	return engine.Stop(ctx, twin.Name, service.Name)
}

// throwAway gives a copy what it takes from the environment. Secrets that are not at hand here become random ones: the
// copy's database and application are both new, so they agree on any value.
func throwAway(l loaded) (map[string]string, map[string]deploy.Secret) {
	environment, secrets, err := gather(l)
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
