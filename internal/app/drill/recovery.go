package drill

import (
	"context"
	"time"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify/drills"
)

// RecoveryOptions are those of drills that take something away and wait for it to come back.
type RecoveryOptions struct {
	app.ReportOptions
	Timeout time.Duration
	Budget  time.Duration
}

// Restart proves that services come back after a restart.
func Restart(ctx context.Context, g *app.Settings, s app.Streams, names []string, o RecoveryOptions) error {
	return recovery(ctx, g, s, names, o, "restart", restart)
}

// Dependency proves that services notice that a dependency is gone, and recover.
func Dependency(ctx context.Context, g *app.Settings, s app.Streams, names []string, o RecoveryOptions) error {
	return recovery(ctx, g, s, names, o, "dependency", dependency)
}

// recoveryTry tries one service.
type recoveryTry func(context.Context, *run, stack.Service, RecoveryOptions, string) error

func recovery(ctx context.Context, g *app.Settings, s app.Streams, names []string, o RecoveryOptions, kind string, try recoveryTry) error {
	if err := o.Check(); err != nil {
		return err
	}
	d, err := start(ctx, g, s, names)
	if err != nil {
		return err
	}
	defer d.engine.Close()
	for _, service := range d.services {
		if kind == "dependency" && len(service.DependsOn) == 0 {
			continue
		}
		err := d.withTwin(ctx, service, o.Timeout, func(twin string) error { return try(ctx, d, service, o, twin) })
		if err != nil {
			return err
		}
	}
	return d.finish(kind, o.ReportOptions)
}

func restart(ctx context.Context, d *run, service stack.Service, o RecoveryOptions, twin string) error {
	d.Say("stopping and starting it")
	if _, err := d.engine.Stop(ctx, twin, service.Name); err != nil {
		return err
	}
	if err := d.engine.Start(ctx, twin, service.Name); err != nil {
		return err
	}
	back, err := d.engine.Await(ctx, twin, service.Name, true, o.Budget)
	if err != nil {
		return err
	}
	d.findings = append(d.findings, drills.JudgeRestart(service, back, o.Budget))
	return nil
}

func dependency(ctx context.Context, d *run, service stack.Service, o RecoveryOptions, twin string) error {
	for _, dependency := range service.DependsOn {
		d.Say("stopping %s", dependency.Service)
		if _, err := d.engine.Stop(ctx, twin, dependency.Service); err != nil {
			return err
		}
		gone, err := d.engine.Await(ctx, twin, service.Name, false, drills.Patience(service))
		if err != nil {
			return err
		}
		outage := drills.Outage{Dependency: dependency.Service, Noticed: !gone.Healthy, Still: gone.State, After: gone.Took}
		if err := d.engine.Start(ctx, twin, dependency.Service); err != nil {
			return err
		}
		// The engine starts a service again that ended because of the loss, unless its policy is "no".
		if service.Restart != "no" {
			if err := d.engine.Start(ctx, twin, service.Name); err != nil {
				return err
			}
		}
		if outage.Recovered, err = d.engine.Await(ctx, twin, service.Name, true, o.Budget); err != nil {
			return err
		}
		d.findings = append(d.findings, drills.JudgeDependency(service, outage, o.Budget))
	}
	return nil
}
