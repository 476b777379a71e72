package monitoring

import (
	"fmt"
	"slices"

	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/stack"
)

// scrapeEach asks every container of a service that has several: DNS knows their addresses by the service's name. Each is an
// instance of its own, so that their counters are not taken for one.
func (s suite) scrapeEach(service stack.Service) scrape {
	out := scrape{Job: jobServices + "/" + service.Name, Path: service.Metrics.Path,
		DNS: []lookup{{Names: []string{service.Name}, Type: "A", Port: service.Metrics.Port, Refresh: seconds(s.m.Interval.D)}}}
	labels := storeParts{s}.labels(service.Name)
	for _, name := range []string{"stack", "service"} {
		value := labels[name]
		out.Relabel = append(out.Relabel, relabel{Target: name, Replacement: &value})
	}
	return out
}

// several reports whether a service has more than one container.
func (s suite) several() bool {
	return slices.ContainsFunc(s.app.Services, func(service stack.Service) bool { return service.Wanted() > 1 })
}

// busiest joins the samples of a service. Each container has the limits for itself, so of several the one counts that is
// nearest to them.
func (s suite) busiest(samples string) string {
	if !s.several() {
		return "sum by (stack, service) (" + samples + ")"
	}
	return "max by (stack, service) (sum by (stack, service, instance, container) (" + samples + "))"
}

// missing are alerts about services that have fewer containers than declared.
func (s suite) missing() []rule {
	var out []rule
	for _, service := range s.app.Services {
		expr := fmt.Sprintf("sum by (stack, service) (hse_container_running{%s})", s.sel(service.Name))
		if !s.p.On(profile.PartContainers) {
			expr = fmt.Sprintf(`sum by (stack, service) (up{%s,job="%s/%s"})`, s.sel(service.Name), jobServices, service.Name)
		}
		if service.Wanted() == 1 || !s.p.On(profile.PartContainers) && service.Metrics == nil {
			continue
		}
		out = append(out, alertRules{s}.rule(alert{name: "ReplicasMissing", wait: "5m", severity: severityWarning,
			expr:        fmt.Sprintf("%s < %d", expr, service.Wanted()),
			summary:     fmt.Sprintf("%s has fewer containers than %d", service.Name, service.Wanted()),
			description: "{{ $value }} run. The others carry its load; deploy again to bring it back."}))
	}
	return out
}
