package monitoring

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/stack"
)

// Files of the dashboards.
const (
	fileResources = "container-resource-dashboard.json"
	fileOverview  = "stack-overview-dashboard.json"
)

// view is one dashboard.
type view struct {
	file, uid, title, description string
	panels                        []panel
}

// dashboardSet are the dashboards of a suite.
type dashboardSet struct{ suite }

// dashboards returns those that have something to show. Their uids never change: people keep links to them.
func (s dashboardSet) dashboards() ([]stack.ConfigFile, error) {
	var views []view
	if s.p.On(profile.PartPrometheus) {
		views = append(views,
			view{fileResources, "hse-container-resources", "Container Resource Usage",
				"What each container uses of what its profile allows, and how each service does.", s.resourcePanels()},
			view{fileOverview, "hse-stack-overview", "Stack Overview",
				"Whether " + s.app.Name + " works, and what is wrong when it does not.", s.overviewPanels()})
	}
	for _, e := range (exporterParts{s.suite}).exporters(profile.PartPostgresExporter) {
		views = append(views, view{"postgresql", "hse-postgresql", "PostgreSQL",
			"Connections, transactions, cache and size of the database.", s.postgresPanels(e.Service)}.of(e))
	}
	for _, e := range (exporterParts{s.suite}).exporters(profile.PartRedisExporter) {
		views = append(views, view{"redis", "hse-redis", "Redis", "Clients, commands, memory and hits of the cache.", s.redisPanels(e.Service)}.of(e))
	}
	var out []stack.ConfigFile
	for _, v := range views {
		data, err := s.document(v.uid, v.title, v.description, v.panels)
		if err != nil {
			return nil, err
		}
		out = append(out, stack.ConfigFile{Path: v.file, Data: data})
	}
	return out, nil
}

// of names a dashboard after its service where the exporter is, that is, where there are several.
func (v view) of(e profile.Exporter) view {
	if e.Name != e.Part {
		v.file, v.title, v.uid = v.file+"-"+e.Service, v.title+" "+e.Service, uid(v.uid+"-"+e.Service)
	}
	v.file += "-dashboard.json"
	return v
}

