package monitoring_test

import (
	"flag"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/lifecycle"
	"github.com/hsectl/hsectl/internal/monitoring"
	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/witness"
	"github.com/hsectl/hsectl/profiles"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestNothingIsWeakenedWithoutANamedException(t *testing.T) {
	_, s := watch(t)
	data, err := lifecycle.Parse("lifecycles.yaml", profiles.Lifecycles())
	if err != nil {
		t.Fatal(err)
	}
	findings, err := witness.Check(t.Context(), s.Knowing(data, data.Images.Data.AsOf.Time))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		if f.Status != finding.Pass && f.Status != finding.NotApplicable && f.Waiver == nil {
			t.Errorf("%s %s: %s: %s", f.Subject, f.Control, f.Status, f.Detail)
		}
	}
}

func TestNothingIsPublishedToTheWorldAndNothingReachesTheEngine(t *testing.T) {
	_, s := watch(t)
	for _, service := range s.Services {
		for _, p := range service.Ports {
			if a, err := netip.ParseAddr(p.Address); err != nil || !a.IsLoopback() {
				t.Errorf("%s publishes on %s", service.Name, p.Address)
			}
		}
		for _, h := range service.HostPaths {
			if path.Ext(h.Host) == ".sock" || h.Host == "/" || strings.HasPrefix(h.Host, "/run") || strings.HasPrefix(h.Host, "/var/run") {
				t.Errorf("%s reads %s of the host", service.Name, h.Host)
			}
			if h.Why == "" {
				t.Errorf("%s reads %s of the host and does not say why", service.Name, h.Host)
			}
		}
	}
}

func TestGrafanaHasNoPasswordThatAnybodyKnows(t *testing.T) {
	_, s := watch(t)
	grafana, _ := s.Service("grafana")
	for _, v := range grafana.Environment {
		if strings.Contains(v.Name, "PASSWORD") {
			t.Errorf("%s is set in the environment", v.Name)
		}
	}
	if !slices.Contains(grafana.Secrets, stack.SecretFile{Name: profile.MonitoringSecret, Env: "GF_SECURITY_ADMIN_PASSWORD__FILE"}) {
		t.Errorf("the password is none of the secrets %v", grafana.Secrets)
	}
	i := slices.IndexFunc(s.Secrets, func(secret stack.Secret) bool { return secret.Name == profile.MonitoringSecret })
	if i < 0 || !s.Secrets[i].Generate {
		t.Errorf("the password is not generated: %v", s.Secrets)
	}
}

func TestSecretsOfMonitoringAreNotAskedForWithoutIt(t *testing.T) {
	p, _ := watch(t)
	for _, secret := range stack.New(p).Secrets {
		if secret.Name == "alert_webhook" || secret.Generate {
			t.Errorf("the stack that is watched asks for %s", secret.Name)
		}
	}
}

func TestEachPartCanBeSwitchedOff(t *testing.T) {
	also := map[string][]string{
		"container-exporter": {"cadvisor"}, "prometheus": {"alertmanager", "cadvisor", "container-exporter", "node-exporter", "postgres-exporter", "redis-exporter", "blackbox-exporter"},
		"alloy": {"loki"}, "otel-collector": {"tempo"},
	}
	for part := range profile.Parts() {
		t.Run(part, func(t *testing.T) {
			off := strings.Join(append([]string{part}, also[part]...), ", ")
			text := string(reference(t))
			text, _, _ = strings.Cut(text, "  exceptions:\n")
			text = strings.Replace(text, "monitoring:\n", "monitoring:\n  off: ["+off+"]\n", 1) + exceptions(off)
			p := parse(t, []byte(text))
			s, err := monitoring.New(p, stack.New(p))
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := s.Service(part); ok {
				t.Errorf("%s is still there", part)
			}
			render(t, p, s)
		})
	}
}

// exceptions are those of the parts that need some and are not off.
func exceptions(off string) string {
	var b strings.Builder
	for _, e := range [][2]string{
		{"HSE-FS-003", "cadvisor"}, {"HSE-FS-003", "container-exporter"}, {"HSE-USR-001", "container-exporter"}, {"HSE-USR-002", "container-exporter"}, {"HSE-FS-003", "alloy"}, {"HSE-USR-001", "alloy"}, {"HSE-USR-002", "alloy"},
	} {
		if !strings.Contains(off, e[1]) {
			if b.Len() == 0 {
				b.WriteString("  exceptions:\n")
			}
			b.WriteString("    - {control: " + e[0] + ", service: " + e[1] + ", reason: a test, owner: team, expires: 2030-01-01}\n")
		}
	}
	return b.String()
}

