// Command cadvisor is cAdvisor without its own main package, which the module proxy does not have: its manager reads the
// control groups, its collector shows them, and nothing of it speaks to an engine. Only the engine test runs it.
package main

import (
	"flag"
	"log"
	"net/http"
	"time"

	"github.com/google/cadvisor/cache/memory"
	"github.com/google/cadvisor/container"
	v2 "github.com/google/cadvisor/info/v2"
	"github.com/google/cadvisor/manager"
	"github.com/google/cadvisor/metrics"
	"github.com/google/cadvisor/utils/sysfs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"k8s.io/utils/clock"
)

func main() {
	port := flag.String("port", "8080", "port to listen on")
	// The part's own flags must be accepted here, too; what they switch off is not built in.
	flag.Bool("store_container_labels", true, "accepted")
	flag.String("disable_metrics", "", "accepted")
	flag.Parse()
	measured := container.MetricSet{container.CpuUsageMetrics: {}, container.MemoryUsageMetrics: {}}
	interval, dynamic := 2*time.Second, false
	m, err := manager.New(memory.New(2*time.Minute, nil), sysfs.NewRealSysFs(), manager.HousekeepingConfig{Interval: &interval, AllowDynamic: &dynamic},
		measured, http.DefaultClient, []string{"/"}, nil, "", 0)
	if err != nil {
		log.Fatal(err)
	}
	if err := m.Start(); err != nil {
		log.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics.NewPrometheusCollector(m, metrics.DefaultContainerLabels, measured, clock.RealClock{},
		v2.RequestOptions{IdType: v2.TypeName, Count: 1, Recursive: true}))
	http.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	http.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) })
	log.Fatal(http.ListenAndServe(":"+*port, nil))
}
