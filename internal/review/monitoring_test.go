package review_test

import (
	"strings"
	"testing"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/monitoring"
	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/internal/review"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/profiles"
)

// watched is a stack with all that a review of its monitoring can speak of.
const watched = `apiVersion: hsectl/v1
kind: Profile
name: shop
services:
  app:
    image: registry.example/app:1
    user: "1000:1000"
    limits: {cpus: "1.0", memory: 512M, pids: 100}
    health: {command: [/app, health]}
    metrics: {prefix: shop_, port: 8080}
    slo: {latency_p95: 500ms, availability: 99.5}
    networks: [backend]
  cache: {preset: redis, networks: [backend]}
secrets:
  hook: {env: HOOK}
  other_hook: {env: OTHER_HOOK}
  chosen: {env: CHOSEN}
networks:
  backend: {}
monitoring:
  off: [alloy, loki]
  interval: 15s
  retention: {metrics: 15, size: 8G, logs: 7}
  receivers:
    - {name: operators, webhook: hook}
    - {name: office, email: {to: a@example.org, from: b@example.org, server: "mail.example.org:465"}}
  probes: ["https://shop.example/"]
  services:
    grafana: {image: "grafana/grafana:12.2.0"}
  exceptions:
    - {control: HSE-FS-003, service: cadvisor, reason: x, owner: ops, expires: 2027-04-01}
    - {control: HSE-FS-003, service: container-exporter, reason: x, owner: ops, expires: 2027-04-01}
    - {control: HSE-USR-001, service: container-exporter, reason: x, owner: ops, expires: 2027-04-01}
    - {control: HSE-USR-002, service: container-exporter, reason: x, owner: ops, expires: 2027-04-01}
`

// pair returns both stacks of a profile: the one that is watched, and the one that watches, which may be empty.
func pair(t *testing.T, text string, edits ...edit) (of, monitor review.Side) {
	t.Helper()
	for _, e := range edits {
		if !strings.Contains(text, e.from) {
			t.Fatalf("the profile has no %q", e.from)
		}
		text = strings.Replace(text, e.from, e.to, 1)
	}
	p, err := parser.Parse([]byte(text), parser.Options{File: "shop.yaml", Library: profiles.Library{}})
	if err != nil {
		t.Fatal(err)
	}
	source := generate.Source{Profile: "shop.yaml", Generator: "hsectl"}
	of = declare(t, review.Side{Stack: stack.New(p)})
	if p.Monitoring != nil {
		s, err := monitoring.New(p, of.Stack)
		if err != nil {
			t.Fatal(err)
		}
		source.Monitoring = &s
		monitor = declare(t, review.Side{Stack: s, Monitoring: p.Monitoring})
	}
	files, err := generate.Render(of.Stack, source)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		switch f.Path {
		case generate.ComposeFile:
			of.Rendered = f.Data
		case generate.MonitoringFile:
			monitor.Rendered = f.Data
		}
	}
	return of, monitor
}

