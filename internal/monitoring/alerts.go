package monitoring

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/stack"
)

// Severities of alerts: a critical one is for now, a warning for working hours.
const (
	severityCritical = "critical"
	severityWarning  = "warning"
)

// alertRules are the alerts of a suite.
type alertRules struct{ suite }

// alerts returns the rules that the profile asks for: each knows the limits and objectives of the services.
func (s alertRules) alerts() ruleFile {
	resources := ruleGroup{Name: s.app.Name + " resources", Rules: s.resourceAlerts()}
	availability := ruleGroup{Name: s.app.Name + " availability", Rules: s.availabilityAlerts()}
	objectives := ruleGroup{Name: s.app.Name + " objectives"}
	for _, service := range s.watched() {
		objectives.Rules = append(objectives.Rules, s.objectiveAlerts(service)...)
		if service.Preset == "node" {
			objectives.Rules = append(objectives.Rules, s.runtimeAlerts(service)...)
		}
	}
	return ruleFile{Groups: present(resources, availability, objectives)}
}

// alert is one rule. Summary and description may use {{ $labels }} and {{ $value }}.
type alert struct {
	name, expr, wait, severity string
	service                    string // when the expression does not carry it
	summary, description       string
}

func (s alertRules) rule(a alert) rule {
	labels := map[string]string{"severity": a.severity, "stack": s.app.Name}
	if a.service != "" {
		labels["service"] = a.service
	}
	if owner := s.owner(a.service); owner != "" {
		labels["owner"] = owner
	}
	return rule{Alert: a.name, Expr: a.expr, For: a.wait, Labels: labels, Annotations: map[string]string{
		"summary": a.summary, "description": a.description,
		"runbook_url": strings.TrimSuffix(s.m.Runbooks, "/") + "/" + a.name + ".md",
	}}
}

// owner is who answers for a service or, where only the alert itself knows the service, a template that finds it out. An
// empty label is none for Prometheus. The profile lets no owner hold what a template reads.
func (s alertRules) owner(service string) string {
	var cases []string
	for _, known := range s.app.Services {
		if known.Owner != "" && known.Name == service {
			return known.Owner
		}
		if known.Owner != "" {
			cases = append(cases, fmt.Sprintf("if eq $labels.service %q }}%s", known.Name, known.Owner))
		}
	}
	if service != "" || len(cases) == 0 {
		return ""
	}
	return "{{ " + strings.Join(cases, "{{ else ") + "{{ end }}"
}

// scrapesInARow is how long something must be seen when it must be seen n times: whoever looks more often knows sooner.
func (s alertRules) scrapesInARow(n int) string {
	return seconds(time.Duration(n) * s.m.Interval.D)
}

func (s alertRules) rules(alerts ...alert) []rule {
	var out []rule
	for _, a := range alerts {
		out = append(out, s.rule(a))
	}
	return out
}

func (s alertRules) resourceAlerts() []rule {
	all := s.sel("")
	out := s.rules(
		alert{name: "MemoryNearLimit", wait: s.scrapesInARow(8), severity: severityWarning,
			expr:        fmt.Sprintf("%s{%s} / on (stack, service) %s{%s} > 0.9", recordMemory, all, recordMemoryLimit, all),
			summary:     "{{ $labels.service }} uses more than 90 % of its memory limit",
			description: "It uses {{ $value | humanizePercentage }} of the limit in the profile. At 100 % the kernel kills it."},
		alert{name: "CPUNearLimit", wait: "10m", severity: severityWarning,
			expr:        fmt.Sprintf("%s{%s} / on (stack, service) %s{%s} > 0.9", recordCPU, all, recordCPULimit, all),
			summary:     "{{ $labels.service }} uses more than 90 % of its cpu limit",
			description: "It has used {{ $value | humanizePercentage }} of the limit in the profile for ten minutes, and is being slowed down."},
		alert{name: "RestartLoop", wait: "0s", severity: severityCritical,
			expr:        s.restarts("15m") + " > 2.5", // increase estimates: three restarts are rarely three exactly
			summary:     "{{ $labels.service }} keeps restarting",
			description: "It was restarted {{ $value | humanize }} times in fifteen minutes."},
	)
	if s.p.On(profile.PartNodeExporter) {
		out = append(out, s.hostAlerts()...)
	}
	if s.p.On(profile.PartContainers) {
		for _, service := range s.app.Services {
			out = append(out, s.rule(alert{name: "ContainerNotSeen", wait: "5m", severity: severityWarning, service: service.Name,
				expr:        fmt.Sprintf("absent(hse_container_info{%s})", s.sel(service.Name)),
				summary:     service.Name + " has no container",
				description: "The engine has no record of a container of it, or its records cannot be read. Alerts about its memory, cpu and health are silent."}))
		}
	}
	out = append(out, s.missing()...)
	if killed := s.killed(); killed != "" {
		out = append(out, s.rule(alert{name: "OOMKilled", wait: "0s", severity: severityCritical, expr: killed,
			summary:     "{{ $labels.service }} was killed for memory",
			description: "The kernel killed a process in the last ten minutes, and this service was at its limit or was restarted then."}))
	}
	return out
}

