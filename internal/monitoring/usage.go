package monitoring

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/size"
	"github.com/hsectl/hsectl/internal/stack"
)

// rateWindow is the span over which cpu is averaged: half of the windows that Prometheus' own documentation warns to go below are
// four scrapes, and shorter ones show single garbage collections.
const rateWindow = 5 * time.Minute

// UsageQueries returns what Prometheus is asked about services of a stack, for a point each step. What is measured less than start
// after a start is asked for apart. Without the kernel's counters and the names that belong to them nothing can be asked.
func UsageQueries(p *profile.Profile, app stack.Stack, services []string, step, start time.Duration) ([]size.Query, error) {
	for _, part := range []string{profile.PartPrometheus, profile.PartCadvisor, profile.PartContainers} {
		if !p.On(part) {
			return nil, fmt.Errorf("%s is not part of the monitoring stack", part)
		}
	}
	u := usage{suite{p: p, m: p.Monitoring, app: app}, services, step, start}
	out := []size.Query{
		{Measure: size.MeasureMemory, Expr: u.highest(u.named(fmt.Sprintf("(%s) unless on (stack, container) %s", u.memory(), u.starting())), u.resolution())},
		{Measure: size.MeasureStart, Expr: u.highest(u.named(fmt.Sprintf("(%s) and on (stack, container) %s", u.memory(), u.starting())), u.resolution())},
		{Measure: size.MeasureCPU, Expr: u.highest(u.named(fmt.Sprintf("sum by (stack, container) (rate(container_cpu_usage_seconds_total{%s}[%s]))", u.sel(""), seconds(u.rate()))), rateWindow)},
		{Measure: size.MeasurePeriods, Expr: u.grown("container_cpu_cfs_periods_total")},
		{Measure: size.MeasureThrottled, Expr: u.grown("container_cpu_cfs_throttled_periods_total")},
		{Measure: size.MeasurePIDs, Expr: u.highest(u.named("container_threads{"+u.sel("")+"}"), u.resolution())},
		{Measure: size.MeasureKills, Expr: u.kills()},
		{Measure: size.MeasureLimit, Expr: fmt.Sprintf("max by (stack, service) (%s{%s})", recordMemoryLimit, u.selected())},
	}
	if heap := u.heap(); heap != "" {
		out = append(out, size.Query{Measure: size.MeasureHeap, Expr: heap})
	}
	return out, nil
}

// usage are the questions about some services.
type usage struct {
	suite
	services    []string
	step, start time.Duration
}

// selected selects the series of the services.
func (u usage) selected() string {
	return fmt.Sprintf("stack=%q,service=~%q", u.app.Name, strings.Join(u.services, "|"))
}

// named gives the kernel's counters of containers the name of their service, for the services that are asked about.
func (u usage) named(counters string) string {
	return fmt.Sprintf("(%s) * on (stack, container) group_left (service) max by (stack, container, service) (hse_container_info{%s})", counters, u.selected())
}

// memory is what a container uses without its file cache, which the kernel gives back when it is needed. Files in a tmpfs and shared memory
// are not on the lists of files, so they count. An older cAdvisor knows only the share of the cache that is not in use.
func (u usage) memory() string {
	all := "{" + u.sel("") + "}"
	return fmt.Sprintf("clamp_min(container_memory_usage_bytes%s - container_memory_total_active_file_bytes%s - container_memory_total_inactive_file_bytes%s, 0) or container_memory_working_set_bytes%s",
		all, all, all, all)
}

// starting are the containers that have started a moment ago.
func (u usage) starting() string {
	return fmt.Sprintf("(time() - container_start_time_seconds{%s} < %d)", u.sel(""), int(u.start.Seconds()))
}

// highest is the highest value of the busiest container of each service within each step.
func (u usage) highest(samples string, resolution time.Duration) string {
	return fmt.Sprintf("max by (stack, service) (max_over_time((%s)[%s:%s]))", samples, seconds(u.step), seconds(min(resolution, u.step)))
}

// resolution is how often a value is looked at within a step: as often as Prometheus scrapes it.
func (u usage) resolution() time.Duration {
	return max(u.m.Interval.D, time.Second).Truncate(time.Second)
}

// rate is the window of a rate: four scrapes, so that a missed one leaves enough.
func (u usage) rate() time.Duration { return max(rateWindow, 4*u.resolution()) }

// grown is how much a counter of the containers of each service grew within each step.
func (u usage) grown(counter string) string {
	return fmt.Sprintf("sum by (stack, service) (%s)", u.named(fmt.Sprintf("sum by (stack, container) (increase(%s{%s}[%s]))", counter, u.sel(""), seconds(max(u.step, 4*u.resolution())))))
}

// kills are the steps in which a service was killed for memory: as the alert OOMKilled sees it, or as cAdvisor counts it where it may
// read the kernel's log.
func (u usage) kills() string {
	counted := fmt.Sprintf("(sum by (stack, service) (%s) > 0)", u.named(fmt.Sprintf("sum by (stack, container) (increase(container_oom_events_total{%s}[%s]))", u.sel(""), seconds(max(u.step, 4*u.resolution())))))
	seen := counted
	if killed := (alertRules{u.suite}).killed(); killed != "" {
		seen = fmt.Sprintf("(max by (stack, service) (max_over_time((%s)[%s:%s])) >= 0)\nor %s", killed, seconds(u.step), seconds(min(rateWindow, u.step)), counted)
	}
	return fmt.Sprintf("clamp_max(%s, 1)", seen)
}

// heap is what runtimes say about their own heap: Node.js and Java where the service has metrics, Redis by its exporter.
func (u usage) heap() string {
	var sources []string
	for _, service := range u.app.Services {
		if service.Metrics == nil || !slices.Contains(u.services, service.Name) {
			continue
		}
		prefix, sel := service.Metrics.Prefix, u.sel(service.Name)
		sources = append(sources,
			fmt.Sprintf("max by (stack, service) (max_over_time(%snodejs_heap_size_used_bytes{%s}[%s]))", prefix, sel, seconds(u.step)),
			fmt.Sprintf(`max by (stack, service) (sum by (stack, service, instance) (max_over_time(%sjvm_memory_used_bytes{%s,area="heap"}[%s])))`, prefix, sel, seconds(u.step)))
	}
	if u.p.On(profile.PartRedisExporter) {
		sources = append(sources, fmt.Sprintf("max by (stack, service) (max_over_time(redis_memory_used_bytes{%s}[%s]))", u.selected(), seconds(u.step)))
	}
	return strings.Join(sources, "\nor\n")
}
