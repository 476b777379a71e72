package monitoring_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/util/teststorage"
)

// healthy is a stack on which nothing is wrong, one sample a minute for half an hour.
func healthy() map[string]string {
	out := map[string]string{
		`up{job="services",service="app"}`:                                                  "1x30",
		`up{job="redis-exporter",service="redis"}`:                                          "1x30",
		`hse_digital_nodejs_heap_size_used_bytes{service="app"}`:                            "100000000x30",
		`hse_digital_nodejs_eventloop_lag_seconds{service="app"}`:                           "0.01x30",
		`hse_digital_http_requests_total{service="app",status="200"}`:                       "0+600x30",
		`hse_digital_http_request_duration_seconds_bucket{service="app",le="0.1"}`:          "0+600x30",
		`hse_digital_http_request_duration_seconds_bucket{service="app",le="1"}`:            "0+600x30",
		`hse_digital_http_request_duration_seconds_bucket{service="app",le="+Inf"}`:         "0+600x30",
		`node_vmstat_oom_kill{service="host"}`:                                              "5x30",
		`node_filesystem_avail_bytes{service="host",mountpoint="/data"}`:                    "50000x30",
		`node_filesystem_size_bytes{service="host",mountpoint="/data"}`:                     "100000x30",
		`probe_success{service="app"}`:                                                      "1x30",
		`probe_ssl_earliest_cert_expiry{service="outside",instance="https://example.test"}`: "5000000x30",
		`pg_up{service="postgres"}`:                                                         "1x30",
		`pg_stat_database_numbackends{service="postgres",datname="hse"}`:                    "5x30",
		`pg_settings_max_connections{service="postgres"}`:                                   "100x30",
		`redis_up{service="redis"}`:                                                         "1x30",
		`redis_memory_used_rss_bytes{service="redis"}`:                                      "10000000x30",
		`alertmanager_notifications_failed_total{integration="webhook"}`:                    "0x30",
	}
	for _, service := range []string{"app", "postgres", "redis"} {
		id := fmt.Sprintf("{container=%q}", "id of "+service) // the kernel knows no names
		out["container_memory_working_set_bytes"+id] = "100000000x30"
		out["container_cpu_usage_seconds_total"+id] = "0+6x30"
		out["container_start_time_seconds"+id] = "1000x30"
		record := fmt.Sprintf("{service=%q,container=%q}", service, "id of "+service)
		out["hse_container_info"+record] = "1x30"
		out["hse_container_running"+record] = "1x30"
		out["hse_container_healthy"+record] = "1x30"
		out["hse_container_oom_killed"+record] = "0x30"
		out["hse_container_restarts_total"+record] = "2x30"
	}
	return out
}

