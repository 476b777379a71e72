package monitoring

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/stack"
)

// Declared says how the profile has its stack watched: the first of the two witnesses.
func Declared(p *profile.Profile, app stack.Stack) policy.Monitoring {
	out := policy.Monitoring{Name: profile.MonitoringName(p.Name), Asked: p.Monitoring != nil}
	if !out.Asked {
		return out
	}
	s := suite{p: p, m: p.Monitoring, app: app}
	var services []policy.MonitoredService
	for _, service := range app.Services {
		services = append(services, s.declare(service))
	}
	out.Services = policy.Seen(services, finding.Declared)
	out.Alerts = policy.Seen(s.told(), finding.Declared)
	out.Verified = policy.Seen(policy.Verification{Every: p.Monitoring.Verify.D}, finding.Declared)
	return out
}

// declare says in which ways Prometheus hears of a service.
func (s suite) declare(service stack.Service) policy.MonitoredService {
	out := policy.MonitoredService{Service: service.Name, Open: open(service)}
	add := func(way, job string) { out.Ways, out.Jobs = append(out.Ways, way), append(out.Jobs, job) }
	if !s.p.On(profile.PartPrometheus) {
		return out
	}
	if m := service.Metrics; m != nil {
		add(fmt.Sprintf("its metrics on %d%s", m.Port, m.Path), jobServices)
	}
	for _, e := range s.p.Exporters() {
		if e.Service == service.Name && s.p.On(e.Part) {
			add(e.Name, e.Part)
		}
	}
	if s.p.On(profile.PartBlackbox) && slices.ContainsFunc((exporterParts{s}).probes(), func(p probe) bool { return p.service == service.Name }) {
		add("asked by "+profile.PartBlackbox, jobProbes)
	}
	if s.p.On(profile.PartContainers) && service.Health != nil {
		add("its health test, by "+profile.PartContainers, profile.PartContainers)
	}
	return out
}

// open are the addresses on which others than this machine reach the port of a service's metrics.
func open(service stack.Service) []string {
	if service.Metrics == nil {
		return nil
	}
	var out []string
	for _, port := range service.Ports {
		a, err := netip.ParseAddr(port.Address)
		if port.Container == service.Metrics.Port && (err != nil || !a.IsLoopback()) {
			out = append(out, policy.Port(port).String())
		}
	}
	return out
}

// told are the alerts that are rendered, and who gets them.
func (s suite) told() policy.Alerts {
	var out policy.Alerts
	if !s.p.On(profile.PartPrometheus) {
		return out
	}
	for _, group := range (alertRules{s}).alerts().Groups {
		for _, r := range group.Rules {
			if !slices.Contains(out.Rules, r.Alert) {
				out.Rules = append(out.Rules, r.Alert)
			}
		}
	}
	if s.p.On(profile.PartAlertmanager) {
		for _, r := range s.m.Receivers {
			out.Receivers = append(out.Receivers, r.Name)
		}
	}
	return out
}
