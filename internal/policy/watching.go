package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
)

// Watching describes how a stack is watched, as its profile declares it or as Prometheus itself says.
type Watching struct {
	Name     string // subject of what is not about one service
	Asked    bool   // the profile wants the stack to be watched
	Absent   bool   // it does, and nothing watches here: the monitoring stack is not deployed
	Services Fact[[]Watched]
	Alerts   Fact[Alerts]
	Verified Fact[Verified]
}

// Watched is how one service is watched.
type Watched struct {
	Service string
	Ways    []string // how, in words: its metrics, an exporter, its health
	Jobs    []string // of Prometheus, one for each way
	Open    []string // where others than Prometheus can read its metrics
	Silent  []string // ways that do not answer
}

// Alerts are the rules, and those who are told.
type Alerts struct {
	Rules     []string // names of the alerts
	Receivers []string // who is told; empty when alerts end where they fire
}

// Verified is how often a running stack is verified.
type Verified struct {
	Every time.Duration // as the profile wants it; 0 when it does not
	Age   time.Duration // of the last result on this machine
	Any   bool          // there is a result
}

// NeededAlerts are the alerts without which nobody hears that a service is unwell: its health, its memory, its restarts.
func NeededAlerts() []string {
	return []string{"ServiceUnhealthy", "OOMKilled", "RestartLoop", "TargetDown"}
}

// about is a verdict on one subject.
type about struct {
	subject, key string
	Verdict
}

// CheckWatching applies the controls of how a stack is watched. What the profile does not ask for is advice: another
// system may do it. What it asks for must be so.
func CheckWatching(w Watching) []finding.Finding {
	var out []finding.Finding
	for _, c := range watching() {
		for _, a := range c.watch(w) {
			out = append(out, finding.Finding{Subject: a.subject, Control: c.ID, Title: c.Title, Severity: c.Severity,
				Status: a.Status, Tier: a.Tier, Detail: a.Detail, Remedy: c.Remedy, Where: a.key})
		}
	}
	return out
}

func watching() []Control {
	const by = "lint and verify"
	return []Control{
		{ID: "HSE-MON-001", Title: "Each service is watched, over a network of its own", Severity: finding.Low, Key: "metrics", By: by,
			Rationale: "What nobody measures fails before anybody knows. What a service tells of itself helps whoever attacks it, " +
				"so only Prometheus reads it, over an internal network.",
			References: []string{"NIST SP 800-190 4.4", "NSA/CISA Kubernetes Hardening: logging"},
			Remedy:     "give the service metrics: or a health test, leave prometheus and container-exporter on, and do not publish the port of its metrics",
			watch:      watchedServices},
		{ID: "HSE-MON-002", Title: "Somebody is told when a service is unwell", Severity: finding.Medium, Key: "monitoring.receivers", By: by,
			Rationale:  "An alert that nobody gets is a log line. A service that is killed for memory, restarts or fails its test must reach a person.",
			References: []string{"NIST SP 800-190 4.4", "NSA/CISA Kubernetes Hardening: threat detection"},
			Remedy:     "name a receiver under monitoring.receivers, and leave prometheus, alertmanager and container-exporter on",
			watch: func(w Watching) []about {
				if !w.Asked {
					return nil // said of HSE-MON-001
				}
				return []about{{w.Name, "monitoring.receivers", told(w)}}
			}},
		{ID: "HSE-MON-003", Title: "The running stack is verified again and again", Severity: finding.Medium, Key: "monitoring.verify", By: by,
			Rationale:  "A control that held on the day of the deploy may not hold today: somebody has changed a container, the engine or the host.",
			References: []string{"NIST SP 800-190 4.4.5", "OWASP Docker rule 6"},
			Remedy:     "set monitoring.verify: 1h, and install the timer that generate writes to monitoring/verify",
			watch: func(w Watching) []about {
				if !w.Asked {
					return nil
				}
				return []about{{w.Name, "monitoring.verify", verified(w)}}
			}},
	}
}

func watchedServices(w Watching) []about {
	one := func(v Verdict) []about { return []about{{w.Name, "monitoring", v}} }
	switch {
	case !w.Asked:
		return one(Verdict{finding.Advice, finding.Declared, "the profile has no section monitoring: nothing of it watches the services"})
	case w.Absent:
		return one(Verdict{finding.Advice, finding.Applied, "the monitoring stack is declared, and not deployed here"})
	case !w.Services.Known():
		return one(unknown(w.Services, "how the services are watched"))
	}
	var out []about
	for _, s := range w.Services.Value {
		a := about{subject: s.Service, key: "metrics", Verdict: pass(w.Services.Tier, "%s", strings.Join(s.Ways, ", "))}
		switch {
		case len(s.Open) > 0:
			a.Verdict = fail(w.Services.Tier, "others can read its metrics: %s", strings.Join(s.Open, ", "))
		case len(s.Silent) > 0:
			a.Verdict = fail(w.Services.Tier, "Prometheus gets no answer: %s", strings.Join(s.Silent, ", "))
		case len(s.Ways) == 0:
			a.Verdict = fail(w.Services.Tier, "neither its metrics nor its health is asked for")
		}
		out = append(out, a)
	}
	return out
}

func told(w Watching) Verdict {
	switch {
	case w.Absent:
		return Verdict{finding.Advice, finding.Applied, "the monitoring stack is declared, and not deployed here"}
	case !w.Alerts.Known():
		return unknown(w.Alerts, "the alerts")
	}
	var missing []string
	for _, name := range NeededAlerts() {
		if !slices.Contains(w.Alerts.Value.Rules, name) {
			missing = append(missing, name)
		}
	}
	switch {
	case len(w.Alerts.Value.Rules) == 0:
		return fail(w.Alerts.Tier, "there is no alert")
	case len(missing) > 0:
		return fail(w.Alerts.Tier, "there is no alert %s", strings.Join(missing, ", "))
	case len(w.Alerts.Value.Receivers) == 0:
		return fail(w.Alerts.Tier, "%d alerts, and nobody is told", len(w.Alerts.Value.Rules))
	}
	return pass(w.Alerts.Tier, "%d alerts, told to %s", len(w.Alerts.Value.Rules), strings.Join(w.Alerts.Value.Receivers, ", "))
}

// lateBy is how many times its interval a verify may be old: one may fail to start.
const lateBy = 2

func verified(w Watching) Verdict {
	v := w.Verified.Value
	last := "no result is kept on this machine"
	if v.Any {
		last = "the last result before this one is " + aged(v.Age) + " old"
	}
	switch {
	case !w.Verified.Known():
		return unknown(w.Verified, "the results of verify")
	case v.Every == 0:
		return Verdict{finding.Advice, w.Verified.Tier, "the profile does not say how often; set monitoring.verify"}
	case w.Verified.Tier == finding.Declared:
		return pass(w.Verified.Tier, "every %s, by the timer that generate writes", v.Every)
	case !v.Any:
		return Verdict{finding.Advice, w.Verified.Tier, last + "; the profile wants one every " + v.Every.String()}
	case v.Age > lateBy*v.Every:
		return fail(w.Verified.Tier, "%s, and the profile wants one every %s", last, v.Every)
	}
	return pass(w.Verified.Tier, "%s", last)
}

// aged is a time in the words of people.
func aged(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d seconds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}
