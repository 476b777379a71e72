package review

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/stack"
)

// Controls that a change of how a stack is watched touches.
const (
	controlWatched = "HSE-MON-001"
	controlAlerts  = "HSE-MON-002"
)

// watching reports whether the stacks are those that watch another.
func (c *comparison) watching() bool { return c.base.Monitoring != nil || c.head.Monitoring != nil }

// root begins the keys of the services in the profile.
func (c *comparison) root() string {
	if c.watching() {
		return "monitoring."
	}
	return ""
}

// monitoring compares how a stack is watched. The parts themselves are compared as the services they are.
func (c *comparison) monitoring() {
	old, now := c.base.Monitoring, c.head.Monitoring
	switch {
	case old == nil && now == nil:
		return
	case now == nil:
		c.watch(Change{Control: controlAlerts, Direction: Weaker, Severity: finding.Medium, What: "monitoring", Old: display.Count(len(c.base.Stack.Services), "part"),
			Reason: "the stack is no longer monitored; the parts and their volumes stay on the engine until they are removed"})
		return
	case old == nil:
		c.watch(Change{Control: controlAlerts, Direction: Stronger, Severity: finding.Medium, What: "monitoring", New: display.Count(len(c.head.Stack.Services), "part"),
			Reason: "the stack is monitored; the grants of each part follow"})
	default:
		c.kept(old.Retention, now.Retention)
		c.logSink(old.Logs, now.Logs)
		c.asked(old.Probes, now.Probes)
		c.scrapes(old, now)
	}
	c.receivers()
}

// watch notes a change of the monitoring section; the key is relative to it.
func (c *comparison) watch(change Change) {
	change.Key = strings.TrimSuffix("monitoring."+change.Key, ".")
	change.Rule = cmp.Or(change.Rule, RuleWatch)
	c.changes = append(c.changes, change)
}

// loss is what is no longer seen when a part is off.
type loss struct {
	severity finding.Severity
	control  string
	reason   string
}

func losses() map[string]loss {
	return map[string]loss{
		profile.PartPrometheus:       {finding.Medium, controlAlerts, "nothing is measured, and no alert can fire"},
		profile.PartAlertmanager:     {finding.Medium, controlAlerts, "alerts fire, but no receiver is notified"},
		profile.PartContainers:       {finding.Medium, controlAlerts, "unhealthy services, restarts and OOM kills are no longer seen"},
		profile.PartCadvisor:         {finding.Medium, controlAlerts, "a service that comes near its limits goes unnoticed"},
		profile.PartNodeExporter:     {finding.Low, controlAlerts, "full disks of the host, and OOM kills that the engine missed, are no longer seen"},
		profile.PartBlackbox:         {finding.Low, controlWatched, "services are no longer probed from outside their containers, and no certificate is watched"},
		profile.PartPostgresExporter: {finding.Low, controlWatched, "the databases are no longer measured"},
		profile.PartRedisExporter:    {finding.Low, controlWatched, "the caches are no longer measured"},
		profile.PartGrafana:          {finding.Low, "", "dashboards are not available"},
		profile.PartLoki:             {finding.Medium, "", "logs are not kept beyond their rotation"},
		profile.PartAlloy:            {finding.Medium, "", "logs are not shipped, and end with their rotation"},
		profile.PartCollector:        {finding.Low, "", "traces are not collected"},
		profile.PartTempo:            {finding.Low, "", "traces are not kept"},
	}
}

// part notes a part of the monitoring that is there now, or no more. One that has nothing to do any more is no loss.
func (s *serviceComparison) part(gone bool) {
	l := losses()[profile.PartOf(s.name)]
	c := Change{Rule: RuleWatch, Control: l.control, Severity: l.severity, What: "part"}
	switch {
	case !gone:
		c.Direction, c.New, c.Reason = Stronger, describe(s.new), "one more part of the monitoring stack runs"
	case slices.Contains(s.head.Monitoring.Off, profile.PartOf(s.name)):
		c.Direction, c.Old, c.Reason = Weaker, describe(s.old), l.reason
	case slices.ContainsFunc(s.head.Stack.Services, func(o stack.Service) bool { return profile.PartOf(o.Name) == profile.PartOf(s.name) }):
		c.Severity, c.Old, c.Reason = finding.Info, describe(s.old), "exporters of other names do its work"
	default:
		c.Severity, c.Old, c.Reason = finding.Info, describe(s.old), "it has nothing left to do"
	}
	s.change(c)
	if gone && c.Direction == Weaker {
		s.changes[len(s.changes)-1].Key = "monitoring.off"
	}
}