// restarts counts those of each service in a window: the engine's own number, or the times that its start changed.
func (s alertRules) restarts(window string) string {
	starts := fmt.Sprintf("changes(%s{%s}[%s])", recordStart, s.sel(""), window)
	if !s.p.On(profile.PartContainers) {
		return starts
	}
	return fmt.Sprintf("(sum by (stack, service) (increase(hse_container_restarts_total{%s}[%s]))\nor %s)", s.sel(""), window, starts)
}

// killed finds the services that were killed for memory in the last ten minutes. The engine says so of a container until
// its next start, which is soon. The kernel counts kills for the whole host, so then it is whoever was near its limit, or
// was restarted.
func (s alertRules) killed() string {
	all := s.sel("")
	var ways []string
	if s.p.On(profile.PartContainers) {
		ways = append(ways, fmt.Sprintf("max by (stack, service) (max_over_time(hse_container_oom_killed{%s}[10m])) > 0", all))
	}
	if s.p.On(profile.PartNodeExporter) {
		kill := fmt.Sprintf("and on (stack) (increase(node_vmstat_oom_kill{%s}[10m]) > 0)", all)
		ways = append(ways, fmt.Sprintf("(max_over_time(%s{%s}[10m]) > on (stack, service) 0.9 * %s{%s})\n%s", recordMemory, all, recordMemoryLimit, all, kill))
		if s.p.On(profile.PartContainers) {
			ways = append(ways, fmt.Sprintf("(sum by (stack, service) (increase(hse_container_restarts_total{%s}[10m])) > 0)\n%s", all, kill))
		}
	}
	return strings.Join(ways, "\nor ")
}

// hostAlerts need the host's own counters.
func (s alertRules) hostAlerts() []rule {
	all := s.sel("")
	disk := fmt.Sprintf(`node_filesystem_avail_bytes{%s,mountpoint="/data"} / node_filesystem_size_bytes{%s,mountpoint="/data"}`, all, all)
	return s.rules(
		alert{name: "HostOOMKill", wait: "0s", severity: severityWarning,
			expr:        fmt.Sprintf("increase(node_vmstat_oom_kill{%s}[10m]) > 0", all),
			summary:     "The kernel killed a process for memory",
			description: "{{ $value | humanize }} processes of the host were killed in the last ten minutes. OOMKilled names the service, when it is one of this stack."},
		alert{name: "VolumeNearlyFull", wait: "5m", severity: severityCritical, service: "host",
			expr:        disk + " < 0.1",
			summary:     "The file system of the volumes is nearly full",
			description: "{{ $value | humanizePercentage }} of the file system that holds the engine's volumes is free. When it is full, databases stop."},
	)
}

func (s alertRules) availabilityAlerts() []rule {
	all := s.sel("")
	out := s.rules(alert{name: "TargetDown", wait: s.scrapesInARow(4), severity: severityCritical,
		expr:        fmt.Sprintf("up{%s} == 0", all),
		summary:     "{{ $labels.service }} does not answer {{ $labels.job }}",
		description: "Prometheus cannot scrape {{ $labels.instance }}."})
	for _, service := range s.watched() {
		out = append(out, s.rule(alert{name: "NoScrape", wait: "5m", severity: severityCritical, service: service.Name,
			expr:        fmt.Sprintf(`absent(up{%s,job=~"%s.*"})`, s.sel(service.Name), jobServices),
			summary:     service.Name + " is not scraped at all",
			description: "Prometheus has no target for it, so no alert about it can fire."}))
	}
	if health := s.health(); health != "" {
		out = append(out, s.rule(alert{name: "ServiceUnhealthy", wait: "1m", severity: severityCritical,
			expr:        health + " == 0",
			summary:     "{{ $labels.service }} is unhealthy",
			description: "It does not run, or does not pass its health test: the one inside its container, or the one from outside."}))
	}
	if s.p.On(profile.PartBlackbox) {
		out = append(out, s.rules(
			alert{name: "CertificateNearExpiry", wait: "10m", severity: severityWarning,
				expr:        fmt.Sprintf("probe_ssl_earliest_cert_expiry{%s} - time() < 14 * 86400", all),
				summary:     "A certificate of {{ $labels.instance }} expires soon",
				description: "It expires in {{ $value | humanizeDuration }}."})...)
	}
	if s.p.On(profile.PartPostgresExporter) {
		out = append(out, s.rules(
			alert{name: "PostgresDown", wait: "1m", severity: severityCritical, expr: fmt.Sprintf("pg_up{%s} == 0", all),
				summary: "PostgreSQL does not take connections", description: "The exporter cannot log in to {{ $labels.service }}."},
			alert{name: "PostgresConnectionsNearMax", wait: "5m", severity: severityWarning,
				expr: fmt.Sprintf("sum by (stack, service) (pg_stat_database_numbackends{%s})\n/ on (stack, service) max by (stack, service) (pg_settings_max_connections{%s}) > 0.8",
					all, all),
				summary:     "PostgreSQL is running out of connections",
				description: "{{ $value | humanizePercentage }} of max_connections are in use."})...)
	}
	if s.p.On(profile.PartRedisExporter) {
		out = append(out, s.rule(alert{name: "RedisDown", wait: "1m", severity: severityCritical, expr: fmt.Sprintf("redis_up{%s} == 0", all),
			summary: "Redis does not answer", description: "The exporter cannot log in to {{ $labels.service }}."}))
	}
	if s.p.On(profile.PartAlertmanager) {
		out = append(out, s.rule(alert{name: "AlertsNotDelivered", wait: "5m", severity: severityCritical,
			expr:        fmt.Sprintf("sum by (stack, service, integration) (rate(alertmanager_notifications_failed_total{%s}[5m])) > 0", all),
			summary:     "Alerts do not reach their receiver",
			description: "Alertmanager fails to notify {{ $labels.integration }}. No other alert reports this."}))
	}
	return out
}

