package platform

import (
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

// NeededAlerts are the alerts that report an unhealthy service: its health, its memory, its restarts.
func NeededAlerts() []string {
	return []string{"ServiceUnhealthy", "OOMKilled", "RestartLoop", "TargetDown"}
}

// about is a verdict on one subject.
type about struct {
	subject, key string
	policy.Verdict
}

// CheckMonitoring applies the controls of how a stack is watched. What the profile does not ask for is advice: another
// system may do it. What it asks for must be so.
func CheckMonitoring(w policy.Monitoring) []finding.Finding {
	var out []finding.Finding
	for _, c := range monitoring() {
		for _, a := range c.judge(w) {
			out = append(out, finding.Finding{Subject: a.subject, Control: c.ID, Title: c.Title, Severity: c.Severity,
				Status: a.Status, Tier: a.Tier, Detail: a.Detail, Remedy: c.Remedy, Where: a.key})
		}
	}
	return out
}

// monitoringControl is a control of how a stack is watched.
type monitoringControl struct {
	policy.Control
	judge func(policy.Monitoring) []about
}

func monitoring() []monitoringControl {
	const by = "lint and verify"
	return []monitoringControl{
		{Control: policy.Control{ID: "HSE-MON-001", Title: "Each service is monitored, over a network of its own", Severity: finding.Low, Key: "metrics", By: by,
			Rationale: "Failures of a service that is not measured go unnoticed. Metrics of a service help an attacker, " +
				"so only Prometheus reads it, over an internal network.",
			References: []string{"NIST SP 800-190 4.4", "NSA/CISA Kubernetes Hardening: logging"},
			Remedy:     "give the service metrics: or a health test, leave prometheus and container-exporter on, and do not publish the port of its metrics"},
			judge: monitoredServices},
		{Control: policy.Control{ID: "HSE-MON-002", Title: "A receiver is notified when a service is unhealthy", Severity: finding.Medium, Key: "monitoring.receivers", By: by,
			Rationale:  "An alert without a receiver is only a log line. A service that is killed for memory, restarts or fails its test must reach a person.",
			References: []string{"NIST SP 800-190 4.4", "NSA/CISA Kubernetes Hardening: threat detection"},
			Remedy:     "name a receiver under monitoring.receivers, and leave prometheus, alertmanager and container-exporter on"},
			judge: func(w policy.Monitoring) []about {
				if !w.Asked {
					return nil // said of HSE-MON-001
				}
				return []about{{w.Name, "monitoring.receivers", told(w)}}
			}},
		{Control: policy.Control{ID: "HSE-MON-003", Title: "The running stack is verified regularly", Severity: finding.Medium, Key: "monitoring.verify", By: by,
			Rationale:  "A control that held at deploy time may not hold today: a container, the engine or the host may have changed.",
			References: []string{"NIST SP 800-190 4.4.5", "OWASP Docker rule 6"},
			Remedy:     "set monitoring.verify: 1h, and install the timer that generate writes to monitoring/verify"},
			judge: func(w policy.Monitoring) []about {
				if !w.Asked {
					return nil
				}
				return []about{{w.Name, "monitoring.verify", verified(w)}}
			}},
	}
}

func monitoredServices(w policy.Monitoring) []about {
	one := func(v policy.Verdict) []about { return []about{{w.Name, "monitoring", v}} }
	switch {
	case !w.Asked:
		return one(policy.Advise(finding.Declared, "the profile has no section monitoring, so the services are not monitored"))
	case w.Absent:
		return one(policy.Advise(finding.Applied, "the monitoring stack is declared, and not deployed here"))
	case !w.Services.Known():
		return one(policy.Unknown(w.Services, "the monitoring of the services"))
	}
	var out []about
	for _, s := range w.Services.Value {
		a := about{subject: s.Service, key: "metrics", Verdict: policy.Pass(w.Services.Tier, "%s", strings.Join(s.Ways, ", "))}
		switch {
		case len(s.Open) > 0:
			a.Verdict = policy.Fail(w.Services.Tier, "others can read its metrics: %s", strings.Join(s.Open, ", "))
		case len(s.Silent) > 0:
			a.Verdict = policy.Fail(w.Services.Tier, "Prometheus gets no answer: %s", strings.Join(s.Silent, ", "))
		case len(s.Ways) == 0:
			a.Verdict = policy.Fail(w.Services.Tier, "neither its metrics nor its health is collected")
		}
		out = append(out, a)
	}
	return out
}

func told(w policy.Monitoring) policy.Verdict {
	switch {
	case w.Absent:
		return policy.Advise(finding.Applied, "the monitoring stack is declared, and not deployed here")
	case !w.Alerts.Known():
		return policy.Unknown(w.Alerts, "the alerts")
	}
	var missing []string
	for _, name := range NeededAlerts() {
		if !slices.Contains(w.Alerts.Value.Rules, name) {
			missing = append(missing, name)
		}
	}
	switch {
	case len(w.Alerts.Value.Rules) == 0:
		return policy.Fail(w.Alerts.Tier, "no alert is defined")
	case len(missing) > 0:
		return policy.Fail(w.Alerts.Tier, "alert %s is not defined", strings.Join(missing, ", "))
	case len(w.Alerts.Value.Receivers) == 0:
		return policy.Fail(w.Alerts.Tier, "%d alerts, but no receiver is set", len(w.Alerts.Value.Rules))
	}
	return policy.Pass(w.Alerts.Tier, "%d alerts, sent to %s", len(w.Alerts.Value.Rules), strings.Join(w.Alerts.Value.Receivers, ", "))
}

// lateBy is how many times its interval a verify may be old: one may fail to start.
const lateBy = 2

func verified(w policy.Monitoring) policy.Verdict {
	v := w.Verified.Value
	last := "no result is stored on this machine"
	if v.Any {
		last = "the last result before this one is " + policy.Age(v.Age) + " old"
	}
	switch {
	case !w.Verified.Known():
		return policy.Unknown(w.Verified, "the results of verify")
	case v.Every == 0:
		return policy.Advise(w.Verified.Tier, "the profile does not say how often; set monitoring.verify")
	case w.Verified.Tier == finding.Declared:
		return policy.Pass(w.Verified.Tier, "every %s, by the timer that generate writes", v.Every)
	case !v.Any:
		return policy.Advise(w.Verified.Tier, last+"; the profile wants one every "+v.Every.String())
	case v.Age > lateBy*v.Every:
		return policy.Fail(w.Verified.Tier, "%s, and the profile wants one every %s", last, v.Every)
	}
	return policy.Pass(w.Verified.Tier, "%s", last)
}
