package validation

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/yamldoc"
)

// metricPrefix is a beginning of a metric's name as Prometheus takes it.
var metricPrefix = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)

// monitoringValidator checks how the stack is monitored.
type monitoringValidator struct{ *validator }

// hostPaths lets a service read a path of the host only with an exception that says why, and never one that leads to
// the engine's socket.
func (v *serviceValidator) hostPaths() {
	if len(v.s.HostPaths) > 0 && v.p.Excepted("HSE-FS-003", v.name) == nil {
		v.bad(v.at("host_paths"),
			fmt.Sprintf("add it under %sexceptions: {control: HSE-FS-003, service: %s, reason: …, owner: …, expires: …}, or leave the service out", v.root, v.name),
			"service %q reads paths of the host, and no exception for HSE-FS-003 says why it may", v.name)
	}
	for i, h := range v.s.HostPaths {
		at := fmt.Sprintf("%s[%d]", v.at("host_paths"), i)
		for _, p := range []string{h.Host, h.Path} {
			if !path.IsAbs(p) || path.Clean(p) != p || strings.ContainsAny(p, ":,\n") {
				v.bad(at, "write the whole path, beginning with /", "%q is not a clean absolute path", p)
			}
		}
		if reachesEngine(h.Host) {
			v.bad(at+".host", "name the narrower path that is read", "%s of the host holds the engine's socket, which gives root access", h.Host)
		}
		if strings.TrimSpace(h.Why) == "" {
			v.bad(at, "add why: what is read there", "the path %s of the host has no reason", h.Host)
		}
	}
}

// reachesEngine reports whether a path is a socket, or a directory in which engines keep theirs.
func reachesEngine(p string) bool {
	return path.Ext(p) == ".sock" || within(p, "/run", "/var/run") || slices.Contains([]string{"/", "/var"}, p)
}

// observation checks metrics and objectives.
func (v *serviceValidator) observation() {
	if m := v.s.Metrics; m != nil {
		if m.Port < 1 || m.Port > 65535 {
			v.bad(v.at("metrics.port"), "write metrics: {port: 3001, path: /metrics}", "port %d is out of range 1 to 65535", m.Port)
		}
		if !strings.HasPrefix(m.Path, "/") || strings.ContainsAny(m.Path, "'\"\\ \n`$?#") {
			v.bad(v.at("metrics.path"), "write a path such as /metrics", "metrics path %q is not a plain path", m.Path)
		}
		if m.Prefix != "" && !metricPrefix.MatchString(m.Prefix) {
			v.bad(v.at("metrics.prefix"), "use letters, digits and _", "%q is not a valid metric prefix", m.Prefix)
		}
	}
	if v.s.SLO != nil && v.s.Metrics == nil {
		v.bad(v.at("slo"), "add metrics: {port: …}", "service %q has objectives but exposes no metrics to measure them", v.name)
	}
}

// monitoring checks how the stack is watched, and every part as the service it is.
func (v monitoringValidator) monitoring() {
	m := v.p.Monitoring
	if m == nil {
		return
	}
	parts := slices.Sorted(maps.Keys(profile.Parts()))
	for i, part := range m.Off {
		if !slices.Contains(parts, part) {
			v.bad(fmt.Sprintf("monitoring.off[%d]", i), yamldoc.DidYouMean(part, parts), "unknown part %q", part)
		}
	}
	v.unknownParts()
	v.needs()
	for _, days := range []struct {
		key string
		n   int
	}{{"metrics", m.Retention.Metrics}, {"logs", m.Retention.Logs}, {"traces", m.Retention.Traces}} {
		if days.n < 1 || days.n > 3650 {
			v.bad("monitoring.retention."+days.key, "write a number of days", "%d is not a number of days from 1 to 3650", days.n)
		}
	}
	for i, address := range m.Probes {
		if u, err := url.Parse(address); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
			v.bad(fmt.Sprintf("monitoring.probes[%d]", i), "write https://host/path", "%q is not an address that can be probed", address)
		}
	}
	if u, err := url.Parse(m.Runbooks); err != nil || u.Host == "" {
		v.bad("monitoring.runbooks", "write https://host/path", "%q is not the address of a directory", m.Runbooks)
	}
	if d := m.Verify; d.Text != "" && (d.D < 5*time.Minute || d.D > 31*24*time.Hour || d.D%time.Minute != 0) {
		v.bad("monitoring.verify", "write 1h, or 24h", "%s is not from 5 minutes to 31 days, in whole minutes", d.Text)
	}
	if m.GrafanaPassword != "" {
		v.secretNamed("monitoring.grafana_password", m.GrafanaPassword)
	}
	v.logSink()
	for i := range m.Receivers {
		v.receiver(i)
	}
	v.monitoringServices()
}

func (v monitoringValidator) unknownParts() {
	parts := v.p.PartNames()
	for name := range v.p.Monitoring.Services {
		if !slices.Contains(parts, name) {
			v.bad("monitoring.services."+name+"#key", yamldoc.DidYouMean(name, parts), "unknown part %q", name)
		}
	}
}

