package monitoring_test

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/monitoring"
	"github.com/hsectl/hsectl/internal/policy/platform"
	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/profiles"
)

// twoOfEach is a stack with two databases and two caches, of which one needs no password.
const twoOfEach = `apiVersion: hsectl/v1
kind: Profile
name: hse-digital
services:
  postgres: {preset: postgres, secrets: [{name: password, env: POSTGRES_PASSWORD_FILE}], environment: {POSTGRES_DB: hse, POSTGRES_USER: hse}, networks: [back]}
  orders: {preset: postgres, secrets: [{name: orders_password, env: POSTGRES_PASSWORD_FILE}], limits: {memory: 2G}, networks: [far]}
  redis: {preset: redis, arguments: [--include, /run/secrets/redis_conf], secrets: [redis_conf], networks: [back]}
  the-sessions-of-all-the-visitors: {preset: redis, limits: {memory: 300M}, networks: [far]}
secrets:
  password: {env: PASSWORD}
  orders_password: {env: ORDERS_PASSWORD}
  redis_password: {env: REDIS_PASSWORD}
  redis_conf: {from: redis_password, format: "requirepass {}"}
networks: {back: {}, far: {}}
monitoring:
  services:
    postgres-exporter: {limits: {memory: 80M}}
    postgres-exporter-orders: {limits: {pids: 60}}
`

const sessions = "the-sessions-of-all-the-visitors"

func watchTwoOfEach(t *testing.T) (app, s stack.Stack) {
	t.Helper()
	p := parse(t, []byte(twoOfEach+exceptions("")))
	app = stack.New(p)
	s, err := monitoring.New(p, app)
	if err != nil {
		t.Fatal(err)
	}
	render(t, p, s)
	return app, s
}

// Each database and each cache has an exporter, which knows it alone, meets it alone and has its password alone.
func TestEachDatabaseHasItsExporter(t *testing.T) {
	_, s := watchTwoOfEach(t)
	for name, want := range map[string]struct {
		network, secret, at string
	}{
		"postgres-exporter-postgres": {"hse-digital_monitoring-back", "password", "DATA_SOURCE_URI=postgres:5432/hse?sslmode=disable"},
		"postgres-exporter-orders":   {"hse-digital_monitoring-far", "orders_password", "DATA_SOURCE_URI=orders:5432/postgres?sslmode=disable"},
		"redis-exporter-redis":       {"hse-digital_monitoring-back", "redis_exporter_passwords_redis", "REDIS_ADDR=redis://redis:6379"},
		"redis-exporter-" + sessions: {"hse-digital_monitoring-far", "", "REDIS_ADDR=redis://" + sessions + ":6379"},
	} {
		exporter, ok := s.Service(name)
		if !ok {
			t.Errorf("there is no %s", name)
			continue
		}
		if got := []string{"backend", want.network}; !slices.Equal(exporter.Networks, got) {
			t.Errorf("%s is on %v, want %v", name, exporter.Networks, got)
		}
		var secrets []string
		for _, use := range exporter.Secrets {
			secrets = append(secrets, use.Name)
		}
		if strings.Join(secrets, " ") != want.secret {
			t.Errorf("%s reads the secrets %v, want %q", name, secrets, want.secret)
		}
		name, value, _ := strings.Cut(want.at, "=")
		if !slices.ContainsFunc(exporter.Environment, func(v stack.Variable) bool { return v.Name == name && v.Value == value }) {
			t.Errorf("%s lacks %s: %v", exporter.Name, want.at, exporter.Environment)
		}
	}
	for _, name := range []string{"postgres-exporter", "redis-exporter"} {
		if _, ok := s.Service(name); ok {
			t.Errorf("there is %s besides the exporters of each", name)
		}
	}
	i := slices.IndexFunc(s.Secrets, func(secret stack.Secret) bool { return secret.Name == "redis_exporter_passwords_redis" })
	if i < 0 || s.Secrets[i].From != "redis_password" || s.Secrets[i].Format != `{"redis://redis:6379":"{}"}` {
		t.Errorf("the file of passwords is made as %v", s.Secrets)
	}
}

// What is written of the part counts for all of its exporters, and what is written of one counts for that one.
func TestWhatIsWrittenOfAnExporter(t *testing.T) {
	_, s := watchTwoOfEach(t)
	orders, _ := s.Service("postgres-exporter-orders")
	other, _ := s.Service("postgres-exporter-postgres")
	if orders.Limits.Memory.Bytes != 80<<20 || orders.Limits.PIDs != 60 || other.Limits.Memory.Bytes != 80<<20 || other.Limits.PIDs != 50 {
		t.Errorf("limits are %v and %v", orders.Limits, other.Limits)
	}
}

