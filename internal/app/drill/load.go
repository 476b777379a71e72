package drill

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/ask"
	"github.com/hsectl/hsectl/internal/report"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify/drills"
)

// LoadOptions say what is asked, how often, and what is expected.
type LoadOptions struct {
	app.ReportOptions
	URL      string
	Path     string
	Script   string
	Rate     int
	Duration time.Duration
	Budget   drills.Budget
}

// Load proves that a service keeps its budget under load.
func Load(ctx context.Context, g *app.Settings, s app.Streams, names []string, o LoadOptions) error {
	if o.Rate <= 0 || o.Duration <= 0 {
		return &app.UsageError{Err: errors.New("rate and duration must be more than 0")}
	}
	var program string
	if o.Script != "" {
		var err error
		if program, err = ask.FindArtillery(o.Script); err != nil {
			return &app.UsageError{Err: err, Hint: "artillery comes from npm: npm install --save-dev artillery"}
		}
	}
	d, err := start(ctx, g, s, names)
	if err != nil {
		return err
	}
	defer d.engine.Close()
	service := d.services[0]
	url, err := loadURL(d.loaded, service, o)
	if err != nil {
		return err
	}
	send := func() (drills.Loaded, error) { return ask.Load(ctx, url, o.Rate, o.Duration), nil }
	if o.Script != "" {
		d.Say("running %s on %s", o.Script, url)
		send = func() (drills.Loaded, error) { return ask.LoadScript(ctx, program, o.Script, url) }
	} else {
		d.Say("sending requests to %s, %d per second for %s", url, o.Rate, o.Duration)
	}
	loaded, err := d.underLoad(ctx, d.loaded.Stack.Name, send)
	if err != nil {
		return err
	}
	d.findings = drills.JudgeLoad(service, loaded, o.Budget)
	d.charts = loadCharts(d.loaded.Stack, service, loaded.Samples)
	return d.finish("load", o.ReportOptions)
}

// underLoad sends load and samples what the containers of a stack use meanwhile.
func (d *run) underLoad(ctx context.Context, project string, send func() (drills.Loaded, error)) (drills.Loaded, error) {
	sampling, stop := context.WithCancel(ctx)
	samples := make(chan []drills.Sample, 1)
	failed := make(chan error, 1)
	go func() {
		got, err := d.engine.Sample(sampling, project, time.Second)
		samples <- got
		failed <- err
	}()
	loaded, err := send()
	stop()
	loaded.Samples = <-samples
	return loaded, errors.Join(err, <-failed, ctx.Err())
}

// loadURL is the published port of the service, with the path of its health test unless another one is given.
func loadURL(l app.Loaded, service stack.Service, o LoadOptions) (string, error) {
	if o.URL != "" {
		return o.URL, nil
	}
	if len(service.Ports) == 0 {
		return "", &app.UsageError{Err: fmt.Errorf("service %s publishes no port", service.Name), Hint: "name an address with --url"}
	}
	path := o.Path
	if h := l.Profile.Services[service.Name].Health; o.Script == "" && path == "" && h != nil && h.HTTP != nil {
		path = h.HTTP.Path
	}
	address := service.Ports[0].Address
	if ip := net.ParseIP(address); ip == nil || ip.IsUnspecified() {
		address = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(address, strconv.Itoa(service.Ports[0].Host)) + path, nil
}

// loadCharts draws the service first, then the others.
func loadCharts(s stack.Stack, service stack.Service, samples []drills.Sample) []report.Chart {
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
