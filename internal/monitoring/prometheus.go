package monitoring

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/stack"
)

// The part of Prometheus' configuration that is used, in the order in which a reader wants it.
// https://prometheus.io/docs/prometheus/latest/configuration/configuration/
type (
	prometheusConfig struct {
		Global    prometheusGlobal `yaml:"global"`
		RuleFiles []string         `yaml:"rule_files"`
		Alerting  *alerting        `yaml:"alerting,omitempty"`
		Scrapes   []scrape         `yaml:"scrape_configs"`
	}

	prometheusGlobal struct {
		ScrapeInterval     string `yaml:"scrape_interval"`
		ScrapeTimeout      string `yaml:"scrape_timeout"`
		EvaluationInterval string `yaml:"evaluation_interval"`
	}

	alerting struct {
		Alertmanagers []alertmanagerTargets `yaml:"alertmanagers"`
	}

	alertmanagerTargets struct {
		Static []targets `yaml:"static_configs"`
	}

	scrape struct {
		Job           string    `yaml:"job_name"`
		Path          string    `yaml:"metrics_path,omitempty"`
		HonorLabels   bool      `yaml:"honor_labels,omitempty"`
		Static        []targets `yaml:"static_configs,omitempty"`
		DNS           []lookup  `yaml:"dns_sd_configs,omitempty"`
		Relabel       []relabel `yaml:"relabel_configs,omitempty"`
		MetricRelabel []relabel `yaml:"metric_relabel_configs,omitempty"`
	}

	// One target for each address that a name has.
	lookup struct {
		Names   []string `yaml:"names,flow"`
		Type    string   `yaml:"type"`
		Port    int      `yaml:"port"`
		Refresh string   `yaml:"refresh_interval"`
	}

	targets struct {
		Targets []string          `yaml:"targets,flow"`
		Labels  map[string]string `yaml:"labels,omitempty"`
	}

	relabel struct {
		Source      []string `yaml:"source_labels,flow,omitempty"`
		Regex       string   `yaml:"regex,omitempty"`
		Target      string   `yaml:"target_label,omitempty"`
		Replacement *string  `yaml:"replacement,omitempty"`
		Action      string   `yaml:"action,omitempty"`
	}
)

// Jobs of Prometheus that are not the name of a part.
const (
	jobServices = "services"
	jobProbes   = "probes"
	jobOutside  = "outside"
)

// serviceOutside stands for the service where an address of the outside is asked.
const serviceOutside = "outside"

func (s storeParts) prometheus(part *stack.Service) error {
	c := prometheusConfig{Global: prometheusGlobal{
		ScrapeInterval: seconds(s.m.Interval.D), EvaluationInterval: seconds(s.m.Interval.D),
		ScrapeTimeout: seconds(min(10*time.Second, s.m.Interval.D)),
	}, RuleFiles: []string{config("recording.rules.yml"), config("alerts.rules.yml")}, Scrapes: s.scrapes()}
	if s.p.On(profile.PartAlertmanager) {
		c.Alerting = &alerting{[]alertmanagerTargets{{[]targets{{Targets: []string{"alertmanager:9093"}}}}}}
	}
	for _, file := range []struct {
		path    string
		content any
	}{{"prometheus.yml", c}, {"recording.rules.yml", s.recording()}, {"alerts.rules.yml", alertRules{s.suite}.alerts()}} {
		data, err := generate.YAML(file.content)
		if err != nil {
			return err
		}
		part.Configs = append(part.Configs, stack.ConfigFile{Path: file.path, Data: data})
	}
	part.Command = append(part.Command,
		"--config.file="+config("prometheus.yml"),
		"--storage.tsdb.path=/prometheus",
		fmt.Sprintf("--storage.tsdb.retention.time=%dd", s.m.Retention.Metrics),
		fmt.Sprintf("--storage.tsdb.retention.size=%dMB", s.m.Retention.Size.N>>20), // MB means MiB there
	)
	return nil
}

// seconds writes a duration as Prometheus reads it, which takes no fractions.
func seconds(d time.Duration) string {
	if d > 0 && d%time.Minute == 0 {
		return fmt.Sprintf("%dm", int(d.Minutes()))
	}
	if d%time.Second == 0 {
		return fmt.Sprintf("%ds", int(d.Seconds()))
	}
	return fmt.Sprintf("%dms", d.Milliseconds())
}

