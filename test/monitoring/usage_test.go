package monitoring_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/promqltest"

	"github.com/hsectl/hsectl/internal/monitoring"
	"github.com/hsectl/hsectl/internal/size"
	"github.com/hsectl/hsectl/internal/stack"
)

// used are two hours of a stack, a sample every 15 seconds: app is deployed anew after an hour, redis is measured by an older cAdvisor,
// with a gap, and another stack has the same names.
func used() map[string]string {
	container := func(stack, id string) string { return fmt.Sprintf("{stack=%q,container=%q}", stack, id) }
	named := func(stack, id, service string) string {
		return fmt.Sprintf("{stack=%q,container=%q,service=%q}", stack, id, service)
	}
	first, second, cache := container("hse-digital", "a"), container("hse-digital", "b"), container("hse-digital", "r")
	out := map[string]string{
		// 100 MB of the cache do not count; one scrape sees a peak. The second container needs much for its start.
		"container_memory_usage_bytes" + first:                "500000000x119 600000000 500000000x119 stale",
		"container_memory_total_active_file_bytes" + first:    "60000000x239 stale",
		"container_memory_total_inactive_file_bytes" + first:  "40000000x239 stale",
		"container_memory_working_set_bytes" + first:          "460000000x239 stale",
		"container_start_time_seconds" + first:                "-100000x239 stale",
		"container_memory_usage_bytes" + second:               "_x240 1000000000x8 300000000x232",
		"container_memory_total_active_file_bytes" + second:   "_x240 60000000x240",
		"container_memory_total_inactive_file_bytes" + second: "_x240 40000000x240",
		"container_memory_working_set_bytes" + second:         "_x240 960000000x8 260000000x232",
		"container_start_time_seconds" + second:               "_x240 3600x240",
		// 0.2 processors, with a counter that begins again, then 0.4; a tenth of the periods is throttled.
		"container_cpu_usage_seconds_total" + first:                                  "100+3x119 0+3x119 stale",
		"container_cpu_usage_seconds_total" + second:                                 "_x240 0+6x240",
		"container_cpu_cfs_periods_total" + first:                                    "0+100x239 stale",
		"container_cpu_cfs_periods_total" + second:                                   "_x240 0+100x240",
		"container_cpu_cfs_throttled_periods_total" + first:                          "0+10x239 stale",
		"container_cpu_cfs_throttled_periods_total" + second:                         "_x240 0+10x240",
		"container_threads" + first:                                                  "30x239 stale",
		"container_threads" + second:                                                 "_x240 40x240",
		"hse_container_info" + named("hse-digital", "a", "app"):                      "1x239 stale",
		"hse_container_info" + named("hse-digital", "b", "app"):                      "_x240 1x240",
		`hse_digital_nodejs_heap_size_used_bytes{stack="hse-digital",service="app"}`: "150000000x300 250000000 150000000x179",

		"container_memory_working_set_bytes" + cache:                    "100000000x160 _x80 100000000x240",
		"container_cpu_usage_seconds_total" + cache:                     "0+1.5x160 _x80 360+1.5x240",
		"container_start_time_seconds" + cache:                          "-100000x160 _x80 -100000x240",
		"hse_container_info" + named("hse-digital", "r", "redis"):       "1x480",
		"hse_container_oom_killed" + named("hse-digital", "r", "redis"): "0x300 1x4 0x176",
		`hse:memory_limit_bytes{stack="hse-digital",service="redis"}`:   "268435456x320 536870912x160",

		"container_memory_working_set_bytes" + container("other", "o"):                "9000000000x480",
		"container_cpu_usage_seconds_total" + container("other", "o"):                 "0+150x480",
		"hse_container_info" + named("other", "o", "app"):                             "1x480",
		"hse_container_oom_killed" + named("other", "o", "app"):                       "1x480",
		"container_threads" + container("other", "o"):                                 "9000x480",
		`hse:memory_limit_bytes{stack="other",service="app"}`:                         "1x480",
		`redis_memory_used_bytes{stack="other",service="redis"}`:                      "9000000000x480",
		`redis_memory_used_bytes{stack="hse-digital",service="redis"}`:                "50000000x480",
		`container_memory_working_set_bytes{stack="hse-digital",container="unnamed"}`: "9000000000x480",
	}
	return out
}