// uid returns a name that Grafana takes, which has 40 characters at most.
func uid(name string) string {
	const most = 40
	if len(name) <= most {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return name[:most-9] + "-" + hex.EncodeToString(sum[:4])
}

// resourcePanels shows all containers together, and then each service that has metrics of its own.
func (s dashboardSet) resourcePanels() []panel {
	all := s.sel("")
	b := &sheet{}
	b.row("Containers")
	b.graph("CPU of the limit", "percent", "How much of its cpu limit each container uses. At 100 % the kernel slows it down.",
		query{fmt.Sprintf("100 * %s{%s} / on (stack, service) %s{%s}", recordCPU, all, recordCPULimit, all), "{{service}}"}).limit(100)
	b.graph("Memory of the limit", "percent", "How much of its memory limit each container uses. At 100 % the kernel kills it.",
		query{fmt.Sprintf("100 * %s{%s} / on (stack, service) %s{%s}", recordMemory, all, recordMemoryLimit, all), "{{service}}"}).limit(100)
	b.graph("Memory", "bytes", "Memory of each container that the kernel cannot take back, and its limit.",
		query{fmt.Sprintf("%s{%s}", recordMemory, all), "{{service}}"}, query{fmt.Sprintf("%s{%s}", recordMemoryLimit, all), "{{service}} limit"})
	b.graph("Restarts", "short", "Starts of each container in the last hour, without the first.",
		query{alertRules{s.suite}.restarts("1h"), "{{service}}"}).none()
	var kills []query
	if s.p.On(profile.PartNodeExporter) {
		kills = append(kills, query{fmt.Sprintf("increase(node_vmstat_oom_kill{%s}[1h])", all), "on the host"})
	}
	if s.p.On(profile.PartContainers) {
		kills = append(kills, query{fmt.Sprintf("sum by (service) (max_over_time(hse_container_oom_killed{%s}[1h]))", all), "{{service}}"})
	}
	if len(kills) > 0 {
		b.graph("OOM kills", "short", "Containers that the engine saw killed for memory in the last hour, and processes that the kernel killed on the whole host.", kills...).none()
	}
	if health := (alertRules{s.suite}).health(); health != "" {
		b.graph("Health", "short", "Whether each service runs and passes its health tests, inside its container and from outside: 1 is healthy.",
			query{health, "{{service}}"}).alive()
	}
	for _, service := range s.watched() {
		s.servicePanels(b, service)
	}
	return b.panels
}

// servicePanels shows what a service says about itself.
func (s dashboardSet) servicePanels(b *sheet, service stack.Service) {
	prefix, sel, name := service.Metrics.Prefix, s.sel(service.Name), service.Name
	rate := func(metric, more string) string {
		return fmt.Sprintf("rate(%s%s{%s%s}[5m])", prefix, metric, sel, more)
	}
	gauge := func(metric string) string { return fmt.Sprintf("%s%s{%s}", prefix, metric, sel) }
	b.row("Service " + name)
	b.graph("CPU Usage: "+name, "percent", "Processor time of the process; 100 % is one processor. The line is the limit.",
		query{rate("process_cpu_seconds_total", "") + " * 100", "cpu"}).limit(float64(service.Limits.Nano) / 1e7)
	memory := []query{{gauge("process_resident_memory_bytes"), "resident"}}
	if service.Preset == "node" {
		memory = append(memory, query{gauge("nodejs_heap_size_used_bytes"), "heap used"}, query{gauge("nodejs_heap_size_total_bytes"), "heap total"})
	}
	if heapLimit(service) > 0 {
		memory = append(memory, query{fmt.Sprintf("%s{%s}", recordHeapLimit, sel), "heap limit"})
	}
	b.graph("Memory Usage: "+name, "bytes", "Memory of the process and of its heap. The line is the limit of the container.", memory...).
		limit(float64(service.Limits.Memory.Bytes))
	b.graph("Network I/O: "+name, "Bps", "Bytes that came in and went out, as the service counts them.",
		query{rate("tenant_data_transfer_bytes_total", `,direction="inbound"`), "in {{tenant}}"},
		query{rate("tenant_data_transfer_bytes_total", `,direction="outbound"`), "out {{tenant}}"})
	b.graph("Active Connections: "+name, "short", "Connections of clients that are open now.", query{gauge("active_connections"), "connections"})
	b.graph("Request Rate: "+name, "reqps", "Requests answered in a second, by route and status.",
		query{rate("http_requests_total", ""), "{{method}} {{route}} {{status}}"})
	latency := b.graph("Request Latency p95: "+name, "s", "Time in which 95 of 100 requests were answered. The line is the objective.",
		query{fmt.Sprintf("%s{%s}", recordLatency, sel), "all"},
		query{fmt.Sprintf("histogram_quantile(0.95, %s)", rate("http_request_duration_seconds_bucket", "")), "{{method}} {{route}} {{status}}"})
	if objective := service.SLO.LatencyP95; objective > 0 {
		latency.limit(objective.Seconds())
	}
	b.graph("Failed Requests: "+name, "percentunit", "Share of requests that failed with a status of 500 or above.",
		query{fmt.Sprintf("%s:5m{%s}", recordErrors, sel), "5 minutes"}, query{fmt.Sprintf("%s:1h{%s}", recordErrors, sel), "1 hour"})
	if service.Preset == "node" {
		b.graph("Garbage Collection: "+name, "percentunit", "Share of time that the collector took, by kind.",
			query{rate("nodejs_gc_duration_seconds_sum", ""), "{{kind}}"})
		b.graph("Event Loop Lag: "+name, "s", "How late the event loop is.", query{gauge("nodejs_eventloop_lag_seconds"), "lag"}).limit(0.2)
	}
	b.graph("Database Operations: "+name, "ops", "Statements sent to the database in a second.", query{rate("database_queries_total", ""), "{{operation}}"})
}

func (s dashboardSet) overviewPanels() []panel {
	all := s.sel("")
	b := &sheet{}
	b.row("Now")
	b.stat("Alerts firing", "short", "Alerts of this stack that fire now.",
		query{fmt.Sprintf(`count(ALERTS{alertstate="firing",%s}) or vector(0)`, all), "alerts"}).none()
	b.stat("Targets down", "short", "Targets that Prometheus cannot scrape.", query{fmt.Sprintf("count(up{%s} == 0) or vector(0)", all), "targets"}).none()
	if s.p.On(profile.PartNodeExporter) {
		b.stat("Free for volumes", "percentunit", "Free share of the file system that holds the engine's volumes.",
			query{fmt.Sprintf(`node_filesystem_avail_bytes{%s,mountpoint="/data"} / node_filesystem_size_bytes{%s,mountpoint="/data"}`, all, all), "free"}).
			FieldConfig.Defaults.Thresholds = thresholds{"absolute", []step{{"red", nil}, {"orange", number(0.1)}, {"green", number(0.2)}}}
	}
	b.stat("Services measured", "short", "Services of the stack whose memory is seen.", query{fmt.Sprintf("count(%s{%s})", recordMemory, all), "services"})
	b.row("Services")
	if health := (alertRules{s.suite}).health(); health != "" {
		b.graph("Healthy", "short", "1 while a service runs and passes its health tests.", query{health, "{{service}}"}).alive()
	}
	b.graph("Scraped", "short", "1 while Prometheus reaches a target.", query{fmt.Sprintf("min by (service, job) (up{%s})", all), "{{service}} {{job}}"}).alive()
	b.graph("Uptime", "s", "Time since each service started.", query{fmt.Sprintf("time() - %s{%s}", recordStart, all), "{{service}}"})
	b.graph("Memory of the limit", "percent", "How much of its memory limit each service uses.",
		query{fmt.Sprintf("100 * %s{%s} / on (stack, service) %s{%s}", recordMemory, all, recordMemoryLimit, all), "{{service}}"}).limit(100)
	for _, service := range s.watched() {
		sel, prefix := s.sel(service.Name), service.Metrics.Prefix
		b.graph("Requests: "+service.Name, "reqps", "Requests answered in a second.",
			query{fmt.Sprintf("sum by (service) (rate(%shttp_requests_total{%s}[5m]))", prefix, sel), "requests"})
		b.graph("Failed: "+service.Name, "percentunit", "Share of requests that failed, in a short and a long window.",
			query{fmt.Sprintf("%s:5m{%s}", recordErrors, sel), "5 minutes"}, query{fmt.Sprintf("%s:6h{%s}", recordErrors, sel), "6 hours"})
	}
	if s.p.On(profile.PartNodeExporter) {
		s.hostPanels(b)
	}
	return b.panels
}

func (s dashboardSet) hostPanels(b *sheet) {
	all := s.sel("")
	b.row("Host")
	b.graph("Load", "short", "Processes that run or want to, over one and fifteen minutes.",
		query{fmt.Sprintf("node_load1{%s}", all), "1 minute"}, query{fmt.Sprintf("node_load15{%s}", all), "15 minutes"})
	b.graph("Processor", "percent", "Time in which the host's processors were not idle.",
		query{fmt.Sprintf(`100 * (1 - avg by (stack) (rate(node_cpu_seconds_total{%s,mode="idle"}[5m])))`, all), "busy"}).limit(100)
	b.graph("Memory of the host", "bytes", "Memory that is there, and that programs could still get.",
		query{fmt.Sprintf("node_memory_MemTotal_bytes{%s}", all), "total"}, query{fmt.Sprintf("node_memory_MemAvailable_bytes{%s}", all), "available"})
}

func (s dashboardSet) postgresPanels(service string) []panel {
	all := s.sel(service)
	rate := func(metric string) string { return fmt.Sprintf("sum by (datname) (rate(%s{%s}[5m]))", metric, all) }
	b := &sheet{}
	b.row("Now")
	b.stat("PostgreSQL", "short", "Whether the exporter can log in.", query{fmt.Sprintf("pg_up{%s}", all), "up"}).alive()
	b.stat("Connections", "short", "Connections that are open now.", query{fmt.Sprintf("sum by (service) (pg_stat_database_numbackends{%s})", all), "open"})
	b.stat("Most connections", "short", "What max_connections allows.", query{fmt.Sprintf("max by (service) (pg_settings_max_connections{%s})", all), "allowed"})
	b.stat("Cache hits", "percentunit", "Share of blocks that were found in shared buffers.",
		query{fmt.Sprintf("sum by (service) (pg_stat_database_blks_hit{%s}) / sum by (service) (pg_stat_database_blks_hit{%s} + pg_stat_database_blks_read{%s})", all, all, all), "hits"})
	b.row("Over time")
	b.graph("Connections by database", "short", "Connections that are open, by database.", query{fmt.Sprintf("pg_stat_database_numbackends{%s}", all), "{{datname}}"})
	b.graph("Transactions", "ops", "Transactions committed in a second.", query{rate("pg_stat_database_xact_commit"), "{{datname}}"})
	b.graph("Rollbacks", "ops", "Transactions rolled back in a second.", query{rate("pg_stat_database_xact_rollback"), "{{datname}}"})
	b.graph("Rows", "ops", "Rows fetched, inserted, updated and deleted in a second.",
		query{rate("pg_stat_database_tup_fetched"), "fetched {{datname}}"}, query{rate("pg_stat_database_tup_inserted"), "inserted {{datname}}"},
		query{rate("pg_stat_database_tup_updated"), "updated {{datname}}"}, query{rate("pg_stat_database_tup_deleted"), "deleted {{datname}}"})
	b.graph("Blocks", "ops", "Blocks read from disk, and found in shared buffers, in a second.",
		query{rate("pg_stat_database_blks_read"), "read {{datname}}"}, query{rate("pg_stat_database_blks_hit"), "hit {{datname}}"})
	b.graph("Size", "bytes", "Size of each database.", query{fmt.Sprintf("pg_database_size_bytes{%s}", all), "{{datname}}"})
	b.graph("Deadlocks", "short", "Deadlocks in the last hour.", query{fmt.Sprintf("increase(pg_stat_database_deadlocks{%s}[1h])", all), "{{datname}}"}).none()
	b.graph("Locks", "short", "Locks held, by mode.", query{fmt.Sprintf("sum by (mode) (pg_locks_count{%s})", all), "{{mode}}"})
	return b.panels
}

func (s dashboardSet) redisPanels(service string) []panel {
	all := s.sel(service)
	gauge := func(metric string) string { return fmt.Sprintf("%s{%s}", metric, all) }
	rate := func(metric string) string { return fmt.Sprintf("rate(%s{%s}[5m])", metric, all) }
	b := &sheet{}
	b.row("Now")
	b.stat("Redis", "short", "Whether the exporter can log in.", query{gauge("redis_up"), "up"}).alive()
	b.stat("Clients", "short", "Clients that are connected.", query{gauge("redis_connected_clients"), "clients"})
	b.stat("Uptime", "s", "Time since the start.", query{gauge("redis_uptime_in_seconds"), "uptime"})
	b.stat("Hits", "percentunit", "Share of look-ups that found a key, since the start.",
		query{fmt.Sprintf("redis_keyspace_hits_total{%s} / (redis_keyspace_hits_total{%s} + redis_keyspace_misses_total{%s})", all, all, all), "hits"})
	b.row("Over time")
	b.graph("Commands", "ops", "Commands processed in a second.", query{rate("redis_commands_processed_total"), "commands"})
	memory := b.graph("Memory", "bytes", "Memory in use, and what maxmemory allows.",
		query{gauge("redis_memory_used_bytes"), "used"}, query{gauge("redis_memory_max_bytes"), "allowed"})
	if cache, ok := s.app.Service(service); ok {
		memory.limit(float64(cache.Limits.Memory.Bytes))
	}
	b.graph("Look-ups", "ops", "Look-ups in a second that found a key, and that did not.",
		query{rate("redis_keyspace_hits_total"), "hits"}, query{rate("redis_keyspace_misses_total"), "misses"})
	b.graph("Evicted and expired keys", "ops", "Keys that went in a second: for want of memory, and because their time was over.",
		query{rate("redis_evicted_keys_total"), "evicted"}, query{rate("redis_expired_keys_total"), "expired"})
	b.graph("Connected clients", "short", "Clients that are connected, and those that wait for a blocking command.",
		query{gauge("redis_connected_clients"), "connected"}, query{gauge("redis_blocked_clients"), "blocked"})
	b.graph("Network", "Bps", "Bytes that came in and went out.",
		query{rate("redis_net_input_bytes_total"), "in"}, query{rate("redis_net_output_bytes_total"), "out"})
	return b.panels
}