// render writes the Compose file and loads it as docker compose would.
func render(t *testing.T, p *profile.Profile, s stack.Stack) map[string]string {
	t.Helper()
	files, err := generate.Render(stack.New(p), generate.Source{Profile: "hse-digital.yaml", Generator: "hsectl", Monitoring: &s})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range files {
		out[f.Path] = string(f.Data)
	}
	project, err := generate.Load(t.Context(), []byte(out[generate.MonitoringFile]), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range project.Configs {
		if _, ok := out[strings.TrimPrefix(c.File, "/")]; !ok {
			t.Errorf("config %s is in %s, which is not rendered", name, c.File)
		}
	}
	return out
}

func TestTheComposeFileLoadsAndNamesEveryFile(t *testing.T) {
	p, s := watch(t)
	files := render(t, p, s)
	for _, path := range []string{
		"monitoring/prometheus/prometheus.yml", "monitoring/alertmanager/alertmanager.yml", "monitoring/loki/loki.yml", "monitoring/tempo/tempo.yml",
		"monitoring/alloy/config.alloy", "monitoring/otel-collector/collector.yml", "monitoring/blackbox-exporter/blackbox.yml",
		"monitoring/grafana/dashboards/container-resource-dashboard.json", "monitoring/grafana/provisioning/datasources/hsectl.yml",
	} {
		if files[path] == "" {
			t.Errorf("%s is not rendered", path)
		}
	}
}

func TestBothStacksMeetOnInternalNetworks(t *testing.T) {
	p, s := watch(t)
	app := stack.New(p)
	i := slices.IndexFunc(app.Networks, func(n stack.Network) bool { return n.Name == "monitoring-backend" })
	if i < 0 || !app.Networks[i].Internal {
		t.Fatalf("the stack that is watched has no internal network for it: %v", app.Networks)
	}
	if !slices.Contains(s.Networks, stack.Network{Name: "hse-digital_monitoring-backend", External: true}) {
		t.Errorf("the monitoring stack does not join it: %v", s.Networks)
	}
	for _, name := range []string{"app", "postgres", "redis"} {
		if service, _ := app.Service(name); !slices.Contains(service.Networks, "monitoring-backend") {
			t.Errorf("%s is not on it", name)
		}
	}
}

// Services that may not reach each other must not meet where they are watched, and everybody who watches must reach them.
func TestBeingWatchedOpensNoWayBetweenServices(t *testing.T) {
	const text = `apiVersion: hsectl/v1
kind: Profile
name: shop
services:
  web: {preset: node, image: "web:1", health: {http: {port: 3000, path: /up}}, metrics: {port: 3000}, networks: [front]}
  api: {preset: node, image: "api:1", health: {http: {port: 3000, path: /up}}, metrics: {port: 3000}, networks: [front, middle]}
  jobs: {preset: node, image: "jobs:1", health: {http: {port: 3000, path: /up}}, metrics: {port: 3000}, networks: [middle, back]}
  postgres: {preset: postgres, secrets: [{name: password, env: POSTGRES_PASSWORD_FILE}], networks: [back]}
  lonely: {preset: node, image: "lonely:1", health: {http: {port: 3000, path: /up}}, metrics: {port: 3000}, networks: [alone]}
secrets: {password: {env: PASSWORD}}
networks: {front: {}, middle: {}, back: {}, alone: {}}
`
	plain := stack.New(parse(t, []byte(text)))
	p := parse(t, []byte(text+"monitoring:\n"+exceptions("")))
	app := stack.New(p)
	for _, service := range app.Services {
		before, _ := plain.Service(service.Name)
		if got, want := app.Intent(service).Peers, plain.Intent(before).Peers; !slices.Equal(got, want) {
			t.Errorf("%s reaches %v when it is watched, and %v otherwise", service.Name, got, want)
		}
	}
	s, err := monitoring.New(p, app)
	if err != nil {
		t.Fatal(err)
	}
	for part, watches := range map[string][]string{"prometheus": {"web", "api", "jobs", "lonely"}, "postgres-exporter": {"postgres"}, "otel-collector": {"web", "api", "jobs", "lonely", "postgres"}} {
		watcher, _ := s.Service(part)
		for _, name := range watches {
			service, _ := app.Service(name)
			if !slices.ContainsFunc(service.Networks, func(n string) bool { return slices.Contains(watcher.Networks, "shop_"+n) }) {
				t.Errorf("%s on %v does not reach %s on %v", part, watcher.Networks, name, service.Networks)
			}
		}
	}
	if exporter, _ := s.Service("postgres-exporter"); len(exporter.Networks) != 2 {
		t.Errorf("postgres-exporter is on %v, and needs inside and one other only", exporter.Networks)
	}
}

func TestOnlyPartsThatNotifyHaveAWayOut(t *testing.T) {
	_, s := watch(t)
	for _, service := range s.Services {
		if out := s.Intent(service).Egress; out != (service.Name == "alertmanager") {
			t.Errorf("%s has a way out: %v", service.Name, out)
		}
	}
}

func TestLogsGoToAnExistingSearchEngine(t *testing.T) {
	for _, sink := range []string{"elasticsearch", "opensearch"} {
		p, s := watch(t, "monitoring:\n", "monitoring:\n  logs: {to: "+sink+", url: \"https://logs.example.test:9200\", user: hse, password: redis_password}\n")
		if _, ok := s.Service("loki"); ok {
			t.Errorf("%s: there is still a loki", sink)
		}
		collector := string(file(t, s, "otel-collector", "collector.yml"))
		for _, want := range []string{sink, "https://logs.example.test:9200", "${file:/run/secrets/redis_password}"} {
			if !strings.Contains(collector, want) {
				t.Errorf("%s: the collector's configuration lacks %s", sink, want)
			}
		}
		if alloy := string(file(t, s, "alloy", "config.alloy")); strings.Contains(alloy, "loki.write") || !strings.Contains(alloy, "otelcol.exporter.otlp") {
			t.Errorf("%s: the shipper sends elsewhere", sink)
		}
		render(t, p, s)
	}
}

// What scripts/log-sink runs is what is rendered.
func TestTheLogSinkThatIsTriedIsRendered(t *testing.T) {
	_, s := watch(t, "monitoring:\n", "monitoring:\n  logs: {to: elasticsearch, url: \"https://logs.example.test:9200\", user: hse, password: logs_password}\n",
		"secrets:\n  jwt_secret", "secrets:\n  logs_password: {env: LOGS_PASSWORD}\n  jwt_secret")
	const at = "testdata/collector/collector.yml"
	got := file(t, s, "otel-collector", "collector.yml")
	if *update {
		if err := os.WriteFile(at, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(got) {
		t.Errorf("what is rendered differs from %s; look at it, then: go -C test test ./monitoring -update, and scripts/log-sink", at)
	}
}

func TestReceiversReadTheirAddressesFromSecrets(t *testing.T) {
	_, s := watch(t, "    - {name: operators, webhook: alert_webhook}\n", `    - {name: operators, webhook: alert_webhook}
    - {name: chat, severity: critical, slack: {url: alert_webhook, channel: "#alerts"}}
    - {name: mail, email: {to: a@example.test, from: b@example.test, server: "mail.example.test:587", user: b, password: alert_webhook}}
`)
	config := string(file(t, s, "alertmanager", "alertmanager.yml"))
	for _, want := range []string{
		"url_file: /run/secrets/alert_webhook", "api_url_file: /run/secrets/alert_webhook", "auth_password_file: /run/secrets/alert_webhook",
		"require_tls: true", `severity="critical"`, "smarthost: mail.example.test:587",
	} {
		if !strings.Contains(config, want) {
			t.Errorf("the configuration lacks %s:\n%s", want, config)
		}
	}
}

func TestTheSameProfileGivesTheSameBytes(t *testing.T) {
	p, s := watch(t)
	first := render(t, p, s)
	for range 5 {
		p, s := watch(t)
		for path, text := range render(t, p, s) {
			if first[path] != text {
				t.Fatalf("%s differs", path)
			}
		}
	}
}

// What reviewers see of the reference stack. Look at a change, then: go -C test test ./monitoring -update
func TestGolden(t *testing.T) {
	p, s := watch(t)
	for name, text := range render(t, p, s) {
		if name != generate.MonitoringFile && name != generate.MonitoringEnvFile && !strings.HasPrefix(name, "monitoring/") {
			continue
		}
		at := filepath.Join("../../testdata/golden/hse-digital-monitoring", filepath.FromSlash(name))
		if *update {
			if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(at)
		if err != nil {
			t.Fatal(err)
		}
		if string(want) != text {
			t.Errorf("%s differs from %s", name, at)
		}
	}
}