// kept compares how long observations are kept.
func (c *comparison) kept(old, now profile.Retention) {
	days := func(n int) string { return display.Count(n, "day") }
	for _, k := range []struct {
		key, what string
		old, new  int64
		text      func(int) string
	}{
		{"metrics", "retention of metrics", int64(old.Metrics), int64(now.Metrics), days},
		{"size", "bytes of metrics", old.Size.N, now.Size.N, nil},
		{"logs", "retention of logs", int64(old.Logs), int64(now.Logs), days},
		{"traces", "retention of traces", int64(old.Traces), int64(now.Traces), days},
	} {
		if k.old == k.new {
			continue
		}
		change := Change{What: k.what, Old: old.Size.Text, New: now.Size.Text, Key: "retention." + k.key, Direction: Stronger, Severity: finding.Low, Reason: "more history is kept, and needs more disk"}
		if k.text != nil {
			change.Old, change.New = k.text(int(k.old)), k.text(int(k.new))
		}
		if k.new < k.old {
			change.Direction, change.Reason = Weaker, "less history is kept for diagnosing incidents"
			if 2*k.new < k.old {
				change.Severity = finding.Medium
			}
		}
		c.watch(change)
	}
}

// logSink compares where everything goes that the services write.
func (c *comparison) logSink(old, now profile.LogSink) {
	was, is := sinkText(old), sinkText(now)
	if was != is {
		change := Change{What: "logs", Old: was, New: is, Key: "logs", Severity: finding.Medium, Reason: "logs go to a different place; earlier logs stay where they are"}
		switch plain := strings.HasPrefix(now.URL, "http://"); {
		case plain && !strings.HasPrefix(old.URL, "http://"):
			change.Direction, change.Severity, change.Reason = Weaker, finding.High, "everyone on the path can read the logs of the services"
		case !plain && strings.HasPrefix(old.URL, "http://"):
			change.Direction, change.Reason = Stronger, "the logs of the services cannot be read in transit"
		}
		c.watch(change)
	}
	if old.To == now.To && (old.User != now.User || old.Password != now.Password) {
		c.watch(Change{What: "login for logs", Old: loginText(old), New: loginText(now), Key: "logs", Severity: finding.Low, Reason: "logs are sent with a different login; check that it may only write"})
	}
}

func sinkText(l profile.LogSink) string { return strings.TrimSpace(l.To + " " + l.URL) }

func loginText(l profile.LogSink) string {
	if l.User == "" {
		return "none"
	}
	return l.User + ", secret " + l.Password
}

// asked compares the addresses that are asked from outside.
func (c *comparison) asked(old, now []string) {
	for _, address := range old {
		if !slices.Contains(now, address) {
			c.watch(Change{Control: controlWatched, Direction: Weaker, Severity: finding.Low, What: "probe", Old: address, Key: "probes", Reason: "a failure to answer or an expired certificate goes unnoticed"})
		}
	}
	for i, address := range now {
		if !slices.Contains(old, address) {
			c.watch(Change{Control: controlWatched, Direction: Stronger, Severity: finding.Low, What: "probe", New: address, Key: fmt.Sprintf("probes[%d]", i), Reason: "it is asked from outside, also for its certificate"})
		}
	}
}

