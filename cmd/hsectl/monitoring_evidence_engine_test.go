//go:build engine

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/report"
)

// judged is what a command says of each subject and control, and its exit code.
func judged(t *testing.T, args ...string) (map[string]finding.Finding, int) {
	t.Helper()
	code, stdout, stderr := cli(t, append(args, "--format", "json")...)
	d, err := report.Read([]byte(stdout))
	if err != nil {
		t.Fatalf("hsectl %s: exit %d: %v\n%s", strings.Join(args, " "), code, err, stderr)
	}
	out := map[string]finding.Finding{}
	for _, f := range d.Findings {
		out[f.Subject+" "+f.Control] = f
	}
	return out, code
}

const (
	aboutAlerts = monitoringStack + "-monitoring HSE-MON-002"
	aboutVerify = monitoringStack + "-monitoring HSE-MON-003"
	itemAlerts  = "checklist ITEM-09"
)

// expect wants a finding to be as it is said, and its detail to hold a word.
func expect(t *testing.T, found map[string]finding.Finding, name string, status finding.Status, tier finding.Tier, word string) {
	t.Helper()
	if f, ok := found[name]; !ok || f.Status != status || f.Tier != tier || !strings.Contains(f.Detail, word) {
		t.Errorf("%s is %s on %s: %q; want %s on %s, with %q", name, f.Status, f.Tier, f.Detail, status, tier, word)
	}
}

// monitoringIsProven wants both stacks to be proven, and to hear it of Prometheus and Alertmanager themselves that everything is
// monitored and a receiver is notified.
func monitoringIsProven(t *testing.T, file string) {
	t.Helper()
	entered := enter(t, monitoringStack+"-redis-1")
	found, code := judged(t, "verify", "-f", file)
	entered()
	for name, f := range found {
		if !f.Proven() {
			t.Errorf("%s is %s: %s", name, f.Status, f.Detail)
		}
	}
	if code != exitOK || found["prometheus HSE-FS-001"].Status != finding.Pass {
		t.Errorf("verify ends with %d, and says of Prometheus: %+v", code, found["prometheus HSE-FS-001"])
	}
	for service, way := range map[string]string{"app": "its metrics on 3001/metrics", "postgres": "postgres-exporter", "redis": "redis-exporter-redis", "sessions": "redis-exporter-sessions"} {
		expect(t, found, service+" HSE-MON-001", finding.Pass, finding.Behaved, way)
	}
	expect(t, found, aboutAlerts, finding.Pass, finding.Effective, "sent to operators")
	expect(t, found, aboutVerify, finding.Advice, finding.Applied, "no result is stored")
	expect(t, found, "redis HSE-MON-004", finding.Advice, finding.Applied, "true")
	expect(t, found, "sessions HSE-MON-004", finding.Pass, finding.Applied, "none in the last")
	found, _ = judged(t, "checklist", "-f", file)
	expect(t, found, itemAlerts, finding.Pass, finding.Effective, "5 answers")
}

// enter runs a command inside a container again and again until the returned function is called: the engine remembers its last
// 256 events only, and the tests of health of all containers take many.
func enter(t *testing.T, container string) (leave func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	onEngine(t, "exec", container, "true")
	go func() {
		defer close(ended)
		pause := time.NewTicker(time.Second)
		defer pause.Stop()
		for ctx.Err() == nil {
			<-pause.C
			if err := exec.CommandContext(ctx, "docker", "exec", container, "true").Run(); err != nil && ctx.Err() == nil {
				t.Errorf("entering %s: %v", container, err)
				return
			}
		}
	}()
	return func() { cancel(); <-ended }
}

func onEngine(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "docker", args...).Output()
	if err != nil {
		t.Fatalf("docker %s: %v", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out))
}

// memory is what must outlive the containers that know it.
type memory struct {
	prometheus, alertmanager string // ids of the containers
	at                       time.Time
	sample, silence          string
}

// remembered makes a silence, and takes a sample whose value is another one at any other time.
func remembered(t *testing.T) memory {
	t.Helper()
	m := memory{prometheus: containerOf(t, "prometheus"), alertmanager: containerOf(t, "alertmanager"), at: time.Now().Add(-3 * time.Second)}
	m.sample = sampleAt(t, m.at)
	if !strings.Contains(m.sample, `"service":"sessions"`) {
		t.Fatalf("there is no sample of sessions: %s", m.sample)
	}
	now := time.Now().UTC()
	body, err := json.Marshal(map[string]any{"comment": "maintenance", "createdBy": "the test",
		"startsAt": now.Format(time.RFC3339), "endsAt": now.Add(time.Hour).Format(time.RFC3339),
		"matchers": []map[string]any{{"name": "alertname", "value": "VolumeNearlyFull", "isRegex": false, "isEqual": true}}})
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, alertmanagerURL+"/api/v2/silences", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var made struct{ SilenceID string }
	if err := json.NewDecoder(answer.Body).Decode(&made); err != nil || made.SilenceID == "" {
		t.Fatalf("Alertmanager does not take a silence: %s %v", answer.Status, err)
	}
	m.silence = made.SilenceID
	return m
}

