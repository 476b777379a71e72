package profile

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"github.com/hsectl/hsectl/internal/yamldoc"
)

// Monitoring says how the stack is watched. Its services are a stack of their own, beside the one they watch.
type Monitoring struct {
	Off             []string           `yaml:"off" doc:"parts that are not wanted, such as tempo; every part is on unless named here"`
	Interval        Duration           `yaml:"interval" doc:"time between two scrapes; 15s unless written"`
	Retention       Retention          `yaml:"retention" doc:"how long metrics, logs and traces are kept"`
	Receivers       []Receiver         `yaml:"receivers" doc:"who is told about alerts"`
	Logs            LogSink            `yaml:"logs" doc:"where logs go; to the stack's own Loki unless written"`
	Probes          []string           `yaml:"probes" doc:"https addresses that are asked from outside, also for their certificates"`
	GrafanaPassword string             `yaml:"grafana_password" doc:"secret with the password of Grafana's admin; generated once unless written"`
	Verify          Duration           `yaml:"verify" doc:"time between two runs of verify, by a timer that generate writes; none unless written"`
	Runbooks        string             `yaml:"runbooks" doc:"address of the directory that holds the runbooks"`
	Services        map[string]Service `yaml:"services" doc:"what a part changes of its preset, by the name of the part or of one of several exporters"`
	Exceptions      []Exception        `yaml:"exceptions" doc:"weaker settings of the parts, each with its reason"`
}

// Retention is how long observations are kept. Numbers are days.
type Retention struct {
	Metrics int   `yaml:"metrics" doc:"days that metrics are kept; 15 unless written"`
	Size    Bytes `yaml:"size" doc:"bytes of metrics that are kept at most; 8G unless written"`
	Logs    int   `yaml:"logs" doc:"days that logs are kept; 7 unless written"`
	Traces  int   `yaml:"traces" doc:"days that traces are kept; 2 unless written"`
}

// Receiver is told about alerts. Exactly one of Webhook, Email and Slack is set.
type Receiver struct {
	Name     string `yaml:"name" doc:"name of the receiver"`
	Severity string `yaml:"severity" doc:"critical for critical alerts only; all unless written"`
	Webhook  string `yaml:"webhook" doc:"secret that holds the address to post to"`
	Slack    *Slack `yaml:"slack" doc:"a Slack channel"`
	Email    *Email `yaml:"email" doc:"a mail address"`
}

// Slack is a channel that gets alerts.
type Slack struct {
	URL     string `yaml:"url" doc:"secret that holds the address of the incoming webhook"`
	Channel string `yaml:"channel" doc:"channel, such as #alerts"`
}

// Email is an address that gets alerts.
type Email struct {
	To       string `yaml:"to" doc:"address of the reader"`
	From     string `yaml:"from" doc:"address of the sender"`
	Server   string `yaml:"server" doc:"host:port of the mail server, which must speak TLS"`
	User     string `yaml:"user" doc:"user at the mail server"`
	Password string `yaml:"password" doc:"secret that holds the password at the mail server"`
}

// LogSink is where logs go.
type LogSink struct {
	To       string `yaml:"to" doc:"loki, elasticsearch or opensearch"`
	URL      string `yaml:"url" doc:"address of an existing Elasticsearch or OpenSearch"`
	User     string `yaml:"user" doc:"user there"`
	Password string `yaml:"password" doc:"secret that holds the password there"`
}

// Metrics says where a service shows its metrics.
type Metrics struct {
	Prefix string `yaml:"prefix" doc:"what the names of its metrics begin with, such as shop_"`
	Port   int    `yaml:"port" doc:"port that answers with metrics"`
	Path   string `yaml:"path" doc:"path of the metrics; /metrics unless written"`
}

// Objectives are what users of a service may expect.
type Objectives struct {
	LatencyP95   Duration `yaml:"latency_p95" doc:"time in which 95 of 100 requests are answered"`
	Availability Percent  `yaml:"availability" doc:"percent of requests that do not fail"`
}

// Percent is a share of a hundred, with the text as written.
type Percent struct {
	P    float64
	Text string
}