// scrapes compares how often is looked, who may look at dashboards, and where alerts point.
func (c *comparison) scrapes(old, now *profile.Monitoring) {
	if old.Interval.D != now.Interval.D {
		change := Change{Control: controlWatched, Direction: Stronger, Severity: finding.Low, What: "time between two scrapes", Old: old.Interval.Text, New: now.Interval.Text, Key: "interval", Reason: "failure is noticed sooner"}
		if now.Interval.D > old.Interval.D {
			change.Direction, change.Reason = Weaker, "failure is noticed later, and short ones not at all"
		}
		c.watch(change)
	}
	if old.GrafanaPassword != now.GrafanaPassword && old.GrafanaPassword != "" && now.GrafanaPassword != "" {
		change := Change{Control: "HSE-SEC-002", What: "password of Grafana", Old: "secret " + old.GrafanaPassword, New: "secret " + now.GrafanaPassword, Key: "grafana_password",
			Severity: finding.Medium, Reason: "another value opens the dashboards; check that it cannot be guessed"}
		switch profile.MonitoringSecret {
		case old.GrafanaPassword:
			change.Direction, change.Severity, change.Reason = Weaker, finding.Low, "it is chosen by hand now; the generated one could not be guessed"
		case now.GrafanaPassword:
			change.Direction, change.Severity, change.Reason = Stronger, finding.Low, "it is generated, and cannot be guessed"
		}
		c.watch(change)
	}
	if old.Verify.D != now.Verify.D {
		change := Change{Control: "HSE-MON-003", Direction: Stronger, Severity: finding.Low, What: "time between two runs of verify", Old: old.Verify.Text, New: now.Verify.Text, Key: "verify", Reason: "drift is noticed sooner"}
		if now.Verify.D == 0 || old.Verify.D != 0 && now.Verify.D > old.Verify.D {
			change.Direction, change.Reason = Weaker, "drift is noticed later, or only by chance"
		}
		c.watch(change)
	}
	if old.Runbooks != now.Runbooks {
		c.watch(Change{What: "runbooks", Old: old.Runbooks, New: now.Runbooks, Key: "runbooks", Severity: finding.Low, Reason: "alerts link to a different address"})
	}
}

// observation compares what a service lets others measure, and what its users may expect.
func (s *serviceComparison) observation() {
	old, now := s.old.Metrics, s.new.Metrics
	c := Change{Rule: RuleWatch, Control: controlWatched, What: "metrics", Key: "metrics", Severity: finding.Low}
	switch {
	case old != nil && now == nil:
		c.Direction, c.Old, c.Reason = Weaker, fmt.Sprintf("%d%s", old.Port, old.Path), "Prometheus no longer scrapes it: its metrics are missing"
		s.change(c)
	case old == nil && now != nil:
		c.Direction, c.New, c.Reason = Stronger, fmt.Sprintf("%d%s", now.Port, now.Path), "Prometheus asks it"
		s.change(c)
	case old != nil && *old != *now:
		c.Old, c.New = fmt.Sprintf("%d%s %s", old.Port, old.Path, old.Prefix), fmt.Sprintf("%d%s %s", now.Port, now.Path, now.Prefix)
		c.Reason = "check that it answers there, under these names: alerts and dashboards ask for nothing else"
		s.change(c)
	}
	s.objective("slo.latency_p95", "objective of latency", float64(s.old.SLO.LatencyP95), float64(s.new.SLO.LatencyP95), s.old.SLO.LatencyP95.String(), s.new.SLO.LatencyP95.String(), false)
	s.objective("slo.availability", "objective of availability", s.old.SLO.Availability, s.new.SLO.Availability, percent(s.old.SLO.Availability), percent(s.new.SLO.Availability), true)
}

func percent(p float64) string { return strconv.FormatFloat(p, 'f', -1, 64) + " %" }

// objective notes one that was loosened, tightened, removed or set; more says whether a higher value is the stricter one.
func (s *serviceComparison) objective(key, what string, old, now float64, oldText, newText string, more bool) {
	if old == now {
		return
	}
	c := Change{Rule: RuleWatch, Control: controlAlerts, What: what, Old: oldText, New: newText, Key: key, Direction: Stronger, Severity: finding.Low, Reason: "an alert fires sooner"}
	switch {
	case now == 0:
		c.Direction, c.New, c.Key, c.Reason = Weaker, "", "slo", "alerts no longer fire for it"
	case old == 0:
		c.Old, c.Reason = "", "an alert fires when it is missed"
	case now > old != more:
		c.Direction, c.Reason = Weaker, "an alert fires later"
	}
	s.change(c)
}