func TestEachDatabaseIsScraped(t *testing.T) {
	app, s := watchTwoOfEach(t)
	c, err := config.Load(string(file(t, s, "prometheus", "prometheus.yml")), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, scrape := range c.ScrapeConfigs {
		for _, d := range scrape.ServiceDiscoveryConfigs {
			static, _ := d.(discovery.StaticConfig)
			for _, g := range static {
				got[scrape.JobName] = append(got[scrape.JobName], fmt.Sprintf("%s of %s", g.Targets[0]["__address__"], g.Labels["service"]))
			}
		}
	}
	for job, want := range map[string][]string{
		"postgres-exporter": {"postgres-exporter-orders:9187 of orders", "postgres-exporter-postgres:9187 of postgres"},
		"redis-exporter":    {"redis-exporter-redis:9121 of redis", "redis-exporter-" + sessions + ":9121 of " + sessions},
	} {
		if !slices.Equal(got[job], want) {
			t.Errorf("%s asks %v, want %v", job, got[job], want)
		}
	}
	p := parse(t, []byte(twoOfEach+exceptions("")))
	for _, f := range platform.CheckMonitoring(monitoring.Declared(p, app)) {
		if f.Control == "HSE-MON-001" && (f.Status != finding.Pass || !strings.Contains(f.Detail, "-exporter-"+f.Subject)) {
			t.Errorf("%s is watched by %s: %s", f.Subject, f.Detail, f.Status)
		}
	}
}

// Each has a dashboard of its own, which asks for nothing else; its address is one that Grafana takes.
func TestEachDatabaseHasItsDashboard(t *testing.T) {
	_, s := watchTwoOfEach(t)
	got := boards(t, s)
	uids := map[string]bool{}
	for name, want := range map[string]struct{ title, service string }{
		"postgresql-orders-dashboard.json":      {"PostgreSQL orders", "orders"},
		"postgresql-postgres-dashboard.json":    {"PostgreSQL postgres", "postgres"},
		"redis-redis-dashboard.json":            {"Redis redis", "redis"},
		"redis-" + sessions + "-dashboard.json": {"Redis " + sessions, sessions},
		"container-resource-dashboard.json":     {"Container Resource Usage", ""},
		"stack-overview-dashboard.json":         {"Stack Overview", ""},
	} {
		b, ok := got[name]
		if !ok || b.Title != want.title || len(b.UID) > 40 || uids[b.UID] {
			t.Errorf("%s is %q with the uid %q; there are %v", name, b.Title, b.UID, slices.Sorted(maps.Keys(got)))
		}
		uids[b.UID] = true
		for _, p := range b.Panels {
			for _, q := range p.Targets {
				if n := strings.Count(q.Expr, `stack="hse-digital"`); want.service != "" && strings.Count(q.Expr, fmt.Sprintf("service=%q", want.service)) != n {
					t.Errorf("%s: %q asks others, too: %s", name, p.Title, q.Expr)
				}
			}
		}
	}
	if len(got) != 6 {
		t.Errorf("%d dashboards, want 6", len(got))
	}
	if uid := got["postgresql-orders-dashboard.json"].UID; uid != "hse-postgresql-orders" {
		t.Errorf("the uid of a short name is %q", uid)
	}
}

// The alert about one database names that one.
func TestAlertsOnOneOfTwoDatabases(t *testing.T) {
	_, s := watchTwoOfEach(t)
	recording, alerts := ruleFile(t, file(t, s, "prometheus", "recording.rules.yml")), ruleFile(t, file(t, s, "prometheus", "alerts.rules.yml"))
	well := func() map[string]string {
		out := map[string]string{`node_filesystem_avail_bytes{service="host",mountpoint="/data"}`: "50000x30", `node_filesystem_size_bytes{service="host",mountpoint="/data"}`: "100000x30"}
		for _, service := range []string{"postgres", "orders", "redis", sessions} {
			id := fmt.Sprintf("service=%q,container=%q", service, "id of "+service)
			out["hse_container_info{"+id+"}"], out["hse_container_running{"+id+"}"], out["hse_container_healthy{"+id+"}"] = "1x30", "1x30", "1x30"
		}
		for _, service := range []string{"postgres", "orders"} {
			out[fmt.Sprintf("pg_up{service=%q}", service)] = "1x30"
			out[fmt.Sprintf(`pg_stat_database_numbackends{service=%q,datname="a"}`, service)] = "30x30"
			out[fmt.Sprintf("pg_settings_max_connections{service=%q}", service)] = "100x30"
		}
		for _, service := range []string{"redis", sessions} {
			out[fmt.Sprintf("redis_up{service=%q}", service)] = "1x30"
			out[fmt.Sprintf("redis_memory_used_rss_bytes{service=%q}", service)] = "100000000x30"
		}
		return out
	}
	for name, c := range map[string]struct {
		series, values string
		want           []string
	}{
		"all is well":                             {`pg_up{service="orders"}`, "1x30", nil},
		"one database refuses":                    {`pg_up{service="orders"}`, "0x30", []string{"PostgresDown"}},
		"one has few connections":                 {`pg_settings_max_connections{service="orders"}`, "35x30", []string{"PostgresConnectionsNearMax"}},
		"one cache refuses":                       {fmt.Sprintf("redis_up{service=%q}", sessions), "0x30", []string{"RedisDown"}},
		"one cache is near its own limit of 300M": {fmt.Sprintf("redis_memory_used_rss_bytes{service=%q}", sessions), "310000000x30", []string{"MemoryNearLimit"}},
	} {
		t.Run(name, func(t *testing.T) {
			series := well()
			series[c.series] = c.values
			if got := firing(t, series, recording, alerts); !slices.Equal(got, c.want) {
				t.Errorf("%v fired, not %v", got, c.want)
			}
		})
	}
}

// A part that is not there cannot be changed, and an exporter must have a name that is one.
func TestNamesOfExportersAreChecked(t *testing.T) {
	long := strings.Repeat("a", 50)
	for name, c := range map[string]struct{ from, to, want string }{
		"one that is not there":           {"postgres-exporter-orders:", "postgres-exporter-order:", `unknown part "postgres-exporter-order"`},
		"one of a database that is alone": {"  orders: {preset: postgres", "  orders: {preset: mysql", `unknown part "postgres-exporter-orders"`},
		"a name that is too long":         {"  " + sessions + ":", "  " + long + ":", `"redis-exporter-` + long + `", the name of its exporter, cannot name a service`},
	} {
		text := twoOfEach + exceptions("")
		if !strings.Contains(text, c.from) {
			t.Fatalf("the profile has no %q", c.from)
		}
		_, err := parser.Parse([]byte(strings.Replace(text, c.from, c.to, 1)), parser.Options{File: "profile.yaml", Library: profiles.Library{}, CheckImage: image.Check})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