// forgotten says what does not outlive the containers, which must have been replaced by others on the same volumes.
func forgotten(t *testing.T, m memory) string {
	if containerOf(t, "prometheus") == m.prometheus || containerOf(t, "alertmanager") == m.alertmanager {
		t.Fatal("the containers are the same as before, so nothing is shown")
	}
	if sample := sampleAt(t, m.at); sample != m.sample {
		return fmt.Sprintf("at %s there was the sample %s, and now it is %s", m.at, m.sample, sample)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, alertmanagerURL+"/api/v2/silence/"+m.silence, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err.Error() // it is starting
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || !strings.Contains(string(text), `"state":"active"`) {
		return fmt.Sprintf("the silence is gone: %s %s", answer.Status, text)
	}
	return ""
}

func containerOf(t *testing.T, part string) string {
	t.Helper()
	return onEngine(t, "inspect", "--format", "{{.Id}}", monitoringStack+"-monitoring-"+part+"-1")
}

// sampleAt is what Prometheus answers about a moment of the past.
func sampleAt(t *testing.T, at time.Time) string {
	t.Helper()
	var answer struct {
		Data struct{ Result json.RawMessage }
	}
	asked(t, fmt.Sprintf("/api/v1/query?query=%s&time=%d", url.QueryEscape(`redis_uptime_in_seconds{service="sessions"}`), at.Unix()), &answer)
	return string(answer.Data.Result)
}

// replicasDown says what is missing of both containers of the application: each is a target of its own, by its own address.
func replicasDown(t *testing.T) string {
	var answer struct {
		Data struct {
			ActiveTargets []struct {
				Labels            map[string]string
				Health, LastError string
			}
		}
	}
	asked(t, "/api/v1/targets", &answer)
	up, said := map[string]bool{}, ""
	for _, target := range answer.Data.ActiveTargets {
		if target.Labels["job"] == "services/app" && target.Labels["service"] == "app" && target.Labels["stack"] == monitoringStack {
			up[target.Labels["instance"]] = target.Health == "up"
			said += fmt.Sprintf("%s is %s %s; ", target.Labels["instance"], target.Health, target.LastError)
		}
	}
	for _, well := range up {
		if !well {
			return said
		}
	}
	if len(up) != 2 {
		return fmt.Sprintf("%d targets of two containers: %s", len(up), said)
	}
	var counted struct {
		Data struct{ Result []struct{ Value [2]any } }
	}
	asked(t, "/api/v1/query?query="+url.QueryEscape(`count(count by (instance) (hse_digital_process_start_time_seconds{service="app",job="services/app"}))`), &counted)
	if len(counted.Data.Result) != 1 || counted.Data.Result[0].Value[1] != "2" {
		return fmt.Sprintf("they tell of themselves as %v", counted.Data.Result)
	}
	return ""
}

// brokenMonitoringIsReported stops an exporter, and then Prometheus itself: no control may be content with that.
func brokenMonitoringIsReported(t *testing.T, file string) {
	t.Helper()
	onEngine(t, "stop", "--time", "5", monitoringStack+"-monitoring-redis-exporter-sessions-1")
	eventually(t, time.Minute, func() string {
		var answer struct {
			Data struct{ Result []json.RawMessage }
		}
		asked(t, "/api/v1/query?query="+url.QueryEscape(`max_over_time(up{job="redis-exporter",service="sessions"}[8s]) == 0`), &answer)
		if len(answer.Data.Result) == 0 {
			return "Prometheus does not see that the exporter is gone"
		}
		return ""
	})
	found, code := judged(t, withReplicas(file, "verify")...)
	expect(t, found, "sessions HSE-MON-001", finding.Fail, finding.Behaved, "redis-exporter-sessions:9121")
	expect(t, found, "redis HSE-MON-001", finding.Pass, finding.Behaved, "redis-exporter-redis")
	expect(t, found, aboutAlerts, finding.Pass, finding.Effective, "")
	expect(t, found, aboutVerify, finding.Pass, finding.Applied, "the last result")
	if code != exitFindings {
		t.Errorf("verify ends with %d", code)
	}
	found, _ = judged(t, withReplicas(file, "checklist")...)
	expect(t, found, itemAlerts, finding.Fail, finding.Effective, "sessions HSE-MON-001")

	onEngine(t, "stop", "--time", "5", monitoringStack+"-monitoring-prometheus-1")
	found, _ = judged(t, withReplicas(file, "checklist")...)
	expect(t, found, itemAlerts, finding.Unknown, finding.None, "HSE-MON-002")
	found, code = judged(t, withReplicas(file, "verify")...)
	expect(t, found, monitoringStack+"-monitoring HSE-MON-001", finding.Unknown, finding.None, "")
	expect(t, found, aboutAlerts, finding.Unknown, finding.None, "")
	for name, f := range found {
		if strings.HasSuffix(name, "HSE-MON-001") && f.Status == finding.Pass {
			t.Errorf("the check was not run, and %s is %s: %s", name, f.Status, f.Detail)
		}
	}
	if code != exitFindings {
		t.Errorf("verify ends with %d", code)
	}
}
