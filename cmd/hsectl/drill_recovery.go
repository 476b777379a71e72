package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify"
)

// recoveryOptions are those of drills that take something away and wait for it to come back.
type recoveryOptions struct {
	app.ReportOptions
	timeout time.Duration
	budget  time.Duration
}

func (o *recoveryOptions) flags(cmd *cobra.Command) {
	reportFlags(&o.ReportOptions, cmd)
	cmd.Flags().DurationVar(&o.timeout, "timeout", 5*time.Minute, "time for the copy to become healthy")
	cmd.Flags().DurationVar(&o.budget, "budget", time.Minute, "time in which the service must be healthy again")
}

func newDrillRestart(g *app.Settings, s app.Streams) *cobra.Command {
	var o recoveryOptions
	cmd := &cobra.Command{
		Use:     "restart [SERVICE...]",
		Short:   "Prove that services come back after a restart, with what they left behind",
		Long:    "Restart starts a throw-away copy of each service, stops it, starts it again with the same volumes, and waits for health.",
		Example: "  hsectl drill restart postgres --budget 30s",
		RunE: func(cmd *cobra.Command, args []string) error {
			return runRecovery(cmd.Context(), g, s, args, o, "restart", drillRestart)
		},
	}
	o.flags(cmd)
	return cmd
}

func newDrillDependency(g *app.Settings, s app.Streams) *cobra.Command {
	var o recoveryOptions
	cmd := &cobra.Command{
		Use:   "dependency [SERVICE...]",
		Short: "Prove that services notice a lost dependency, and recover",
		Long: `Dependency starts a throw-away copy of each service with all it depends on, stops one dependency after the other,
and judges that the service becomes unhealthy, and healthy again after the dependency came back.`,
		Example: "  hsectl drill dependency app",
		RunE: func(cmd *cobra.Command, args []string) error {
			return runRecovery(cmd.Context(), g, s, args, o, "dependency", drillDependency)
		},
	}
	o.flags(cmd)
	return cmd
}

type recoveryDrill func(context.Context, *drill, stack.Service, recoveryOptions, string) error

func runRecovery(ctx context.Context, g *app.Settings, s app.Streams, names []string, o recoveryOptions, kind string, try recoveryDrill) error {
	if err := o.Check(); err != nil {
		return err
	}
	d, err := startDrill(ctx, g, s, names)
	if err != nil {
		return err
	}
	defer d.engine.Close()
	for _, service := range d.services {
		if kind == "dependency" && len(service.DependsOn) == 0 {
			continue
		}
		err := d.withTwin(ctx, service, o.timeout, func(twin string) error { return try(ctx, d, service, o, twin) })
		if err != nil {
			return err
		}
	}
	return d.finish(kind, o.ReportOptions)
}

func drillRestart(ctx context.Context, d *drill, service stack.Service, o recoveryOptions, twin string) error {
	d.Say("stopping and starting it")
	if _, err := d.engine.Stop(ctx, twin, service.Name); err != nil {
		return err
	}
	if err := d.engine.Start(ctx, twin, service.Name); err != nil {
		return err
	}
	back, err := d.engine.Await(ctx, twin, service.Name, true, o.budget)
	if err != nil {
		return err
	}
	d.findings = append(d.findings, verify.JudgeRestart(service, back, o.budget))
	return nil
}

func drillDependency(ctx context.Context, d *drill, service stack.Service, o recoveryOptions, twin string) error {
	for _, dependency := range service.DependsOn {
		d.Say("stopping %s", dependency.Service)
		if _, err := d.engine.Stop(ctx, twin, dependency.Service); err != nil {
			return err
		}
		gone, err := d.engine.Await(ctx, twin, service.Name, false, verify.Patience(service))
		if err != nil {
			return err
		}
		bereft := verify.Bereft{Dependency: dependency.Service, Noticed: !gone.Healthy, After: gone.Took}
		if err := d.engine.Start(ctx, twin, dependency.Service); err != nil {
			return err
		}
		// The engine starts a service again that ended because of the loss, unless its policy is "no".
		if service.Restart != "no" {
			if err := d.engine.Start(ctx, twin, service.Name); err != nil {
				return err
			}
		}
		if bereft.Recovered, err = d.engine.Await(ctx, twin, service.Name, true, o.budget); err != nil {
			return err
		}
		d.findings = append(d.findings, verify.JudgeDependency(service, bereft, o.budget))
	}
	return nil
}
