package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/report"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify"
)

func newDrillMemory(g *app.Settings, s app.Streams) *cobra.Command {
	var o app.ReportOptions
	cmd := &cobra.Command{
		Use:   "memory [SERVICE...]",
		Short: "Prove that memory limits hold, and that the runtime's heap fits them",
		Long: `Memory starts a container with the limits of each running service, lets it take twice as much, and judges that the
kernel ends it and that the engine says so. It compares the heap limit of Node.js, Java, Go and Redis with the
service's memory. The service itself is not touched.`,
		Example: "  hsectl drill memory app",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.Check(); err != nil {
				return err
			}
			return runDrillMemory(cmd.Context(), g, s, args, o)
		},
	}
	reportFlags(&o, cmd)
	return cmd
}

func runDrillMemory(ctx context.Context, g *app.Settings, s app.Streams, names []string, o app.ReportOptions) error {
	d, err := startDrill(ctx, g, s, names)
	if err != nil {
		return err
	}
	defer d.engine.Close()
	for _, service := range d.services {
		d.Say("taking more than %s beside %s", service.Limits.Memory.Text, service.Name)
		exhausted, err := d.engine.Exhaust(ctx, d.loaded.Stack.Name, service.Name)
		if err != nil {
			return err
		}
		d.findings = append(d.findings, verify.JudgeMemory(service, exhausted)...)
		if len(exhausted.Taken) > 0 {
			d.charts = append(d.charts, memoryChart(service, exhausted))
		}
	}
	return d.finish("memory", o)
}

// memoryChart draws what a copy took, until the kernel ended it.
func memoryChart(service stack.Service, o verify.Exhausted) report.Chart {
	mib := func(n int64) float64 { return float64(n) / (1 << 20) }
	line := report.Line{Name: "taken beside " + service.Name}
	for _, t := range o.Taken {
		line.Points = append(line.Points, report.Point{At: t.At, Value: mib(t.Bytes)})
	}
	last := o.Taken[len(o.Taken)-1]
	end := report.Mark{Name: "not ended", At: last.At, Value: mib(last.Bytes)}
	if o.OOM {
		end.Name = "ended by the kernel"
	}
	return report.Chart{Title: "Taking twice the memory of " + service.Name, Unit: "MiB", Lines: []report.Line{line},
		Limit: report.Limit{Name: "limit", Value: mib(o.Limit)}, Marks: []report.Mark{end}}
}

type loadOptions struct {
	app.ReportOptions
	url      string
	path     string
	script   string
	rate     int
	duration time.Duration
	budget   verify.Budget
}

func newDrillLoad(g *app.Settings, s app.Streams) *cobra.Command {
	var o loadOptions
	cmd := &cobra.Command{
		Use:   "load SERVICE",
		Short: "Prove that a service keeps its budget under load",
		Long: `Load sends requests at a constant rate to the published port of a running service and measures, beside the answers,
what every container of the stack uses. It judges errors, latency and memory.

With --script the requests are those of an Artillery script, sent by the artillery program of the project that the
script is in, or of PATH; it is not downloaded. The script's target is replaced by the service's published port, and
a threshold of its own that is missed fails the drill.`,
		Example: `  hsectl drill load app --path /api/health --rate 100 --duration 30s --p95 200ms
  hsectl drill load app --script scripts/load-test.yml --p95 500ms
  hsectl drill load app --format html > load.html`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.Check(); err != nil {
				return err
			}
			if f := cmd.Flags(); o.script != "" && (f.Changed("rate") || f.Changed("duration") || f.Changed("path")) {
				return &app.UsageError{Err: errors.New("--script excludes --rate, --duration and --path"), Hint: "the script's phases and flows say them"}
			}
			return runDrillLoad(cmd.Context(), g, s, args, o)
		},
	}
	reportFlags(&o.ReportOptions, cmd)
	f := cmd.Flags()
	f.StringVar(&o.url, "url", "", "address to ask, instead of the service's published port")
	f.StringVar(&o.path, "path", "", "path to ask; that of the health test unless given")
	f.StringVar(&o.script, "script", "", "file of an Artillery script to run instead of a constant rate")
	f.IntVar(&o.rate, "rate", 50, "requests per second")
	f.DurationVar(&o.duration, "duration", 20*time.Second, "how long")
	f.DurationVar(&o.budget.P95, "p95", 500*time.Millisecond, "time within which 95% of the answers must come")
	f.Float64Var(&o.budget.Errors, "max-errors", 0, "share of requests that may fail, from 0 to 1")
	f.Float64Var(&o.budget.Memory, "max-memory", 0.9, "share of the memory limit that may be used")
	return cmd
}