// Each case is the healthy stack with a few series changed, or gone where the value is empty. Exactly the named alerts
// must fire at some time; so every case also shows that all the others stay silent.
func TestAlerts(t *testing.T) {
	const gone = ""
	cases := []struct {
		name    string
		changed map[string]string
		fires   []string
	}{
		{"nothing is wrong", nil, nil},
		{"memory near the limit of 1G", map[string]string{`container_memory_working_set_bytes{container="id of app"}`: "1000000000x30"}, []string{"MemoryNearLimit"}},
		{"memory just below", map[string]string{`container_memory_working_set_bytes{container="id of app"}`: "960000000x30"}, nil},
		{"cpu near the limit of 2", map[string]string{`container_cpu_usage_seconds_total{container="id of app"}`: "0+114x30"}, []string{"CPUNearLimit"}},
		{"a service restarts three times", map[string]string{`hse_container_restarts_total{service="app",container="id of app"}`: "2x9 3 4 5x20"}, []string{"RestartLoop"}},
		{"a service restarts once", map[string]string{`hse_container_restarts_total{service="app",container="id of app"}`: "2x9 3x20"}, nil},
		{"a service is deployed anew", map[string]string{
			`hse_container_info{service="app",container="id of app"}`: "1x9 stale", `container_memory_working_set_bytes{container="id of app"}`: "100000000x9 stale",
			`hse_container_restarts_total{service="app",container="id of app"}`: "2x9 stale",
			`hse_container_info{service="app",container="another"}`:             "_x9 1x20", `container_memory_working_set_bytes{container="another"}`: "_x9 100000000x20",
			`hse_container_restarts_total{service="app",container="another"}`: "_x9 0x20",
		}, nil},
		{"memory near the limit after a deploy", map[string]string{
			`hse_container_info{service="app",container="id of app"}`: "1x9 stale", `container_memory_working_set_bytes{container="id of app"}`: "100000000x9 stale",
			`hse_container_info{service="app",container="another"}`: "_x9 1x20", `container_memory_working_set_bytes{container="another"}`: "_x9 1000000000x20",
		}, []string{"MemoryNearLimit"}},
		{"a service is killed for memory", map[string]string{
			`container_memory_working_set_bytes{container="id of app"}`: "100000000x9 1050000000 100000000x20",
			`node_vmstat_oom_kill{service="host"}`:                      "5x10 6x20",
		}, []string{"HostOOMKill", "OOMKilled"}},
		{"a service is killed for memory between two scrapes", map[string]string{
			`hse_container_restarts_total{service="app",container="id of app"}`: "2x9 3x20", `node_vmstat_oom_kill{service="host"}`: "5x10 6x20",
		}, []string{"HostOOMKill", "OOMKilled"}},
		{"the engine says so", map[string]string{`hse_container_oom_killed{service="app",container="id of app"}`: "0x9 1 0x20"}, []string{"OOMKilled"}},
		{"something else of the host is killed", map[string]string{`node_vmstat_oom_kill{service="host"}`: "5x10 6x20"}, []string{"HostOOMKill"}},
		{"the disk is nearly full", map[string]string{`node_filesystem_avail_bytes{service="host",mountpoint="/data"}`: "9000x30"}, []string{"VolumeNearlyFull"}},
		{"a container is gone", map[string]string{`hse_container_info{service="redis",container="id of redis"}`: gone}, []string{"ContainerNotSeen"}},
		{"a target is down", map[string]string{`up{job="redis-exporter",service="redis"}`: "0x30"}, []string{"TargetDown"}},
		{"a service is not scraped", map[string]string{`up{job="services",service="app"}`: gone}, []string{"NoScrape"}},
		{"a service is unhealthy", map[string]string{`probe_success{service="app"}`: "0x30"}, []string{"ServiceUnhealthy"}},
		{"a service without a probe is unhealthy", map[string]string{`hse_container_healthy{service="redis",container="id of redis"}`: "0x30"}, []string{"ServiceUnhealthy"}},
		{"a service does not run", map[string]string{`hse_container_running{service="redis",container="id of redis"}`: "0x30"}, []string{"ServiceUnhealthy"}},
		{"a job has ended", map[string]string{`hse_container_running{service="migrate",container="id of migrate"}`: "0x30"}, nil},
		{"a certificate expires in ten days", map[string]string{
			`probe_ssl_earliest_cert_expiry{service="outside",instance="https://example.test"}`: "864000x30"}, []string{"CertificateNearExpiry"}},
		{"the database refuses", map[string]string{`pg_up{service="postgres"}`: "0x30"}, []string{"PostgresDown"}},
		{"connections run out", map[string]string{`pg_stat_database_numbackends{service="postgres",datname="hse"}`: "90x30"}, []string{"PostgresConnectionsNearMax"}},
		{"the cache refuses", map[string]string{`redis_up{service="redis"}`: "0x30"}, []string{"RedisDown"}},
		{"no receiver", map[string]string{`alertmanager_notifications_failed_total{integration="webhook"}`: "0+1x30"}, []string{"AlertsNotDelivered"}},
		{"requests are slow", map[string]string{`hse_digital_http_request_duration_seconds_bucket{service="app",le="0.1"}`: "0x30"}, []string{"LatencyObjectiveMissed"}},
		{"one request in ten fails", map[string]string{`hse_digital_http_requests_total{service="app",status="500"}`: "0+67x30"}, []string{"ErrorBudgetBurnFast", "ErrorBudgetBurnSlow"}},
		{"one request in twenty fails", map[string]string{`hse_digital_http_requests_total{service="app",status="500"}`: "0+32x30"}, []string{"ErrorBudgetBurnSlow"}},
		{"one request in a hundred fails", map[string]string{`hse_digital_http_requests_total{service="app",status="500"}`: "0+6x30"}, nil},
		{"the event loop is late", map[string]string{`hse_digital_nodejs_eventloop_lag_seconds{service="app"}`: "0.4x30"}, []string{"EventLoopLag"}},
		{"the heap is nearly full", map[string]string{`hse_digital_nodejs_heap_size_used_bytes{service="app"}`: "500000000x30"}, []string{"HeapNearLimit"}},
	}
	_, s := watch(t)
	recording := ruleFile(t, file(t, s, "prometheus", "recording.rules.yml"))
	alerts := ruleFile(t, file(t, s, "prometheus", "alerts.rules.yml"))
	tried := map[string]bool{}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			series := healthy()
			maps.Copy(series, c.changed)
			got := firing(t, series, recording, alerts)
			if !slices.Equal(got, c.fires) {
				t.Errorf("fires %v, want %v", got, c.fires)
			}
		})
		for _, name := range c.fires {
			tried[name] = true
		}
	}
	for _, group := range alerts.Groups {
		for _, r := range group.Rules {
			if !tried[r.Alert] {
				t.Errorf("no case makes %s fire", r.Alert)
			}
		}
	}
}