// UnmarshalText reads 99.5 or 99.5%.
func (p *Percent) UnmarshalText(text []byte) error {
	word := string(text)
	if n := len(word); n > 0 && word[n-1] == '%' {
		word = word[:n-1]
	}
	v, err := strconv.ParseFloat(word, 64)
	if err != nil || !decimal.MatchString(word) || v <= 0 || v >= 100 {
		return yamldoc.BadValue("write a number such as 99.5", "%q is not a percentage between 0 and 100", text)
	}
	*p = Percent{P: v, Text: string(text)}
	return nil
}

// String returns the text as written.
func (p Percent) String() string { return p.Text }

// Parts of the monitoring stack. Each is the name of a service and of its preset; see Exporters for those that may be several.
const (
	PartPrometheus       = "prometheus"
	PartAlertmanager     = "alertmanager"
	PartGrafana          = "grafana"
	PartLoki             = "loki"
	PartAlloy            = "alloy"
	PartCadvisor         = "cadvisor"
	PartContainers       = "container-exporter"
	PartNodeExporter     = "node-exporter"
	PartPostgresExporter = "postgres-exporter"
	PartRedisExporter    = "redis-exporter"
	PartBlackbox         = "blackbox-exporter"
	PartCollector        = "otel-collector"
	PartTempo            = "tempo"
)

// Parts returns the parts of the monitoring stack and the port on 127.0.0.1 that each publishes; zero for none.
func Parts() map[string]int {
	return map[string]int{
		PartPrometheus: 9090, PartAlertmanager: 9093, PartGrafana: 3000, PartLoki: 0, PartAlloy: 0, PartCadvisor: 0, PartContainers: 0,
		PartNodeExporter: 0, PartPostgresExporter: 0, PartRedisExporter: 0, PartBlackbox: 0, PartCollector: 0, PartTempo: 0,
	}
}

// NetworkMonitoring begins the name of the networks that join the services that are watched with those that watch them.
// They are internal.
const NetworkMonitoring = "monitoring-"

// MonitoringSecret is the name of the generated secret with the password of Grafana's admin.
const MonitoringSecret = "grafana_admin_password"

// On reports whether the part is wanted. An exporter is there only when there is something to export.
func (p *Profile) On(part string) bool {
	if p.Monitoring == nil || slices.Contains(p.Monitoring.Off, part) {
		return false
	}
	switch part {
	case PartLoki:
		return p.Monitoring.Logs.To == "loki"
	case PartPostgresExporter, PartRedisExporter:
		return len(p.named(part)) > 0
	}
	return true
}

func (p *Profile) withPreset(preset string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(p.Services)) {
		if p.Services[name].Preset == preset {
			out = append(out, name)
		}
	}
	return out
}

// watched reports whether somebody of the monitoring stack talks to the service, so that both need one network.
func (p *Profile) watched(s Service) bool {
	return s.Metrics != nil ||
		s.Preset == "postgres" && p.On(PartPostgresExporter) ||
		s.Preset == "redis" && p.On(PartRedisExporter) ||
		s.Health != nil && s.Health.HTTP != nil && p.On(PartBlackbox)
}

// watch puts each service that is watched on a network on which it meets those that watch it. Two services share one only
// when they share a network already, so that being watched opens no way from one to the other. There is one such network
// for each declared network that is needed, not one for each service: an engine has addresses for about thirty networks.
func (p *Profile) watch() {
	members := map[string]int{}
	for _, s := range p.Services {
		if p.watched(s) {
			for _, n := range s.Networks {
				members[n]++
			}
		}
	}
	for name, s := range p.Services {
		if !p.watched(s) {
			continue
		}
		meets := slices.MaxFunc(slices.Sorted(slices.Values(s.Networks)), func(a, b string) int { return cmp.Compare(members[a], members[b]) })
		s.Networks = append(slices.Clone(s.Networks), NetworkMonitoring+meets)
		p.Services[name] = s
	}
}

