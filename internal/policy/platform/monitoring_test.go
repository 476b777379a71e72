package platform_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/platform"
)

// wellMonitored is a stack that is watched as it should be, as Prometheus itself says.
func wellMonitored() policy.Monitoring {
	return policy.Monitoring{Name: "shop-monitoring", Asked: true,
		Services: seen([]policy.MonitoredService{{Service: "app", Ways: []string{"its metrics on 8080/metrics"}}, {Service: "db", Ways: []string{"postgres-exporter"}}}),
		Alerts:   seen(policy.Alerts{Rules: append(platform.NeededAlerts(), "VolumeNearlyFull"), Receivers: []string{"operators"}}),
		Verified: seen(policy.Verification{Every: time.Hour, Age: 40 * time.Minute, Any: true}),
	}
}

func TestHowAStackIsWatched(t *testing.T) {
	const pass, fail, unknown, advice = finding.Pass, finding.Fail, finding.Unknown, finding.Advice
	for name, c := range map[string]struct {
		control string
		change  func(*policy.Monitoring)
		want    finding.Status
		detail  string
	}{
		"as it should be": {"HSE-MON-001", func(*policy.Monitoring) {}, pass, "its metrics on 8080/metrics"},
		"not asked for":   {"HSE-MON-001", func(w *policy.Monitoring) { w.Asked = false }, advice, "no section monitoring"},
		"not deployed":    {"HSE-MON-001", func(w *policy.Monitoring) { w.Absent = true }, advice, "not deployed here"},
		"not inspected": {"HSE-MON-001", func(w *policy.Monitoring) {
			w.Services = policy.Unseen[[]policy.MonitoredService]("Prometheus is down")
		}, unknown, "Prometheus is down"},
		"in no way":                   {"HSE-MON-001", func(w *policy.Monitoring) { w.Services.Value[0].Ways = nil }, fail, "neither its metrics nor its health"},
		"metrics for everybody":       {"HSE-MON-001", func(w *policy.Monitoring) { w.Services.Value[0].Open = []string{"0.0.0.0:8080"} }, fail, "others can read its metrics: 0.0.0.0:8080"},
		"no answer":                   {"HSE-MON-001", func(w *policy.Monitoring) { w.Services.Value[0].Silent = []string{"app:8080"} }, fail, "no answer: app:8080"},
		"told":                        {"HSE-MON-002", func(*policy.Monitoring) {}, pass, "5 alerts, sent to operators"},
		"alerts of no stack":          {"HSE-MON-002", func(w *policy.Monitoring) { w.Absent = true }, advice, "not deployed here"},
		"no alert":                    {"HSE-MON-002", func(w *policy.Monitoring) { w.Alerts.Value.Rules = nil }, fail, "no alert is defined"},
		"an alert less":               {"HSE-MON-002", func(w *policy.Monitoring) { w.Alerts.Value.Rules = []string{"OOMKilled", "RestartLoop", "TargetDown"} }, fail, "ServiceUnhealthy"},
		"no receiver":                 {"HSE-MON-002", func(w *policy.Monitoring) { w.Alerts.Value.Receivers = nil }, fail, "no receiver is set"},
		"alerts that were not seen":   {"HSE-MON-002", func(w *policy.Monitoring) { w.Alerts = policy.Fact[policy.Alerts]{} }, unknown, "the alerts"},
		"verified":                    {"HSE-MON-003", func(*policy.Monitoring) {}, pass, "40 minutes old"},
		"verified long ago":           {"HSE-MON-003", func(w *policy.Monitoring) { w.Verified.Value.Age = 5 * 24 * time.Hour }, fail, "5 days old"},
		"one run missed":              {"HSE-MON-003", func(w *policy.Monitoring) { w.Verified.Value.Age = 2 * time.Hour }, pass, "2 hours old"},
		"verified for the first time": {"HSE-MON-003", func(w *policy.Monitoring) { w.Verified.Value.Any = false }, advice, "wants one every 1h0m0s"},
		"no schedule":                 {"HSE-MON-003", func(w *policy.Monitoring) { w.Verified.Value.Every = 0 }, advice, "does not say how often"},
		"declared only": {"HSE-MON-003", func(w *policy.Monitoring) {
			w.Verified = policy.Seen(policy.Verification{Every: time.Hour}, finding.Declared)
		}, pass, "every 1h0m0s"},
		"results out of sight": {"HSE-MON-003", func(w *policy.Monitoring) { w.Verified = policy.Unseen[policy.Verification]("no home directory") }, unknown, "no home directory"},
	} {
		t.Run(name, func(t *testing.T) {
			w := wellMonitored()
			c.change(&w)
			for _, f := range platform.CheckMonitoring(w) {
				if f.Control == c.control {
					if f.Status != c.want || !strings.Contains(f.Detail, c.detail) {
						t.Errorf("%s is %s: %s", f.Control, f.Status, f.Detail)
					}
					return
				}
			}
			t.Errorf("%s is not judged", c.control)
		})
	}
}

// A profile that asks for no monitoring gets one piece of advice, which stops nothing.
func TestWhoAsksForNothingIsAdvised(t *testing.T) {
	findings := platform.CheckMonitoring(policy.Monitoring{Name: "shop-monitoring"})
	if len(findings) != 1 || findings[0].Status != finding.Advice || !finding.Proven(findings) {
		t.Errorf("got %+v", findings)
	}
}

// Without evidence nothing passes.
func TestMonitoringWithoutInspection(t *testing.T) {
	for _, f := range platform.CheckMonitoring(policy.Monitoring{Asked: true}) {
		if f.Status != finding.Unknown || f.Tier != finding.None {
			t.Errorf("%s is %s on %s", f.Control, f.Status, f.Tier)
		}
	}
}
