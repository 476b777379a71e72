package verify_test

import (
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/platform"
	"github.com/hsectl/hsectl/internal/verify"
)

const (
	upAnswer = `{"status":"success","data":{"resultType":"vector","result":[
		{"metric":{"__name__":"up","instance":"app:8080","job":"services","service":"app","stack":"shop"},"value":[1,"1"]},
		{"metric":{"__name__":"up","instance":"container-exporter:9119","job":"container-exporter","service":"container-exporter","stack":"shop"},"value":[1,"1"]},
		{"metric":{"__name__":"up","instance":"postgres-exporter:9187","job":"postgres-exporter","service":"db","stack":"shop"},"value":[1,"0"]}]}}`
	rulesAnswer = `{"status":"success","data":{"groups":[{"name":"shop","rules":[
		{"name":"ServiceUnhealthy","health":"ok"},{"name":"OOMKilled","health":"ok"},{"name":"RestartLoop","health":"unknown"},{"name":"TargetDown","health":"ok"}]}]}}`
)

// What Prometheus and Alertmanager say is judged as what is declared.
func TestWatched(t *testing.T) {
	declared := policy.Monitoring{Name: "shop-monitoring", Asked: true, Services: policy.Seen([]policy.MonitoredService{
		{Service: "app", Ways: []string{"its metrics"}, Jobs: []string{"services", "container-exporter"}},
		{Service: "db", Ways: []string{"postgres-exporter"}, Jobs: []string{"postgres-exporter"}},
		{Service: "worker", Ways: []string{"its metrics"}, Jobs: []string{"services"}},
	}, finding.Declared)}
	says := func(body string) verify.WatchAnswer { return verify.WatchAnswer{Body: body} }
	judge := func(up, rules, receivers verify.WatchAnswer) map[string]finding.Finding {
		out := map[string]finding.Finding{}
		for _, f := range platform.CheckMonitoring(verify.Watched(declared, "shop", up, rules, receivers)) {
			out[f.Subject+" "+f.Control] = f
		}
		return out
	}
	got := judge(says(upAnswer), says(rulesAnswer), says(`[{"name":"nobody"},{"name":"operators"}]`))
	for subject, want := range map[string]struct {
		status finding.Status
		detail string
	}{
		"app HSE-MON-001":             {finding.Pass, "its metrics"},
		"db HSE-MON-001":              {finding.Fail, "postgres-exporter:9187"},
		"worker HSE-MON-001":          {finding.Fail, "services is not scraped"},
		"shop-monitoring HSE-MON-002": {finding.Pass, "4 alerts, sent to operators"},
	} {
		if f := got[subject]; f.Status != want.status || !strings.Contains(f.Detail, want.detail) {
			t.Errorf("%s is %s: %s", subject, f.Status, f.Detail)
		}
	}
	if f := judge(says(upAnswer), says(rulesAnswer), says(`[{"name":"nobody"}]`))["shop-monitoring HSE-MON-002"]; f.Status != finding.Fail {
		t.Errorf("no receiver: %s", f.Status)
	}
	broken := strings.Replace(rulesAnswer, `"OOMKilled","health":"ok"`, `"OOMKilled","health":"err"`, 1)
	if f := judge(says(upAnswer), says(broken), says(`[{"name":"operators"}]`))["shop-monitoring HSE-MON-002"]; f.Status != finding.Fail || !strings.Contains(f.Detail, "OOMKilled") {
		t.Errorf("an alert that cannot be evaluated: %s: %s", f.Status, f.Detail)
	}
	for name, answer := range map[string]verify.WatchAnswer{"nothing": {}, "no JSON": says("<html>"), "an error": says(`{"status":"error"}`), "a cause": {Why: "it does not run"}} {
		for subject, f := range judge(answer, answer, says("[]")) {
			if f.Control != "HSE-MON-003" && f.Status != finding.Unknown {
				t.Errorf("%s from Prometheus: %s is %s", name, subject, f.Status)
			}
		}
	}
	if f := judge(says(upAnswer), says(rulesAnswer), says("<html>"))["shop-monitoring HSE-MON-002"]; f.Status != finding.Unknown {
		t.Errorf("an answer of Alertmanager that is none: %s", f.Status)
	}
}
