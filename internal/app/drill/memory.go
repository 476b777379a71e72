package drill

import (
	"context"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/report"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify/drills"
)

// Memory proves that memory limits hold.
func Memory(ctx context.Context, g *app.Settings, s app.Streams, names []string, o app.ReportOptions) error {
	d, err := start(ctx, g, s, names)
	if err != nil {
		return err
	}
	defer d.engine.Close()
	for _, service := range d.services {
		d.Say("allocating more than %s next to %s", service.Limits.Memory.Text, service.Name)
		exhausted, err := d.engine.Exhaust(ctx, d.loaded.Stack.Name, service.Name)
		if err != nil {
			return err
		}
		d.findings = append(d.findings, drills.JudgeMemory(service, exhausted)...)
		if len(exhausted.Taken) > 0 {
			d.charts = append(d.charts, memoryChart(service, exhausted))
		}
	}
	return d.finish("memory", o)
}

// memoryChart draws what a copy took, until the kernel ended it.
func memoryChart(service stack.Service, o drills.Exhausted) report.Chart {
	mib := func(n int64) float64 { return float64(n) / (1 << 20) }
	line := report.Line{Name: "allocated next to " + service.Name}
	for _, t := range o.Taken {
		line.Points = append(line.Points, report.Point{At: t.At, Value: mib(t.Bytes)})
	}
	last := o.Taken[len(o.Taken)-1]
	end := report.Mark{Name: "not killed", At: last.At, Value: mib(last.Bytes)}
	if o.OOM {
		end.Name = "killed by the kernel"
	}
	return report.Chart{Title: "Allocating twice the memory of " + service.Name, Unit: "MiB", Lines: []report.Line{line},
		Limit: report.Limit{Name: "limit", Value: mib(o.Limit)}, Marks: []report.Mark{end}}
}