// Each case is one change of how a stack is watched, and what the review says: of the stack itself, then of the one that
// watches it.
func TestMonitoringVerdicts(t *testing.T) {
	email := "    - {name: office, email: {to: a@example.org, from: b@example.org, server: \"mail.example.org:465\"}}\n"
	_, monitored, _ := strings.Cut(watched, "monitoring:\n")
	parts := "  services:\n    grafana: {image: \"grafana/grafana:12.2.0\"}\n"
	for name, c := range map[string]struct {
		edits []edit
		want  []string
	}{
		"nothing changes":   {nil, nil},
		"alertmanager off":  {[]edit{{"off: [alloy, loki]", "off: [alloy, loki, alertmanager]"}}, []string{"weaker medium HSE-MON-002 alertmanager part: "}},
		"grafana off":       {[]edit{{"off: [alloy, loki]", "off: [alloy, loki, grafana]"}}, []string{"weaker low grafana part: grafana/grafana:12.2.0 → (dashboards are not"}},
		"tempo off":         {[]edit{{"off: [alloy, loki]", "off: [alloy, loki, tempo]"}}, []string{"weaker low tempo part:"}},
		"the cache is gone": {[]edit{{"  cache: {preset: redis, networks: [backend]}\n", ""}}, []string{"neutral info cache service:", "stronger low HSE-NET-004 blackbox-exporter network: shop_monitoring-backend →", "neutral info grafana configuration file: dashboards/redis-dashboard.json → (it is no longer written", "neutral info HSE-MON-001 redis-exporter part: "}},
		"a second cache": {[]edit{{"  cache: {preset: redis, networks: [backend]}\n", "  cache: {preset: redis, networks: [backend]}\n  other: {preset: redis, networks: [backend]}\n"}}, []string{
			"neutral info other service: → redis:8", "neutral info HSE-NET-004 other network: → backend", "neutral info HSE-NET-004 other network: → monitoring-backend",
			"neutral info grafana configuration file: → dashboards/redis-cache-dashboard.json", "neutral info grafana configuration file: → dashboards/redis-other-dashboard.json",
			"neutral info grafana configuration file: dashboards/redis-dashboard.json → (it is no longer written",
			"neutral info HSE-MON-001 redis-exporter part: oliver006/redis_exporter:v1.69.0-alpine → (exporters of other names do its work)",
			"stronger low HSE-MON-001 redis-exporter-cache part: → ", "neutral info HSE-NET-004 redis-exporter-cache network: → backend",
			"neutral info HSE-NET-004 redis-exporter-cache network: → shop_monitoring-backend", "stronger low HSE-MON-001 redis-exporter-other part: → ",
			"neutral info HSE-NET-004 redis-exporter-other network: → backend", "neutral info HSE-NET-004 redis-exporter-other network: → shop_monitoring-backend"}},
		"a receiver less":         {[]edit{{email, ""}}, []string{"weaker low HSE-MON-002 receiver: office: mail to a@example.org by mail.example.org:465, all alerts →"}},
		"no receiver":             {[]edit{{email, ""}, {"    - {name: operators, webhook: hook}\n", "    []\n"}}, []string{"weaker medium HSE-MON-002 receiver: operators", "weaker medium HSE-MON-002 receiver: office", "stronger high HSE-NET-005 alertmanager way out", "stronger medium HSE-SEC-002 alertmanager secret: hook", "stronger low HSE-NET-004 alertmanager network: out"}},
		"only critical for one":   {[]edit{{"webhook: hook}", "webhook: hook, severity: critical}"}}, []string{"weaker low HSE-MON-002 alerts for operators: all → critical"}},
		"only critical for all":   {[]edit{{"webhook: hook}", "webhook: hook, severity: critical}"}, {"name: office,", "name: office, severity: critical,"}}, []string{"weaker medium HSE-MON-002 alerts for operators: all → critical (receivers no longer", "weaker medium HSE-MON-002 alerts for office"}},
		"all in words":            {[]edit{{"webhook: hook}", "webhook: hook, severity: all}"}}, nil},
		"alerts go elsewhere":     {[]edit{{"webhook: hook}", "webhook: other_hook}"}}, []string{"neutral medium HSE-MON-002 receiver operators: webhook of secret hook → webhook of secret other_hook", "stronger medium HSE-SEC-002 alertmanager secret: hook →", "neutral info HSE-SEC-002 alertmanager secret: → other_hook"}},
		"mail to another address": {[]edit{{"to: a@example.org", "to: mallory@example.org"}}, []string{"neutral medium HSE-MON-002 receiver office: mail to a@example.org by mail.example.org:465 → mail to mallory@example.org"}},
		"a receiver renamed":      {[]edit{{"name: operators", "name: people"}}, []string{"neutral info HSE-MON-002 name of a receiver: operators → people"}},
		"metrics kept shorter":    {[]edit{{"metrics: 15", "metrics: 10"}}, []string{"weaker low retention of metrics: 15 days → 10 days", "neutral info HSE-SEC-004 prometheus command"}},
		"metrics kept for a day":  {[]edit{{"metrics: 15", "metrics: 1"}}, []string{"weaker medium retention of metrics: 15 days → 1 day ", "neutral info HSE-SEC-004 prometheus command"}},
		"fewer bytes of metrics":  {[]edit{{"size: 8G", "size: 6G"}}, []string{"weaker low bytes of metrics: 8G → 6G", "neutral info HSE-SEC-004 prometheus command"}},
		"logs kept longer":        {[]edit{{"logs: 7", "logs: 30"}}, []string{"stronger low retention of logs: 7 days → 30 days"}},
		"scraped less often":      {[]edit{{"interval: 15s", "interval: 1m"}}, []string{"weaker low HSE-MON-001 time between two scrapes: 15s → 1m"}},
		"verified again":          {[]edit{{"interval: 15s", "interval: 15s\n  verify: 1h"}}, []string{"stronger low HSE-MON-003 time between two runs of verify: → 1h"}},
		"a probe less":            {[]edit{{"  probes: [\"https://shop.example/\"]\n", ""}}, []string{"weaker low HSE-MON-001 probe: https://shop.example/ →", "stronger high HSE-NET-005 blackbox-exporter way out", "?"}},
		"a probe more":            {[]edit{{"shop.example/\"]", "shop.example/\", \"https://api.example/\"]"}}, []string{"stronger low HSE-MON-001 probe: → https://api.example/"}},
		"a chosen password":       {[]edit{{"  interval: 15s", "  grafana_password: chosen\n  interval: 15s"}}, []string{"weaker low HSE-SEC-002 password of Grafana: secret grafana_admin_password → secret chosen", "stronger medium HSE-SEC-002 grafana secret: grafana_admin_password →", "neutral info HSE-SEC-002 grafana secret: → chosen"}},
		"other runbooks":          {[]edit{{"  interval: 15s", "  runbooks: https://elsewhere.example/x\n  interval: 15s"}}, []string{"neutral low runbooks: https://github.com/hsectl/hsectl/blob/main/docs/runbooks → https://elsewhere.example/x"}},
		"metrics gone":            {[]edit{{"    metrics: {prefix: shop_, port: 8080}\n    slo: {latency_p95: 500ms, availability: 99.5}\n", ""}}, []string{"weaker low HSE-MON-001 app metrics: 8080/metrics →", "weaker low HSE-MON-002 app objective of latency: 500ms →", "weaker low HSE-MON-002 app objective of availability: 99.5 % →", "stronger low HSE-NET-004 app network: monitoring-backend", "stronger low HSE-NET-004 prometheus network: shop_monitoring-backend"}},
		"metrics elsewhere":       {[]edit{{"prefix: shop_, port: 8080", "prefix: store_, port: 9090"}}, []string{"neutral low HSE-MON-001 app metrics: 8080/metrics shop_ → 9090/metrics store_"}},
		"a looser objective":      {[]edit{{"500ms, availability: 99.5", "2s, availability: 99"}}, []string{"weaker low HSE-MON-002 app objective of latency: 500ms → 2s", "weaker low HSE-MON-002 app objective of availability: 99.5 % → 99 %"}},
		"a tighter objective":     {[]edit{{"500ms, availability: 99.5", "200ms, availability: 99.9"}}, []string{"stronger low HSE-MON-002 app objective of latency: 500ms → 200ms", "stronger low HSE-MON-002 app objective of availability: 99.5 % → 99.9 %"}},
		"another image of a part": {[]edit{{"grafana/grafana:12.2.0", "elsewhere.example/grafana:1"}}, []string{"neutral medium HSE-IMG-001 grafana image: grafana/grafana:12.2.0 → elsewhere.example/grafana:1"}},
		"more memory for a part":  {[]edit{{parts, parts + "    tempo: {limits: {memory: 4G}}\n"}}, []string{"weaker medium HSE-RES-001 tempo memory limit:", "?"}},
		"another port of a part":  {[]edit{{parts, parts + "    prometheus: {ports: [\"9999:9090\"]}\n"}}, []string{"neutral info HSE-NET-001 prometheus published port: 127.0.0.1:9090→9090/tcp → 127.0.0.1:9999→9090/tcp"}},
		"a longer exception":      {[]edit{{"service: cadvisor, reason: x, owner: ops, expires: 2027-04-01", "service: cadvisor, reason: x, owner: ops, expires: 2028-04-01"}}, []string{"weaker critical HSE-FS-003 cadvisor exception"}},
		"nothing is watched": {[]edit{{"monitoring:\n" + monitored, ""}, {"    metrics: {prefix: shop_, port: 8080}\n    slo: {latency_p95: 500ms, availability: 99.5}\n", ""}},
			[]string{"weaker low HSE-MON-001 app metrics", "weaker low HSE-MON-002 app objective of latency", "weaker low HSE-MON-002 app objective of availability", "stronger low HSE-NET-004 app network", "stronger low HSE-NET-004 cache network", "weaker medium HSE-MON-002 monitoring: 10 parts → (the stack is no longer monitored"}},
	} {
		t.Run(name, func(t *testing.T) {
			base, watching := pair(t, watched)
			head, monitoringNow := pair(t, watched, c.edits...)
			lines := append(printed(review.Compare(base, head, today)), printed(review.Compare(watching, monitoringNow, today))...)
			for i, line := range lines {
				if i >= len(c.want) || c.want[i] != "?" && !strings.HasPrefix(line, c.want[i]) {
					t.Errorf("got  %q", line)
				}
			}
			if len(lines) != len(c.want) {
				t.Errorf("got %d changes, want:\n%s", len(lines), strings.Join(c.want, "\n"))
			}
		})
	}
}

