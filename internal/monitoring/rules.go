package monitoring

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/stack"
)

type (
	ruleFile struct {
		Groups []ruleGroup `yaml:"groups"`
	}

	ruleGroup struct {
		Name  string `yaml:"name"`
		Rules []rule `yaml:"rules"`
	}

	rule struct {
		Record      string            `yaml:"record,omitempty"`
		Alert       string            `yaml:"alert,omitempty"`
		Expr        string            `yaml:"expr"`
		For         string            `yaml:"for,omitempty"`
		Labels      map[string]string `yaml:"labels,omitempty"`
		Annotations map[string]string `yaml:"annotations,omitempty"`
	}
)

// Names of recorded series. Dashboards and alerts use them, so that a service is measured in one way everywhere.
const (
	recordMemory      = "hse:memory_usage_bytes"
	recordMemoryLimit = "hse:memory_limit_bytes"
	recordCPU         = "hse:cpu_usage_cores"
	recordCPULimit    = "hse:cpu_limit_cores"
	recordHeapLimit   = "hse:heap_limit_bytes"
	recordStart       = "hse:start_time_seconds"
	recordLatency     = "hse:request_latency_p95_seconds"
	recordErrors      = "hse:request_error_ratio" // followed by the window, such as :5m
)

// heapOption finds the bound of the old generation among the options of Node.js, in MiB.
var heapOption = regexp.MustCompile(`--max[-_]old[-_]space[-_]size=(\d+)`)

// sel selects the series of the stack, or of one service of it.
func (s suite) sel(service string) string {
	if service == "" {
		return fmt.Sprintf("stack=%q", s.app.Name)
	}
	return fmt.Sprintf("stack=%q,service=%q", s.app.Name, service)
}

// recording names what every service uses and may use. The kernel's counters come first; where there are none, what the
// program says about itself stands in.
func (s suite) recording() ruleFile {
	usage := ruleGroup{Name: s.app.Name + " usage"}
	for _, r := range []struct {
		name string
		of   func() []string
	}{{recordMemory, s.memorySources}, {recordCPU, s.cpuSources}, {recordStart, s.startSources}} {
		if sources := r.of(); len(sources) > 0 {
			usage.Rules = append(usage.Rules, rule{Record: r.name, Expr: strings.Join(sources, "\nor\n")})
		}
	}
	limits := ruleGroup{Name: s.app.Name + " limits"}
	for _, service := range s.app.Services {
		limits.Rules = append(limits.Rules,
			s.constant(recordMemoryLimit, service.Name, strconv.FormatInt(service.Limits.Memory.Bytes, 10)),
			s.constant(recordCPULimit, service.Name, cores(service.Limits.Nano)))
		if heap := heapLimit(service); heap > 0 {
			limits.Rules = append(limits.Rules, s.constant(recordHeapLimit, service.Name, strconv.FormatInt(heap, 10)))
		}
	}
	requests := ruleGroup{Name: s.app.Name + " requests"}
	for _, service := range s.watched() {
		requests.Rules = append(requests.Rules, s.requestRules(service)...)
	}
	return ruleFile{Groups: present(usage, limits, requests)}
}

// present leaves out groups without a rule.
func present(groups ...ruleGroup) []ruleGroup {
	var out []ruleGroup
	for _, g := range groups {
		if len(g.Rules) > 0 {
			out = append(out, g)
		}
	}
	return out
}

func (s suite) constant(record, service, value string) rule {
	return rule{Record: record, Expr: "vector(" + value + ")", Labels: storeParts{s}.labels(service)}
}

func cores(nano int64) string { return strconv.FormatFloat(float64(nano)/1e9, 'f', -1, 64) }