// needs refuses a part without the one that it works for.
func (v monitoringValidator) needs() {
	for _, n := range [][2]string{
		{profile.PartAlertmanager, profile.PartPrometheus}, {profile.PartCadvisor, profile.PartPrometheus}, {profile.PartNodeExporter, profile.PartPrometheus},
		{profile.PartContainers, profile.PartPrometheus}, {profile.PartCadvisor, profile.PartContainers},
		{profile.PartPostgresExporter, profile.PartPrometheus}, {profile.PartRedisExporter, profile.PartPrometheus}, {profile.PartBlackbox, profile.PartPrometheus},
		{profile.PartTempo, profile.PartCollector}, {profile.PartLoki, profile.PartAlloy},
	} {
		if v.p.On(n[0]) && !v.p.On(n[1]) {
			v.bad("monitoring.off", "switch off "+n[0]+" too", "%s is of no use without %s", n[0], n[1])
		}
	}
}

func (v monitoringValidator) secretNamed(at, name string) {
	if _, ok := v.p.Secrets[name]; !ok {
		v.bad(at, yamldoc.DidYouMean(name, slices.Collect(maps.Keys(v.p.Secrets))), "secret %q not found", name)
	}
}

func (v monitoringValidator) logSink() {
	logs := v.p.Monitoring.Logs
	switch logs.To {
	case "loki":
		if logs.URL != "" {
			v.bad("monitoring.logs.url", "drop it, or write to: elasticsearch", "logs go to the stack's own Loki, which has no address to give")
		}
		return
	case "elasticsearch", "opensearch":
	default:
		v.bad("monitoring.logs.to", yamldoc.DidYouMean(logs.To, []string{"loki", "elasticsearch", "opensearch"}), "logs cannot go to %q", logs.To)
		return
	}
	if u, err := url.Parse(logs.URL); err != nil || u.Host == "" || u.User != nil {
		v.bad("monitoring.logs.url", "write https://host:9200, with user and password as keys next to it", "%q is not a valid address for logs", logs.URL)
	}
	if logs.Password != "" {
		v.secretNamed("monitoring.logs.password", logs.Password)
	}
	if !v.p.On(profile.PartAlloy) || !v.p.On(profile.PartCollector) {
		v.bad("monitoring.off", "keep alloy, which reads the logs, and otel-collector, which sends them", "logs go to %s, and a part that is needed for it is off", logs.To)
	}
}

func (v monitoringValidator) receiver(i int) {
	r, at := v.p.Monitoring.Receivers[i], fmt.Sprintf("monitoring.receivers[%d]", i)
	if !namePattern().MatchString(r.Name) {
		v.bad(at+".name", "use lower-case letters, digits, - and _", "%q cannot name a receiver", r.Name)
	}
	for j := range i {
		if v.p.Monitoring.Receivers[j].Name == r.Name {
			v.bad(at+".name", "choose another name", "receiver %q is declared twice", r.Name)
		}
	}
	if r.Severity != "" && r.Severity != "critical" && r.Severity != "all" {
		v.bad(at+".severity", "write critical or all", "unknown severity %q", r.Severity)
	}
	ways := 0
	if r.Webhook != "" {
		ways++
		v.secretNamed(at+".webhook", r.Webhook)
	}
	if r.Slack != nil {
		ways++
		v.secretNamed(at+".slack.url", r.Slack.URL)
	}
	if e := r.Email; e != nil {
		ways++
		if _, _, err := net.SplitHostPort(e.Server); err != nil || !strings.Contains(e.To, "@") || !strings.Contains(e.From, "@") {
			v.bad(at+".email", "write to:, from: and server: host:port", "receiver %q lacks an address or a server", r.Name)
		}
		if e.Password != "" {
			v.secretNamed(at+".email.password", e.Password)
		}
	}
	if ways != 1 {
		v.bad(at, "write one of webhook, slack and email", "receiver %q needs exactly one of webhook, slack and email", r.Name)
	}
}

// monitoringServices checks each part as a service, and that nothing it publishes can be reached from elsewhere.
func (v monitoringValidator) monitoringServices() {
	p := v.p.MonitoringProfile()
	if !namePattern().MatchString(p.Name) {
		v.bad("name", "choose a shorter name", "%q, the name of the monitoring stack, cannot name a Compose project", p.Name)
	}
	parts := &validator{p: p, o: v.o, c: v.c, failed: v.failed, around: v.around, root: "monitoring."}
	taken := map[int]string{}
	for name, s := range v.p.Services {
		for _, port := range s.Ports {
			taken[port.Host] = name
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Services)) {
		if !slices.Contains(v.p.PartNames(), name) {
			continue
		}
		if !namePattern().MatchString(name) {
			v.bad("services."+strings.TrimPrefix(name, profile.PartOf(name)+"-")+"#key", "choose a shorter name, or switch off "+profile.PartOf(name), "%q, the name of its exporter, cannot name a service", name)
		}
		parts.service(name)
		for i, port := range p.Services[name].Ports {
			at := fmt.Sprintf("monitoring.services.%s.ports[%d]", name, i)
			if a, err := netip.ParseAddr(port.Address); err == nil && !a.IsLoopback() || port.Address == profile.EveryAddress {
				v.bad(at, "write \"PORT:PORT\" and use a tunnel or a proxy with a login", "%s would be open on %s; monitoring is published on 127.0.0.1 only", name, port.Address)
			}
			if other, ok := taken[port.Host]; ok {
				v.bad(at, fmt.Sprintf("write monitoring: {services: {%s: {ports: [\"OTHER:%d\"]}}}", name, port.Container),
					"port %d of the host is already taken by %q", port.Host, other)
			}
			taken[port.Host] = name
		}
	}
	parts.exceptions()
}