// Where logs go is judged by whether others on the way can read them.
func TestLogSink(t *testing.T) {
	to := func(sink string) review.Side {
		_, monitor := pair(t, watched, edit{"  off: [alloy, loki]\n", "  logs: " + sink + "\n"},
			edit{"  exceptions:\n", "  exceptions:\n    - {control: HSE-FS-003, service: alloy, reason: x, owner: ops, expires: 2027-04-01}\n    - {control: HSE-USR-001, service: alloy, reason: x, owner: ops, expires: 2027-04-01}\n    - {control: HSE-USR-002, service: alloy, reason: x, owner: ops, expires: 2027-04-01}\n"})
		return monitor
	}
	const tls, plain = `{to: elasticsearch, url: "https://logs.example:9200", user: hse, password: hook}`, `{to: elasticsearch, url: "http://logs.example:9200", user: hse, password: hook}`
	for _, c := range []struct{ from, to, want string }{
		{"{}", tls, "neutral medium logs: loki → elasticsearch https://logs.example:9200 ("},
		{"{}", plain, "weaker high logs: loki → elasticsearch http://logs.example:9200 ("},
		{plain, tls, "stronger medium logs: elasticsearch http://logs.example:9200 → elasticsearch https://logs.example:9200 ("},
		{tls, strings.Replace(tls, "user: hse", "user: root", 1), "neutral low login for logs: hse, secret hook → root, secret hook ("},
	} {
		lines := printed(review.Compare(to(c.from), to(c.to), today))
		if len(lines) == 0 || !strings.HasPrefix(lines[0], c.want) {
			t.Errorf("%s → %s:\n%s\nwant %s", c.from, c.to, strings.Join(lines, "\n"), c.want)
		}
	}
}
