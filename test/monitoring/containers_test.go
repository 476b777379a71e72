package monitoring_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/hsectl/hsectl/templates"
)

// The script reads records that programs of other people have filled: what is in a string must never pass for a key.
func TestContainersAreNamedByTheirComposeLabels(t *testing.T) {
	id := func(c string) string { return strings.Repeat(c, 64) }
	record := func(id, state, project, service, more string) string {
		return `{"StreamConfig":{},"State":{` + state + `},"ID":"` + id + `","Config":{"Env":["A=\\"ID\\":\\"` + strings.Repeat("f", 64) + `\\"",` +
			`"B={\\"com.docker.compose.project\\":\\"shop\\",\\"OOMKilled\\":true,\\"Status\\":\\"unhealthy\\"}"` + more + `],"Labels":{"com.docker.compose.project":"` +
			project + `","com.docker.compose.service":"` + service + `"}},"RestartCount":3,"Name":"/x"}`
	}
	const well = `"Running":true,"Restarting":false,"OOMKilled":false,"ExitCode":0,"Health":{"Status":"healthy","Log":[{"ExitCode":1,"Output":"\"Status\":\"unhealthy\""}]}`
	dir := t.TempDir()
	for name, data := range map[string]string{
		"a": record(id("a"), well, "shop", "app", ""),
		"b": record(id("b"), `"Running":false,"Restarting":true,"OOMKilled":true,"Health":{"Status":"unhealthy"}`, "shop", "worker", ""),
		"c": record(id("c"), `"Running":true,"Restarting":false,"OOMKilled":false,"Health":{"Status":"starting"}`, "shop", "slow", ""),
		"d": record(id("d"), well, "other", "app", ""),
		"e": record(id("e"), well, `shop\"} 1\nevil{x=\"`, "app", ""),
		"f": record("short", well, "shop", "app", ""),
		"g": "not a record", "h": "",
	} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, "config.v2.json"), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	script := strings.Replace(string(templates.Containers()), "/var/lib/docker/containers", dir, 1)
	command := exec.CommandContext(t.Context(), "sh", "-c", script)
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HSE_STACK=shop"}
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	head, body, ok := strings.Cut(string(out), "\r\n\r\n")
	if !ok || head != "Content-Type: text/plain; version=0.0.4" {
		t.Fatalf("the answer begins with %q", head)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatalf("Prometheus cannot read it: %v\n%s", err, body)
	}
	got := map[string]float64{}
	for name, family := range families {
		for _, m := range family.GetMetric() {
			service := ""
			for _, l := range m.GetLabel() {
				if l.GetName() == "service" {
					service = " " + l.GetValue()
				}
			}
			got[name+service] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	want := map[string]float64{"hse_container_records": 7,
		"hse_container_info app": 1, "hse_container_running app": 1, "hse_container_oom_killed app": 0, "hse_container_healthy app": 1, "hse_container_restarts_total app": 3,
		"hse_container_info worker": 1, "hse_container_running worker": 0, "hse_container_oom_killed worker": 1, "hse_container_healthy worker": 0, "hse_container_restarts_total worker": 3,
		"hse_container_info slow": 1, "hse_container_running slow": 1, "hse_container_oom_killed slow": 0, "hse_container_restarts_total slow": 3,
	}
	for name, value := range want {
		if v, ok := got[name]; !ok || v != value {
			t.Errorf("%s is %v, want %v", name, v, value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d series, want %d:\n%s", len(got), len(want), body)
	}
}
