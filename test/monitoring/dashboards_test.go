package monitoring_test

import (
	"strings"
	"testing"
)

func TestDashboardsHaveStableNames(t *testing.T) {
	_, s := watch(t)
	got := boards(t, s)
	for name, want := range map[string]struct{ uid, title string }{
		"container-resource-dashboard.json": {"hse-container-resources", "Container Resource Usage"},
		"stack-overview-dashboard.json":     {"hse-stack-overview", "Stack Overview"},
		"postgresql-dashboard.json":         {"hse-postgresql", "PostgreSQL"},
		"redis-dashboard.json":              {"hse-redis", "Redis"},
	} {
		if b := got[name]; b.UID != want.uid || b.Title != want.title {
			t.Errorf("%s has uid %q and title %q, want %q and %q", name, b.UID, b.Title, want.uid, want.title)
		}
	}
}

func TestEveryPanelSaysWhatItShows(t *testing.T) {
	_, s := watch(t)
	for name, b := range boards(t, s) {
		seen := map[int]bool{}
		for _, p := range b.Panels {
			if seen[p.ID] || p.ID == 0 {
				t.Errorf("%s: the id %d of %q is not its own", name, p.ID, p.Title)
			}
			seen[p.ID] = true
			if p.GridPos.X+p.GridPos.W > 24 {
				t.Errorf("%s: %q is wider than the grid", name, p.Title)
			}
			if p.Type == "row" {
				continue
			}
			if p.Title == "" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 {
				t.Errorf("%s: panel %d %q lacks a title, a description, a unit or a query", name, p.ID, p.Title)
			}
			for _, q := range p.Targets {
				if q.Datasource.UID != "hse-prometheus" || q.RefID == "" {
					t.Errorf("%s: %q asks data source %q as %q", name, p.Title, q.Datasource.UID, q.RefID)
				}
			}
		}
	}
}

// The dashboard that every service had before it was rendered: nothing of it may be lost.
func TestResourceDashboardHasEveryQuery(t *testing.T) {
	_, s := watch(t)
	var all strings.Builder
	for _, p := range boards(t, s)["container-resource-dashboard.json"].Panels {
		for _, q := range p.Targets {
			all.WriteString(q.Expr + "\n")
		}
	}
	for _, want := range []string{
		`rate(hse_digital_process_cpu_seconds_total{stack="hse-digital",service="app"}[5m]) * 100`,
		`hse_digital_process_resident_memory_bytes{`,
		`hse_digital_nodejs_heap_size_used_bytes{`,
		`hse_digital_nodejs_heap_size_total_bytes{`,
		`rate(hse_digital_tenant_data_transfer_bytes_total{stack="hse-digital",service="app",direction="inbound"}[5m])`,
		`rate(hse_digital_tenant_data_transfer_bytes_total{stack="hse-digital",service="app",direction="outbound"}[5m])`,
		`hse_digital_active_connections{`,
		`rate(hse_digital_http_requests_total{stack="hse-digital",service="app"}[5m])`,
		`histogram_quantile(0.95, rate(hse_digital_http_request_duration_seconds_bucket{stack="hse-digital",service="app"}[5m]))`,
		`rate(hse_digital_nodejs_gc_duration_seconds_sum{`,
		`hse_digital_nodejs_eventloop_lag_seconds{`,
		`rate(hse_digital_database_queries_total{`,
	} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("no panel asks %s", want)
		}
	}
}

func TestThePrefixAndTheLimitsComeFromTheProfile(t *testing.T) {
	_, s := watch(t, "prefix: hse_digital_", "prefix: shop_", "memory: 1G, pids: 200", "memory: 3G, pids: 200")
	for name, b := range boards(t, s) {
		for _, p := range b.Panels {
			for _, q := range p.Targets {
				if strings.Contains(q.Expr, "hse_digital_") {
					t.Errorf("%s: %q still asks %s", name, p.Title, q.Expr)
				}
			}
			if p.Title == "Memory Usage: app" {
				steps := p.FieldConfig.Defaults.Thresholds.Steps
				if last := steps[len(steps)-1].Value; last == nil || *last != 3<<30 {
					t.Errorf("the line of %q is at %v, not at the limit of 3G", p.Title, last)
				}
			}
		}
	}
}