// measured asks all questions of a profile, in Prometheus' own engine, and decodes the answers as the program does.
func measured(t *testing.T, services []string, step time.Duration) map[string]size.Usage {
	t.Helper()
	p := parse(t, reference(t))
	queries, err := monitoring.UsageQueries(p, stack.New(p), services, step, 5*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	var load strings.Builder
	load.WriteString("load 15s\n")
	for name, values := range used() {
		fmt.Fprintf(&load, "  %s %s\n", name, values)
	}
	store := promqltest.LoadedStorage(t, load.String())
	engine := promqltest.NewTestEngine(t, false, 5*time.Minute, 10_000_000)
	w := size.Window{From: time.Unix(0, 0).Add(step), To: time.Unix(0, 0).Add(2 * time.Hour), Step: step, Source: "Prometheus"}
	out := map[string]size.Usage{}
	for _, q := range queries {
		query, err := engine.NewRangeQuery(t.Context(), store, nil, q.Expr, w.From, w.To, w.Step)
		if err != nil {
			t.Fatalf("%s: %v\n%s", q.Measure, err, q.Expr)
		}
		result := query.Exec(t.Context())
		matrix, err := result.Matrix()
		if err != nil {
			t.Fatalf("%s: %v\n%s", q.Measure, err, q.Expr)
		}
		body, err := json.Marshal(map[string]any{"status": "success", "data": map[string]any{"resultType": matrix.Type(), "result": matrix}})
		if err != nil {
			t.Fatal(err)
		}
		answer, err := size.Decode(body, "hse-digital", services, w)
		if err != nil || answer.Dropped > 0 {
			t.Fatalf("%s: %v, %d dropped\n%s", q.Measure, err, answer.Dropped, body)
		}
		query.Close()
		for service, s := range answer.Series {
			out[service] = out[service].With(q.Measure, s)
		}
	}
	return out
}

// Prometheus' own engine answers the questions as they are meant: without caches, starts and other stacks, through gaps and resets.
func TestUsage(t *testing.T) {
	for _, step := range []time.Duration{5 * time.Minute, 15 * time.Minute} {
		got := measured(t, []string{"app", "redis"}, step)
		if services := slices.Sorted(maps.Keys(got)); !slices.Equal(services, []string{"app", "redis"}) {
			t.Fatalf("services %v", services)
		}
		peak := func(s size.Series) float64 { p, _ := s.Peak(); return p }
		about := func(what string, got, want, tolerance float64) {
			t.Helper()
			if math.IsNaN(got) || math.Abs(got-want) > tolerance {
				t.Errorf("step %s: %s is %g, want %g", step, what, got, want)
			}
		}
		app, redis := got["app"], got["redis"]
		about("memory of app", peak(app.Memory), 500e6, 0)
		about("start of app", peak(app.Start), 900e6, 0)
		about("memory of app after the start", app.Memory[len(app.Memory)-1].Value, 200e6, 0)
		about("heap of app", peak(app.Heap), 250e6, 0)
		about("threads of app", peak(app.PIDs), 40, 0)
		about("cpu of app", peak(app.CPU), 0.4, 0.02)
		low, _ := app.CPU.Percentile(10)
		about("cpu of app in the first hour", low, 0.2, 0.05)
		about("share of throttled periods", app.Throttled.Sum()/app.Periods.Sum(), 0.1, 0.001)
		about("memory of redis", peak(redis.Memory), 100e6, 0)
		about("start of redis", float64(len(redis.Start)), 0, 0)
		about("cpu of redis", peak(redis.CPU), 0.1, 0.01)
		about("heap of redis", peak(redis.Heap), 50e6, 0)
		about("limit of redis", redis.Limit[0].Value, 256<<20, 0)
		if len(app.Kills) > 0 || len(redis.Kills) == 0 || len(redis.Kills) > 2 {
			t.Errorf("step %s: kills of app %v, of redis %v", step, app.Kills, redis.Kills)
		}
		steps := int(2 * time.Hour / step)
		if len(redis.Memory) >= steps || len(redis.Memory) < steps-20*int(time.Minute)/int(step)-1 && step == 5*time.Minute {
			t.Errorf("step %s: the gap of twenty minutes leaves %d of %d points", step, len(redis.Memory), steps)
		}
	}
}

// Services that are not asked about are not measured.
func TestUsageOfOneService(t *testing.T) {
	got := measured(t, []string{"app"}, 5*time.Minute)
	if p, _ := got["app"].Memory.Peak(); p != 500e6 || len(got) != 1 {
		t.Errorf("peak %g of %v", p, slices.Sorted(maps.Keys(got)))
	}
}

// Without the kernel's counters, or the names that belong to them, nothing is asked.
func TestUsageNeedsItsSources(t *testing.T) {
	for _, part := range []string{"cadvisor", "container-exporter"} {
		p := parse(t, reference(t))
		p.Monitoring.Off = []string{part}
		if _, err := monitoring.UsageQueries(p, stack.New(p), []string{"app"}, time.Hour, time.Minute); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v", part, err)
		}
	}
}
