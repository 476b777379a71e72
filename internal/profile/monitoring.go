package profile

import (
	"maps"
	"slices"
	"strings"
)

// Exporter is a part of the monitoring stack that measures one service.
type Exporter struct {
	Name    string // of the exporter, as a service of the monitoring stack
	Part    string // what it is, and its preset
	Service string // what it measures
}

// measured returns the parts of which each service of a preset has one for itself, and the preset.
func measured() map[string]string {
	return map[string]string{PartPostgresExporter: "postgres", PartRedisExporter: "redis"}
}

// Exporters returns one for each PostgreSQL and each Redis of the stack, sorted by part and service. A single one has the
// name of its part; of several each is named after its service, so that none takes the name of another when one comes or
// goes, and none has another name where Choose leaves services out. Whether the part is wanted is not asked.
func (p *Profile) Exporters() []Exporter {
	if p.exporters != nil {
		return p.exporters
	}
	var out []Exporter
	for _, part := range slices.Sorted(maps.Keys(measured())) {
		services := p.withPreset(measured()[part])
		for _, service := range services {
			name := part
			if len(services) > 1 {
				name += "-" + service
			}
			out = append(out, Exporter{Name: name, Part: part, Service: service})
		}
	}
	return out
}

// PartOf returns the part that a service of the monitoring stack is, by its name.
func PartOf(name string) string {
	for part := range measured() {
		if strings.HasPrefix(name, part+"-") {
			return part
		}
	}
	return name
}

// ServicesOf returns the names of the services that a part is in the monitoring stack.
func (p *Profile) ServicesOf(part string) []string {
	if _, ok := measured()[part]; !ok {
		return []string{part}
	}
	var out []string
	for _, e := range p.Exporters() {
		if e.Part == part {
			out = append(out, e.Name)
		}
	}
	return out
}

// PartNames returns the names that may be written under monitoring.services, sorted: those of the parts, which count for all
// exporters of a kind, and those of single exporters.
func (p *Profile) PartNames() []string {
	out := slices.Collect(maps.Keys(Parts()))
	for _, e := range p.Exporters() {
		if e.Name != e.Part {
			out = append(out, e.Name)
		}
	}
	return slices.Sorted(slices.Values(out))
}

// Monitoring says how the stack is watched. Its services are a stack of their own, next to the one they watch.
type Monitoring struct {
	Off             []string           `yaml:"off" doc:"parts to switch off, such as tempo; all other parts are on"`
	Interval        Duration           `yaml:"interval" doc:"time between two scrapes; default 15s"`
	Retention       Retention          `yaml:"retention" doc:"how long metrics, logs and traces are kept"`
	Receivers       []Receiver         `yaml:"receivers" doc:"receivers of alerts"`
	Logs            LogSink            `yaml:"logs" doc:"where logs go; to the stack's own Loki unless written"`
	Probes          []string           `yaml:"probes" doc:"https addresses that are probed from outside, including their certificates"`
	GrafanaPassword string             `yaml:"grafana_password" doc:"secret with the password of Grafana's admin; generated once unless written"`
	Verify          Duration           `yaml:"verify" doc:"time between two runs of verify, by a timer that generate writes; default none"`
	Runbooks        string             `yaml:"runbooks" doc:"address of the directory that holds the runbooks"`
	Services        map[string]Service `yaml:"services" doc:"what a part changes of its preset, by the name of the part or of one of several exporters"`
	Exceptions      []Exception        `yaml:"exceptions" doc:"weaker settings of the parts, each with its reason"`
}

// Retention is how long observations are kept. Numbers are days.
type Retention struct {
	Metrics int   `yaml:"metrics" doc:"days that metrics are kept; default 15"`
	Size    Bytes `yaml:"size" doc:"bytes of metrics that are kept at most; default 8G"`
	Logs    int   `yaml:"logs" doc:"days that logs are kept; default 7"`
	Traces  int   `yaml:"traces" doc:"days that traces are kept; default 2"`
}

// Receiver is told about alerts. Exactly one of Webhook, Email and Slack is set.
type Receiver struct {
	Name     string `yaml:"name" doc:"name of the receiver"`
	Severity string `yaml:"severity" doc:"critical for critical alerts only; default all"`
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
	Path   string `yaml:"path" doc:"path of the metrics; default /metrics"`
}

// Objectives are what users of a service may expect.
type Objectives struct {
	LatencyP95   Duration `yaml:"latency_p95" doc:"time in which 95 of 100 requests are answered"`
	Availability Percent  `yaml:"availability" doc:"percent of requests that do not fail"`
}

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
		return len(p.ServicesOf(part)) > 0
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