// firing evaluates the rules every minute on the series, and returns the alerts that fired, sorted.
func firing(t *testing.T, series map[string]string, recording, alerts *rulefmt.RuleGroups) []string {
	t.Helper()
	var load strings.Builder
	load.WriteString("load 1m\n")
	for name, values := range series {
		if values != "" {
			fmt.Fprintf(&load, "  %s %s\n", strings.Replace(name, "{", `{stack="hse-digital",`, 1), values)
		}
	}
	store := promqltest.LoadedStorage(t, load.String())
	query := rules.EngineQueryFunc(promqltest.NewTestEngine(t, false, 5*time.Minute, 100000), store)
	var all []*rules.AlertingRule
	for _, group := range alerts.Groups {
		for _, r := range group.Rules {
			expr, err := promql.ParseExpr(r.Expr)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, rules.NewAlertingRule(r.Alert, expr, time.Duration(r.For), 0, labels.FromMap(r.Labels), labels.EmptyLabels(), labels.EmptyLabels(), "", true, nil))
		}
	}
	fired := map[string]bool{}
	for at := time.Unix(0, 0).UTC(); at.Unix() <= 30*60; at = at.Add(time.Minute) {
		record(t, store, query, recording, at)
		for _, r := range all {
			if _, err := r.Eval(t.Context(), 0, at, query, nil, 0); err != nil {
				t.Fatalf("%s: %v", r.Name(), err)
			}
			for _, a := range r.ActiveAlerts() {
				if a.State == rules.StateFiring {
					fired[r.Name()] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(fired))
}

func record(t *testing.T, store *teststorage.TestStorage, query rules.QueryFunc, groups *rulefmt.RuleGroups, at time.Time) {
	t.Helper()
	app := store.Appender(context.WithoutCancel(t.Context()))
	for _, group := range groups.Groups {
		for _, r := range group.Rules {
			expr, err := promql.ParseExpr(r.Expr)
			if err != nil {
				t.Fatal(err)
			}
			result, err := rules.NewRecordingRule(r.Record, expr, labels.FromMap(r.Labels)).Eval(t.Context(), 0, at, query, nil, 0)
			if err != nil {
				t.Fatalf("%s: %v", r.Record, err)
			}
			for _, sample := range result {
				if _, err := app.Append(0, sample.Metric, at.UnixMilli(), sample.F); err != nil {
					t.Fatalf("%s: %v", r.Record, err)
				}
			}
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
}

func TestEveryAlertHasARunbook(t *testing.T) {
	_, one := watch(t)
	_, several := watch(t, three()...)
	for _, group := range slices.Concat(ruleFile(t, file(t, one, "prometheus", "alerts.rules.yml")).Groups, ruleFile(t, file(t, several, "prometheus", "alerts.rules.yml")).Groups) {
		for _, r := range group.Rules {
			page, err := os.ReadFile("../../docs/runbooks/" + r.Alert + ".md")
			if err != nil {
				t.Error(err)
				continue
			}
			if !strings.HasPrefix(string(page), "# "+r.Alert+"\n") || !strings.HasSuffix(r.Annotations["runbook_url"], "/docs/runbooks/"+r.Alert+".md") {
				t.Errorf("the runbook of %s has another title or address", r.Alert)
			}
		}
	}
}