// MonitoringSecrets returns the names of the secrets that the monitoring section asks for.
func (p *Profile) MonitoringSecrets() []string {
	m := p.Monitoring
	if m == nil {
		return nil
	}
	out := []string{m.GrafanaPassword, m.Logs.Password}
	for _, r := range m.Receivers {
		out = append(out, r.Webhook)
		if r.Slack != nil {
			out = append(out, r.Slack.URL)
		}
		if r.Email != nil {
			out = append(out, r.Email.Password)
		}
	}
	return out
}

// MonitoringName returns the name of the stack that watches another.
func MonitoringName(stack string) string { return stack + "-monitoring" }

// MonitoringProfile returns the profile of the monitoring stack, whose services are the parts that are on, or nil when
// nothing is watched. Places are those of the profile itself, under monitoring.
func (p *Profile) MonitoringProfile() *Profile {
	m := p.Monitoring
	if m == nil {
		return nil
	}
	return &Profile{
		APIVersion: p.APIVersion, Kind: p.Kind, Name: MonitoringName(p.Name), Services: m.Services,
		Secrets: p.Secrets, Networks: map[string]Network{NetworkBackend: {}, NetworkEdge: {Publish: true}},
		Exceptions: m.Exceptions, Places: p.Places,
	}
}

// monitoring merges each part that is on with its preset, and fills what was not written.
func (l *layers) monitoring(p *Profile, written *yamldoc.Node, d *yamldoc.Decoder) {
	m := p.Monitoring
	if m == nil {
		return
	}
	m.defaults(p)
	services := map[string]Service{}
	for part, port := range Parts() {
		if !p.On(part) {
			continue
		}
		n := written.Get("services").Get(part)
		if n != nil && n.Kind != yamldoc.Mapping {
			continue
		}
		for _, name := range p.named(part) {
			of := presetOf(part, n)
			if own := written.Get("services").Get(name); name != part && own != nil && own.Kind == yamldoc.Mapping {
				of = layering().Merge(of, own, "")
			}
			merged := l.service(name, nil, of)
			var s Service
			d.Decode(merged, &s, "monitoring.services."+name)
			if s.Ports == nil && port != 0 {
				s.Ports = []Port{{Host: port, Container: port}}
			}
			services[name] = s
		}
	}
	for name, s := range m.Services {
		if !slices.Contains(p.parts(), name) {
			services[name] = s // reported by the validator
		}
	}
	m.Services = services
}

// presetOf returns what was written about a part with the preset of its name.
func presetOf(part string, written *yamldoc.Node) *yamldoc.Node {
	name := &yamldoc.Node{Kind: yamldoc.Scalar, Tag: "!!str", Value: part, Layer: layerBuiltIn}
	out := &yamldoc.Node{Kind: yamldoc.Mapping, Keys: []*yamldoc.Node{{Kind: yamldoc.Scalar, Tag: "!!str", Value: "preset"}}, Values: map[string]*yamldoc.Node{"preset": name}, Layer: layerBuiltIn}
	if written == nil {
		return out
	}
	return layering().Merge(out, written, "")
}

func (m *Monitoring) defaults(p *Profile) {
	if m.Interval.Text == "" {
		_ = m.Interval.UnmarshalText([]byte("15s")) // a constant that parses
	}
	if m.Retention.Size.Text == "" {
		_ = m.Retention.Size.UnmarshalText([]byte("8G")) // a constant that parses
	}
	for _, d := range []struct {
		days *int
		n    int
	}{{&m.Retention.Metrics, 15}, {&m.Retention.Logs, 7}, {&m.Retention.Traces, 2}} {
		if *d.days == 0 {
			*d.days = d.n
		}
	}
	if m.Logs.To == "" {
		m.Logs.To = "loki"
	}
	if m.Runbooks == "" {
		m.Runbooks = "https://github.com/hsectl/hsectl/blob/main/docs/runbooks"
	}
	if m.GrafanaPassword == "" && !slices.Contains(m.Off, PartGrafana) {
		m.GrafanaPassword = MonitoringSecret
		if p.Secrets == nil {
			p.Secrets = map[string]Secret{}
		}
		if _, ok := p.Secrets[MonitoringSecret]; !ok {
			p.Secrets[MonitoringSecret] = Secret{Generate: true}
		}
	}
}
