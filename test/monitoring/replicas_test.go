package monitoring_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// three makes the application of the reference three containers.
func three() []string {
	return []string{"    ports:\n      - \"3001:3001\"\n", "    replicas: 3\n",
		"\nservices:\n  app:", "\nvolumes: {uploads: {shared: true}, reports: {shared: true}, app-logs: {shared: true}, app-tmp: {shared: true}}\nservices:\n  app:"}
}

// Prometheus finds each container of a service by DNS, and names it by stack and service as it does where there is one. The engine
// test of monitoring shows that it does; here the fields are those of its documentation.
func TestEachReplicaIsScraped(t *testing.T) {
	_, s := watch(t, three()...)
	var c struct {
		Scrapes []map[string]any `yaml:"scrape_configs"`
	}
	if err := yaml.Unmarshal(file(t, s, "prometheus", "prometheus.yml"), &c); err != nil {
		t.Fatal(err)
	}
	jobs := map[string]map[string]any{}
	for _, scrape := range c.Scrapes {
		jobs[fmt.Sprint(scrape["job_name"])] = scrape
	}
	want := map[string]any{"job_name": "services/app", "metrics_path": "/metrics",
		"dns_sd_configs":  []any{map[string]any{"names": []any{"app"}, "type": "A", "port": 3001, "refresh_interval": "15s"}},
		"relabel_configs": []any{map[string]any{"target_label": "stack", "replacement": "hse-digital"}, map[string]any{"target_label": "service", "replacement": "app"}}}
	if got := jobs["services/app"]; !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if jobs["services"] != nil {
		t.Error("app is scraped twice")
	}
	for _, group := range ruleFile(t, file(t, s, "prometheus", "alerts.rules.yml")).Groups {
		for _, r := range group.Rules {
			bound(t, r.Expr, r.Alert)
		}
	}
}

// Of three containers each has the limit for itself: what all of them use together is not near it, and what one uses alone
// may be. One that is missing is told.
func TestAlertsOnReplicas(t *testing.T) {
	_, s := watch(t, three()...)
	recording, alerts := ruleFile(t, file(t, s, "prometheus", "recording.rules.yml")), ruleFile(t, file(t, s, "prometheus", "alerts.rules.yml"))
	replicas := func() map[string]string {
		out := healthy()
		for name, values := range healthy() {
			one := strings.Contains(name, `"app"`) || strings.Contains(name, "id of app")
			if !one || strings.HasPrefix(name, "probe") {
				continue
			}
			delete(out, name)
			name = strings.Replace(name, `job="services"`, `job="services/app"`, 1)
			for i := range 3 {
				each := strings.Replace(name, "id of app", fmt.Sprintf("id of app %d", i), 1)
				if each == name { // of the program itself
					each = strings.Replace(name, "}", fmt.Sprintf(",instance=\"10.0.0.%d:3001\"}", i), 1)
				}
				out[each] = values
			}
		}
		return out
	}
	for name, c := range map[string]struct {
		change map[string]string
		want   []string
	}{
		"all is well": {nil, nil},
		"together more than the limit": {map[string]string{`container_memory_working_set_bytes{container="id of app 0"}`: "500000000x30",
			`container_memory_working_set_bytes{container="id of app 1"}`: "500000000x30", `container_memory_working_set_bytes{container="id of app 2"}`: "500000000x30"}, nil},
		"one near the limit":      {map[string]string{`container_memory_working_set_bytes{container="id of app 1"}`: "1050000000x30"}, []string{"MemoryNearLimit"}},
		"one is missing":          {map[string]string{`hse_container_running{service="app",container="id of app 2"}`: ""}, []string{"ReplicasMissing"}},
		"one does not answer":     {map[string]string{`up{job="services/app",service="app",instance="10.0.0.1:3001"}`: "0x30"}, []string{"TargetDown"}},
		"the heap of one is full": {map[string]string{`hse_digital_nodejs_heap_size_used_bytes{service="app",instance="10.0.0.2:3001"}`: "790000000x30"}, []string{"HeapNearLimit"}},
	} {
		t.Run(name, func(t *testing.T) {
			series := replicas()
			for name, values := range c.change {
				if _, ok := series[name]; !ok {
					t.Fatalf("there is no series %s", name)
				}
				series[name] = values
			}
			if got := firing(t, series, recording, alerts); !slices.Equal(got, c.want) {
				t.Errorf("%v fired, not %v", got, c.want)
			}
		})
	}
}
