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
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify"
	"github.com/hsectl/hsectl/internal/verify/drills"
)

// copyTimeout is how long a copy may take to become healthy.
const copyTimeout = 5 * time.Minute

// Copies proves limits that are not deployed yet: it starts a copy of each service with the limits of a profile, exhausts the memory of a
// container with them, and sends load to the copy where the service answers HTTP.
func Copies(ctx context.Context, g *app.Settings, s app.Streams, l app.Loaded, names []string, o LoadOptions) error {
	services, err := app.Services(l, names)
	if err != nil {
		return err
	}
	engine, err := g.Connect(ctx)
	if err != nil {
		return err
	}
	defer engine.Close()
	d := &run{Streams: s, settings: g, loaded: l, engine: engine, services: services}
	for _, service := range services {
		err := d.withTwin(ctx, service, copyTimeout, func(twin string) error { return d.proveLimits(ctx, twin, service, o) })
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return err
		default: // with these limits it does not even start
			d.findings = append(d.findings, finding.Finding{Subject: service.Name, Control: "HSE-RES-014", Title: "The service stays below its memory limit under load", Severity: finding.High,
				Status: finding.Fail, Tier: finding.Behaved, Where: "limits", Detail: fmt.Sprintf("a copy with the limits does not become healthy: %v", err), Remedy: "keep the limit that the service has"})
		}
	}
	return d.finish("size", o.ReportOptions)
}

// proveLimits drills one copy.
func (d *run) proveLimits(ctx context.Context, twin string, service stack.Service, o LoadOptions) error {
	d.Say("allocating more than %s next to the copy of %s", service.Limits.Memory.Text, service.Name)
	exhausted, err := d.engine.Exhaust(ctx, twin, service.Name)
	if err != nil {
		return err
	}
	d.findings = append(d.findings, drills.JudgeMemory(service, exhausted)...)
	test := d.loaded.Profile.Services[service.Name].Health
	if test == nil || test.HTTP == nil {
		d.Say("%s has no health test over HTTP, so no load is sent to its copy", service.Name)
		return nil
	}
	url, err := d.copyURL(ctx, twin, service, test.HTTP.Port, test.HTTP.Path)
	if err != nil {
		unreached := drills.JudgeLoad(service, drills.Loaded{}, o.Budget)
		unreached[0].Detail, unreached[0].Remedy = fmt.Sprintf("the copy cannot be reached from this machine: %v", err), "deploy, then: hsectl drill load "+service.Name
		d.findings = append(d.findings, unreached...)
		return nil
	}
	d.Say("sending requests to the copy of %s, %d per second for %s", service.Name, o.Rate, o.Duration)
	loaded, err := d.underLoad(ctx, twin, func() (drills.Loaded, error) { return ask.Load(ctx, url, o.Rate, o.Duration), nil })
	if err != nil {
		return err
	}
	d.findings = append(d.findings, drills.JudgeLoad(service, loaded, o.Budget)...)
	return nil
}

// copyURL is the address of a copy within its network, once it answers there.
func (d *run) copyURL(ctx context.Context, twin string, service stack.Service, port int, path string) (string, error) {
	c, err := d.engine.First(ctx, twin, service.Name)
	if err != nil {
		return "", err
	}
	err = errors.New("it has no address")
	for _, network := range c.Networks() {
		if !network.IPAddress.IsValid() {
			continue
		}
		url := "http://" + net.JoinHostPort(network.IPAddress.String(), strconv.Itoa(port)) + path
		answer := ask.Check(ctx, verify.Check{URL: url, Timeout: 5 * time.Second})
		if answer.OK {
			return url, nil
		}
		err = errors.New(answer.Text)
	}
	return "", err
}