// health is one for each service that runs and passes its health tests, inside its container and from outside, and zero
// otherwise. Empty when nothing asks for it.
func (s alertRules) health() string {
	var asked []string
	if s.p.On(profile.PartContainers) {
		asked = append(asked, "hse_container_running", "hse_container_healthy")
	}
	if s.p.On(profile.PartBlackbox) {
		asked = append(asked, "probe_success")
	}
	if len(asked) == 0 {
		return ""
	}
	names := []string{serviceOutside} // jobs are left out: they end, and are well then
	for _, service := range s.app.Services {
		names = append(names, regexp.QuoteMeta(service.Name))
	}
	return fmt.Sprintf("min by (stack, service) ({__name__=~%q,%s,service=~%q})", strings.Join(asked, "|"), s.sel(""), strings.Join(names, "|"))
}

// burn is a rate at which the month's budget of failures is spent, and the windows in which it is measured:
// https://sre.google/workbook/alerting-on-slos/
type burn struct {
	name, severity, long, short string
	factor                      float64
}

func (s alertRules) objectiveAlerts(service stack.Service) []rule {
	var out []rule
	sel := s.sel(service.Name)
	if objective := service.SLO.LatencyP95; objective > 0 {
		out = append(out, s.rule(alert{name: "LatencyObjectiveMissed", wait: "5m", severity: severityWarning,
			expr:        fmt.Sprintf("%s{%s} > %s", recordLatency, sel, strconv.FormatFloat(objective.Seconds(), 'f', -1, 64)),
			summary:     service.Name + " answers slower than its objective",
			description: "95 of 100 requests take up to {{ $value | humanizeDuration }}; the objective is " + objective.String() + "."}))
	}
	if service.SLO.Availability == 0 {
		return out
	}
	budget := 1 - service.SLO.Availability/100
	for _, b := range []burn{
		{"ErrorBudgetBurnFast", severityCritical, "1h", "5m", 14.4}, // 2 % of the budget of 30 days in an hour
		{"ErrorBudgetBurnSlow", severityWarning, "6h", "30m", 6},    // 5 % in six hours
	} {
		most := strconv.FormatFloat(b.factor*budget, 'g', 6, 64)
		out = append(out, s.rule(alert{name: b.name, wait: "2m", severity: b.severity,
			expr:        fmt.Sprintf("%s:%s{%s} > %s\nand %s:%s{%s} > %s", recordErrors, b.long, sel, most, recordErrors, b.short, sel, most),
			summary:     fmt.Sprintf("%s fails too often for its objective of %v %%", service.Name, service.SLO.Availability),
			description: fmt.Sprintf("{{ $value | humanizePercentage }} of the requests of the last %s failed: the budget is spent %v times too fast.", b.long, b.factor)}))
	}
	return out
}

func (s alertRules) runtimeAlerts(service stack.Service) []rule {
	sel, prefix := s.sel(service.Name), service.Metrics.Prefix
	out := s.rules(alert{name: "EventLoopLag", wait: "2m", severity: severityWarning,
		expr:        fmt.Sprintf("%snodejs_eventloop_lag_seconds{%s} > 0.2", prefix, sel),
		summary:     "The event loop of " + service.Name + " is late",
		description: "It is {{ $value | humanizeDuration }} behind: something computes instead of waiting, and every request waits for it."})
	if heapLimit(service) > 0 {
		out = append(out, s.rule(alert{name: "HeapNearLimit", wait: "5m", severity: severityWarning,
			expr:        fmt.Sprintf("%snodejs_heap_size_used_bytes{%s} / on (stack, service) group_left () %s{%s} > 0.9", prefix, sel, recordHeapLimit, sel),
			summary:     "The heap of " + service.Name + " is near max-old-space-size",
			description: "It is {{ $value | humanizePercentage }} full. At 100 % Node.js ends itself."}))
	}
	return out
}
