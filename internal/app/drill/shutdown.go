package drill

import (
	"context"
	"errors"
	"time"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify/drills"
)

// ShutdownOptions say how long to wait for a copy, or that the running service is stopped itself.
type ShutdownOptions struct {
	Live bool
	app.ReportOptions
	Timeout time.Duration
}

// Shutdown proves that services stop as declared.
func Shutdown(ctx context.Context, g *app.Settings, s app.Streams, names []string, o ShutdownOptions) error {
	d, err := start(ctx, g, s, names)
	if err != nil {
		return err
	}
	defer d.engine.Close()
	for _, service := range d.services {
		stopped, err := shutdown(ctx, d, service, o)
		if err != nil {
			return err
		}
		d.findings = append(d.findings, service.Waive(drills.JudgeShutdown(service, stopped))...)
	}
	return d.finish("shutdown", o.ReportOptions)
}

func shutdown(ctx context.Context, d *run, service stack.Service, o ShutdownOptions) (stopped drills.Stopped, err error) {
	if o.Live {
		d.Say("stopping the live %s", service.Name)
		stopped, err = d.engine.StopLive(ctx, d.loaded.Stack.Name, service.Name)
		return stopped, errors.Join(err, d.engine.Start(context.WithoutCancel(ctx), d.loaded.Stack.Name, service.Name))
	}
	err = d.withTwin(ctx, service, o.Timeout, func(twin string) error {
		d.Say("stopping it with %s", service.Shutdown.Signal)
		stopped, err = d.engine.Stop(ctx, twin, service.Name)
		return err
	})
	return stopped, err
}