// receivers compares the receivers of alerts. One that only has another name is paired with itself.
func (c *comparison) receivers() {
	var old, now []profile.Receiver
	if c.base.Monitoring != nil {
		old = slices.Clone(c.base.Monitoring.Receivers)
	}
	if c.head.Monitoring != nil {
		now = c.head.Monitoring.Receivers
	}
	first := len(old) == 0
	var fresh []int
	for i, r := range now {
		if j := slices.IndexFunc(old, func(o profile.Receiver) bool { return o.Name == r.Name }); j >= 0 {
			c.receiver(i, old[j], r)
			old = slices.Delete(old, j, j+1)
			continue
		}
		fresh = append(fresh, i)
	}
	for _, i := range fresh {
		j := slices.IndexFunc(old, func(o profile.Receiver) bool { return destination(o) == destination(now[i]) })
		if j >= 0 {
			c.watch(Change{Control: controlAlerts, What: "name of a receiver", Old: old[j].Name, New: now[i].Name, Key: fmt.Sprintf("receivers[%d]", i), Reason: "the same receiver is notified"})
			c.receiver(i, old[j], now[i])
			old = slices.Delete(old, j, j+1)
			continue
		}
		change := Change{Control: controlAlerts, Direction: Stronger, Severity: finding.Low, What: "receiver", New: receiverText(now[i]), Key: fmt.Sprintf("receivers[%d]", i), Reason: "one more receiver is notified of alerts"}
		if first {
			change.Severity, change.Reason = finding.Medium, "alerts reach a receiver"
		}
		c.watch(change)
	}
	for _, r := range old {
		change := Change{Control: controlAlerts, Direction: Weaker, Severity: finding.Low, What: "receiver", Old: receiverText(r), Key: "receivers", Reason: "one receiver fewer is notified of alerts"}
		if len(now) == 0 {
			change.Severity, change.Reason = finding.Medium, "alerts fire, but no receiver is notified"
		}
		c.watch(change)
	}
}

// receiver compares one that was there before.
func (c *comparison) receiver(i int, old, now profile.Receiver) {
	key := fmt.Sprintf("receivers[%d]", i)
	if a, b := destination(old), destination(now); a != b {
		c.watch(Change{Control: controlAlerts, Severity: finding.Medium, What: "receiver " + now.Name, Old: a, New: b, Key: key, Reason: "alerts go to a different address; check that they are read there"})
	}
	was, is := cmp.Or(old.Severity, "all"), cmp.Or(now.Severity, "all")
	switch {
	case was == is:
		return
	case is == "all":
		c.watch(Change{Control: controlAlerts, Direction: Stronger, Severity: finding.Low, What: "alerts for " + now.Name, Old: was, New: is, Key: key + ".severity", Reason: "it is notified of warnings, too"})
	default:
		change := Change{Control: controlAlerts, Direction: Weaker, Severity: finding.Low, What: "alerts for " + now.Name, Old: was, New: is, Key: key + ".severity", Reason: "it is no longer notified of warnings"}
		if !slices.ContainsFunc(c.head.Monitoring.Receivers, func(r profile.Receiver) bool { return cmp.Or(r.Severity, "all") == "all" }) {
			change.Severity, change.Reason = finding.Medium, "receivers no longer get warnings"
		}
		c.watch(change)
	}
}

// destination says where a receiver is told: the name of a secret, never its value.
func destination(r profile.Receiver) string {
	switch {
	case r.Webhook != "":
		return "webhook of secret " + r.Webhook
	case r.Slack != nil:
		return strings.TrimSpace("slack of secret " + r.Slack.URL + " " + r.Slack.Channel)
	case r.Email != nil:
		return "mail to " + r.Email.To + " by " + r.Email.Server
	}
	return ""
}

func receiverText(r profile.Receiver) string {
	return fmt.Sprintf("%s: %s, %s alerts", r.Name, destination(r), cmp.Or(r.Severity, "all"))
}