func (s storeParts) scrapes() []scrape {
	var out, several []scrape
	byPath := map[string][]targets{}
	for _, service := range s.watched() {
		m := service.Metrics
		if service.Wanted() > 1 {
			several = append(several, s.scrapeEach(service))
			continue
		}
		byPath[m.Path] = append(byPath[m.Path], targets{[]string{fmt.Sprintf("%s:%d", service.Name, m.Port)}, s.labels(service.Name)})
	}
	for i, path := range slices.Sorted(maps.Keys(byPath)) {
		job := jobServices
		if i > 0 {
			job = fmt.Sprintf("%s-%d", jobServices, i+1)
		}
		out = append(out, scrape{Job: job, Path: path, Static: byPath[path]})
	}
	out = append(out, several...)
	for _, e := range s.endpoints() {
		at := targets{[]string{fmt.Sprintf("%s:%d", e.name, e.port)}, s.labels(e.service)}
		if n := len(out); n > 0 && out[n-1].Job == e.part { // another exporter of the same kind
			out[n-1].Static = append(out[n-1].Static, at)
			continue
		}
		one := scrape{Job: e.part, Static: []targets{at}}
		if e.part == profile.PartCadvisor {
			one.MetricRelabel = identify()
		}
		if e.part == profile.PartContainers { // its samples say themselves whose they are
			one.HonorLabels, one.Path = true, "/"+fileContainers
		}
		out = append(out, one)
	}
	if !s.p.On(profile.PartBlackbox) {
		return out
	}
	if probes := (exporterParts{s.suite}).probes(); len(probes) > 0 {
		out = append(out, s.probing(jobProbes, probes))
	}
	if len(s.m.Probes) > 0 {
		var outside []probe
		for _, address := range s.m.Probes {
			outside = append(outside, probe{address, moduleHTTP, serviceOutside})
		}
		out = append(out, s.probing(jobOutside, outside))
	}
	return out
}

func (s storeParts) labels(service string) map[string]string {
	return map[string]string{"stack": s.app.Name, "service": service}
}

// endpoint is a service of the monitoring stack that shows metrics, and the service they are about.
type endpoint struct {
	part, name string
	port       int
	service    string
}

func (s storeParts) endpoints() []endpoint {
	var out []endpoint
	for _, part := range []struct {
		name string
		port int
	}{
		{profile.PartAlertmanager, 9093}, {profile.PartAlloy, 12345}, {profile.PartBlackbox, 9115}, {profile.PartCadvisor, 8080},
		{profile.PartContainers, containersPort}, {profile.PartGrafana, 3000}, {profile.PartLoki, 3100}, {profile.PartNodeExporter, 9100},
		{profile.PartCollector, 8888}, {profile.PartPostgresExporter, 9187}, {profile.PartPrometheus, 9090},
		{profile.PartRedisExporter, 9121}, {profile.PartTempo, 3200},
	} {
		switch exporters := (exporterParts{s.suite}).exporters(part.name); {
		case !s.p.On(part.name):
		case len(exporters) > 0:
			for _, e := range exporters {
				out = append(out, endpoint{part.name, e.Name, part.port, e.Service})
			}
		case part.name == profile.PartNodeExporter:
			out = append(out, endpoint{part.name, part.name, part.port, "host"})
		default:
			out = append(out, endpoint{part.name, part.name, part.port, part.name})
		}
	}
	return out
}

// identify keeps the kernel's counters of containers, by id. They know no names, because cAdvisor is not let near the
// engine; which service a container is, the container exporter tells. Everything else that cAdvisor counts is dropped.
func identify() []relabel {
	empty, id := "", "$1"
	return []relabel{
		{Source: []string{"__name__"}, Regex: "container_.+", Target: "service", Replacement: &empty},
		{Source: []string{"id"}, Regex: `/.*[/-]([0-9a-f]{64})(?:\.scope)?`, Target: "container", Replacement: &id},
		{Source: []string{"__name__", "container"}, Regex: "container_.+;", Action: "drop"},
		{Source: []string{"__name__"}, Regex: "container_(file_descriptors|sockets)", Action: "drop"}, // always zero without root
		{Regex: "id", Action: "labeldrop"},
	}
}

func (s storeParts) probing(job string, probes []probe) scrape {
	exporter := "blackbox-exporter:9115"
	out := scrape{Job: job, Path: "/probe", Relabel: []relabel{
		{Source: []string{"__address__"}, Target: "__param_target"},
		{Source: []string{"__param_target"}, Target: "instance"},
		{Target: "__address__", Replacement: &exporter},
	}}
	for _, p := range probes {
		labels := s.labels(p.service)
		labels["__param_module"] = p.module
		out.Static = append(out.Static, targets{[]string{p.target}, labels})
	}
	return out
}