func runDrillLoad(ctx context.Context, g *app.Settings, s app.Streams, names []string, o loadOptions) error {
	if o.rate <= 0 || o.duration <= 0 {
		return &app.UsageError{Err: errors.New("rate and duration must be more than 0")}
	}
	var program string
	if o.script != "" {
		var err error
		if program, err = host.FindArtillery(o.script); err != nil {
			return &app.UsageError{Err: err, Hint: "artillery comes from npm: npm install --save-dev artillery"}
		}
	}
	d, err := startDrill(ctx, g, s, names)
	if err != nil {
		return err
	}
	defer d.engine.Close()
	service := d.services[0]
	url, err := loadURL(d.loaded, service, o)
	if err != nil {
		return err
	}
	send := func() (verify.Loaded, error) { return host.Load(ctx, url, o.rate, o.duration), nil }
	if o.script != "" {
		d.Say("running %s on %s", o.script, url)
		send = func() (verify.Loaded, error) { return host.LoadScript(ctx, program, o.script, url) }
	} else {
		d.Say("asking %s %d times a second for %s", url, o.rate, o.duration)
	}
	sampling, stop := context.WithCancel(ctx)
	samples := make(chan []verify.Sample, 1)
	failed := make(chan error, 1)
	go func() {
		got, err := d.engine.Sample(sampling, d.loaded.Stack.Name, time.Second)
		samples <- got
		failed <- err
	}()
	loaded, err := send()
	stop()
	loaded.Samples = <-samples
	if err := errors.Join(err, <-failed, ctx.Err()); err != nil {
		return err
	}
	d.findings = verify.JudgeLoad(service, loaded, o.budget)
	d.charts = loadCharts(d.loaded.Stack, service, loaded.Samples)
	return d.finish("load", o.ReportOptions)
}

// loadURL is the published port of the service, with the path of its health test unless another one is given.
func loadURL(l app.Loaded, service stack.Service, o loadOptions) (string, error) {
	if o.url != "" {
		return o.url, nil
	}
	if len(service.Ports) == 0 {
		return "", &app.UsageError{Err: fmt.Errorf("service %s publishes no port", service.Name), Hint: "name an address with --url"}
	}
	path := o.path
	if h := l.Profile.Services[service.Name].Health; o.script == "" && path == "" && h != nil && h.HTTP != nil {
		path = h.HTTP.Path
	}
	address := service.Ports[0].Address
	if ip := net.ParseIP(address); ip == nil || ip.IsUnspecified() {
		address = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(address, strconv.Itoa(service.Ports[0].Host)) + path, nil
}

// loadCharts draws the service first, then the others.
func loadCharts(s stack.Stack, service stack.Service, samples []verify.Sample) []report.Chart {
	memory := report.Chart{Title: "Memory of " + service.Name + " under load", Unit: "MiB"}
	if limit := service.Limits.Memory.Bytes; limit > 0 {
		memory.Limit = report.Limit{Name: "limit", Value: float64(limit) / (1 << 20)}
	}
	cpu := report.Chart{Title: "Processors used under load", Unit: "cpu"}
	names := []string{service.Name}
	for _, other := range s.Services {
		if other.Name != service.Name {
			names = append(names, other.Name)
		}
	}
	for i, name := range names {
		used, busy := report.Line{Name: name}, report.Line{Name: name}
		for _, sample := range samples {
			if u, ok := sample.Used[name]; ok {
				used.Points = append(used.Points, report.Point{At: sample.At, Value: float64(u.Memory) / (1 << 20)})
				busy.Points = append(busy.Points, report.Point{At: sample.At, Value: u.CPU})
			}
		}
		if i == 0 {
			memory.Lines = append(memory.Lines, used)
		}
		if i < 3 {
			cpu.Lines = append(cpu.Lines, busy)
		}
	}
	return []report.Chart{memory, cpu}
}