// heapLimit is the bound that the profile gives the heap of a Node.js service, in bytes, or zero.
func heapLimit(service stack.Service) int64 {
	m := heapOption.FindStringSubmatch(variable(service, "NODE_OPTIONS", ""))
	if m == nil || service.Metrics == nil {
		return 0
	}
	mib, err := strconv.ParseInt(m[1], 10, 40)
	if err != nil {
		return 0
	}
	return mib << 20
}

func (s suite) memorySources() []string {
	var out []string
	if s.p.On(profile.PartCadvisor) {
		out = append(out, s.busiest(s.named("container_memory_working_set_bytes{"+s.sel("")+"}")))
	}
	for _, service := range s.watched() {
		out = append(out, s.sum(service.Metrics.Prefix+"process_resident_memory_bytes", service.Name))
	}
	if s.p.On(profile.PartRedisExporter) {
		out = append(out, s.sum("redis_memory_used_rss_bytes", ""))
	}
	return out
}

func (s suite) cpuSources() []string {
	var out []string
	rate := func(metric, service string) string {
		return s.busiest(fmt.Sprintf("rate(%s{%s}[5m])", metric, s.sel(service)))
	}
	if s.p.On(profile.PartCadvisor) {
		out = append(out, s.busiest(s.named("rate(container_cpu_usage_seconds_total{"+s.sel("")+"}[5m])")))
	}
	for _, service := range s.watched() {
		out = append(out, rate(service.Metrics.Prefix+"process_cpu_seconds_total", service.Name))
	}
	if s.p.On(profile.PartRedisExporter) {
		out = append(out, rate("redis_cpu_user_seconds_total", "")+" + "+rate("redis_cpu_sys_seconds_total", ""))
	}
	return out
}

func (s suite) startSources() []string {
	var out []string
	newest := func(metric, service string) string {
		return fmt.Sprintf("max by (stack, service) (%s{%s})", metric, s.sel(service))
	}
	if s.p.On(profile.PartCadvisor) {
		out = append(out, "max by (stack, service) ("+s.named("container_start_time_seconds{"+s.sel("")+"}")+")")
	}
	for _, service := range s.watched() {
		out = append(out, newest(service.Metrics.Prefix+"process_start_time_seconds", service.Name))
	}
	if s.p.On(profile.PartPostgresExporter) {
		out = append(out, newest("pg_postmaster_start_time_seconds", ""))
	}
	if s.p.On(profile.PartRedisExporter) {
		out = append(out, newest("redis_start_time_seconds", ""))
	}
	return out
}

// named gives the kernel's counters of containers the name of the service.
func (s suite) named(counters string) string {
	return fmt.Sprintf("%s * on (stack, container) group_left (service) max by (stack, container, service) (hse_container_info{%s})", counters, s.sel(""))
}

func (s suite) sum(metric, service string) string {
	return s.busiest(fmt.Sprintf("%s{%s}", metric, s.sel(service)))
}

// errorWindows are those of the burn alerts: a long one to be sure, a short one to end soon.
func errorWindows() []string { return []string{"5m", "30m", "1h", "6h"} }

func (s suite) requestRules(service stack.Service) []rule {
	prefix, sel := service.Metrics.Prefix, s.sel(service.Name)
	out := []rule{{Record: recordLatency, Expr: fmt.Sprintf(
		"histogram_quantile(0.95, sum by (stack, service, le) (rate(%shttp_request_duration_seconds_bucket{%s}[5m])))", prefix, sel)}}
	for _, window := range errorWindows() {
		all := fmt.Sprintf("sum by (stack, service) (rate(%shttp_requests_total{%s}[%s]))", prefix, sel, window)
		failed := fmt.Sprintf(`sum by (stack, service) (rate(%shttp_requests_total{%s,status=~"5.."}[%s]))`, prefix, sel, window)
		// A service that never failed has no series of failures: that is zero, not nothing.
		out = append(out, rule{Record: recordErrors + ":" + window, Expr: fmt.Sprintf("(%s or 0 * %s)\n/ %s", failed, all, all)})
	}
	return out
}
