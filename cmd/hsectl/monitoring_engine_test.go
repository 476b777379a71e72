//go:build engine

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/app"
)

const (
	monitoringImage = "hsectl/monitoring-drop-in:2"
	monitoringStack = "hsectl-test-monitoring"
	prometheusURL   = "http://127.0.0.1:19090"
	alertmanagerURL = "http://127.0.0.1:19093"
)

// Monitoring, on an engine with a real Prometheus, Alertmanager and exporters: every target is up, every query of every
// panel returns data, a service that fills its memory is reported to a webhook, every control holds, and what was measured and
// silenced outlives the containers. What is broken then is told.
func TestMonitoringOnAnEngine(t *testing.T) {
	if err := exec.CommandContext(t.Context(), "docker", "image", "inspect", monitoringImage).Run(); err != nil {
		t.Fatalf("the engine has no image %s: scripts/monitoring-image makes it", monitoringImage)
	}
	probe := filepath.Join(t.TempDir(), "hsectl")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", probe, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the probe: %v\n%s", err, out)
	}
	t.Setenv("HSECTL_PROBE_PROGRAM", probe)
	for name, value := range referenceSecrets {
		t.Setenv(name, value)
	}
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	address, alerts := webhook(t)
	t.Setenv("ALERT_WEBHOOK_URL", address)
	file := monitoringProfile(t)
	t.Cleanup(func() { removeStacks(t, file, monitoringStack+"-monitoring", monitoringStack) })
	mustCLI(t, "build", "-f", file, "--network", "host", "app")
	mustCLI(t, "deploy", "--monitoring", "-f", file, "--set", "services.app.labels.release=first")
	mustCLI(t, "deploy", "-f", file) // the app's container was replaced, and monitoring is not informed
	exhaustMemory(t)                 // the alert about it takes its time, while the rest is asked

	out := t.TempDir()
	mustCLI(t, "generate", "-f", withGrafana(t, file), "--out", out)
	eventually(t, 3*time.Minute, func() string { return targetsDown(t) })
	eventually(t, 3*time.Minute, func() string { return panelsWithoutData(t, out) })
	eventually(t, time.Minute, func() string { return measured(t, "app") })

	monitoringIsProven(t, file)
	if stdout, _ := mustCLI(t, "status", "-f", file); !regexp.MustCompile(`prometheus +healthy +http://127.0.0.1:19090`).MatchString(stdout) {
		t.Errorf("status does not say where to look:\n%s", stdout)
	}
	if stdout, stderr := mustCLI(t, "deploy", "--monitoring", "--dry-run", "-f", file); stdout != "" || strings.Count(stderr, "nothing to do") != 2 {
		t.Errorf("unchanged stacks are planned as:\n%s%s", stdout, stderr)
	}
	before := remembered(t)
	generatedIsKept(t, file)
	eventually(t, time.Minute, func() string { return forgotten(t, before) })
	eventually(t, time.Minute, func() string { return replicasDown(t) })
	eventually(t, 2*time.Minute, func() string {
		select {
		case body := <-alerts:
			if strings.Contains(body, `"alertname":"MemoryNearLimit"`) && strings.Contains(body, `"service":"redis"`) {
				return ""
			}
		default:
		}
		return "no alert about the memory of redis has arrived: " + answered(t, `hse:memory_usage_bytes / hse:memory_limit_bytes`) + answered(t, `ALERTS`)
	})
	brokenMonitoringIsReported(t, file)
}

// monitoringProfile is the reference profile with the parts that can be had from packages, and a cache of little memory.
func monitoringProfile(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../../profiles/hse-digital.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	text, _, _ = strings.Cut(text, "monitoring:\n  retention")
	text = strings.NewReplacer("name: hse-digital\n", "name: "+monitoringStack+"\n", "    ports:\n      - \"3001:3001\"\n", "", // it will have two containers
		"\nservices:\n", "\nvolumes: {uploads: {shared: true}, reports: {shared: true}, app-logs: {shared: true}, app-tmp: {shared: true}}\nservices:\n"+
			"  sessions: {preset: redis, limits: {memory: 64M}, health: {interval: 5s, retries: 20}, networks: [backend]}\n",
		"image: hse-digital:latest", "image: hsectl-test-monitoring:latest", "memory: 512M, pids: 100", "memory: 192M, pids: 100",
		"memory: 256M}", "memory: 32M}", "arguments: [--maxmemory-policy", "arguments: [--maxmemory, 190mb, --save, '', --maxmemory-policy",
		"interval: 15s", "interval: 5s\n      timeout: 5s\n      retries: 20", "shell: REDISCLI_AUTH", "interval: 5s\n      retries: 20\n      shell: REDISCLI_AUTH",
		"  postgres:\n", "  postgres:\n    health: {interval: 5s, retries: 20}\n", "secrets:\n  jwt_secret", "secrets:\n  generated: {generate: true}\n  jwt_secret").Replace(text)
	text += "monitoring:\n  interval: 2s\n  verify: 1h\n  off: [grafana, loki, alloy, otel-collector, tempo]\n" +
		"  receivers:\n    - {name: operators, webhook: alert_webhook}\n  services:\n"
	for _, part := range []struct{ name, program, more string }{
		{"prometheus", "/usr/bin/prometheus", `, ports: ["19090:9090"]`},
		{"alertmanager", "/usr/local/bin/alertmanager", `, ports: ["19093:9093"], secrets: [generated]`},
		{"cadvisor", "/usr/local/bin/cadvisor", hierarchies(t)},
		{"container-exporter", "/usr/bin/busybox", fmt.Sprintf(", host_paths: [{host: %s/containers, path: /var/lib/docker/containers, why: the engine's records}]", engineData(t))},
		{"node-exporter", "/usr/bin/prometheus-node-exporter", ""},
		{"blackbox-exporter", "/usr/bin/prometheus-blackbox-exporter", ""},
		{"redis-exporter", "/usr/bin/prometheus-redis-exporter", ""},
		{"postgres-exporter", "/usr/bin/prometheus-postgres-exporter", ""},
	} {
		text += fmt.Sprintf("    %s: {image: %q, entrypoint: [%s], health: {interval: 5s, timeout: 5s, retries: 20}%s}\n", part.name, monitoringImage, part.program, part.more)
	}
	text += "  exceptions:\n"
	for _, e := range [][2]string{{"HSE-FS-003", "cadvisor"}, {"HSE-FS-003", "container-exporter"}, {"HSE-USR-001", "container-exporter"}, {"HSE-USR-002", "container-exporter"}} {
		text += fmt.Sprintf("    - {control: %s, service: %s, reason: as in the reference profile, owner: tests, expires: 2999-12-31}\n", e[0], e[1])
	}
	return nextToProfiles(t, text)
}

// hierarchies are the control groups that cAdvisor reads: on v1 each is a mount of its own, and is read-only only when it is
// mounted as one.
func hierarchies(t *testing.T) string {
	t.Helper()
	if _, err := os.Stat("/sys/fs/cgroup/memory"); err != nil {
		return "" // v2: the preset's own path
	}
	var paths []string
	for _, name := range []string{"cpu", "cpuacct", "memory"} {
		paths = append(paths, fmt.Sprintf("{host: /sys/fs/cgroup/%s, why: counters of containers}", name))
	}
	return ", host_paths: [" + strings.Join(paths, ", ") + "]"
}

// engineData is the directory in which the engine keeps its records.
func engineData(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "docker", "info", "--format", "{{.DockerRootDir}}").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func nextToProfiles(t *testing.T, text string) string {
	t.Helper()
	f, err := os.CreateTemp("../../profiles", ".test-*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(f.Name()) })
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// withGrafana is the profile whose dashboards are tried: Grafana itself need not run for its queries to be asked.
func withGrafana(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return nextToProfiles(t, strings.Replace(string(data), "off: [grafana, ", "off: [", 1))
}

// webhook is a receiver that containers reach, and what it is sent.
func webhook(t *testing.T) (address string, bodies <-chan string) {
	t.Helper()
	sent := make(chan string, 100)
	listener, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err == nil {
			sent <- string(body)
		}
	}))
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil && !ip.IP.IsLoopback() {
			return fmt.Sprintf("http://%s:%d/", ip.IP, listener.Addr().(*net.TCPAddr).Port), sent
		}
	}
	t.Fatal("this machine has no address that containers reach")
	return "", nil
}

// eventually asks until nothing is missing.
func eventually(t *testing.T, within time.Duration, missing func() string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		what := missing()
		if what == "" {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("after %s: %s", within, what)
		case <-tick.C:
		}
	}
}

func asked(t *testing.T, path string, into any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, prometheusURL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
}

func targetsDown(t *testing.T) string {
	var answer struct {
		Data struct {
			ActiveTargets []struct{ ScrapeURL, Health, LastError string }
		}
	}
	asked(t, "/api/v1/targets", &answer)
	down := ""
	for _, target := range answer.Data.ActiveTargets {
		if target.Health != "up" {
			down += fmt.Sprintf("%s is %s %s\n", target.ScrapeURL, target.Health, target.LastError)
		}
	}
	if len(answer.Data.ActiveTargets) < 10 {
		down += fmt.Sprintf("%d targets only", len(answer.Data.ActiveTargets))
	}
	return down
}

func panelsWithoutData(t *testing.T, out string) string {
	files, err := filepath.Glob(filepath.Join(out, "monitoring/grafana/dashboards/*.json"))
	if err != nil || len(files) != 5 {
		t.Fatalf("%d dashboards, %v", len(files), err)
	}
	empty := ""
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var board struct {
			Panels []struct {
				Title   string
				Targets []struct{ Expr string }
			}
		}
		if err := json.Unmarshal(data, &board); err != nil {
			t.Fatal(err)
		}
		for _, panel := range board.Panels {
			for _, query := range panel.Targets {
				var answer struct {
					Data struct{ Result []json.RawMessage }
				}
				asked(t, "/api/v1/query?query="+url.QueryEscape(query.Expr), &answer)
				if len(answer.Data.Result) == 0 {
					empty += fmt.Sprintf("%s: %s: %s returns nothing\n", filepath.Base(file), panel.Title, query.Expr)
				}
			}
		}
	}
	return empty
}

// measured wants the kernel's counters of the container that a service has now, under the service's name.
func measured(t *testing.T, service string) string {
	id, err := exec.CommandContext(t.Context(), "docker", "ps", "-q", "--no-trunc", "--filter", "name="+monitoringStack+"-"+service+"-1").Output()
	if err != nil {
		t.Fatal(err)
	}
	expr := fmt.Sprintf("container_memory_working_set_bytes * on (stack, container) group_left (service) hse_container_info{service=%q,container=%q}",
		service, strings.TrimSpace(string(id)))
	var answer struct {
		Data struct{ Result []json.RawMessage }
	}
	asked(t, "/api/v1/query?query="+url.QueryEscape(expr), &answer)
	if len(answer.Data.Result) != 1 {
		return fmt.Sprintf("%d series for %s", len(answer.Data.Result), expr)
	}
	return ""
}

// answered is what Prometheus says of a query, for a message.
func answered(t *testing.T, expr string) string {
	t.Helper()
	var answer struct {
		Data struct{ Result json.RawMessage }
	}
	asked(t, "/api/v1/query?query="+url.QueryEscape(expr), &answer)
	return "\n" + expr + " is " + string(answer.Data.Result)
}

// withReplicas are the arguments of a command on the stack whose application has two containers.
func withReplicas(file string, args ...string) []string {
	return append(args, "-f", file, "--set", "services.app.replicas=2")
}

// generatedIsKept changes another secret of the same service: the generated one must outlive it. The application gets its second
// container with the same deploy, so Prometheus and Alertmanager both are containers of their own afterwards.
func generatedIsKept(t *testing.T, file string) {
	t.Helper()
	read := func() string {
		out, err := exec.CommandContext(t.Context(), "docker", "exec", monitoringStack+"-monitoring-alertmanager-1", "cat", "/run/secrets/generated").Output()
		if err != nil || len(out) < 20 {
			t.Fatalf("the generated secret has %d bytes: %v", len(out), err)
		}
		return string(out)
	}
	before := read()
	t.Setenv("ALERT_WEBHOOK_URL", os.Getenv("ALERT_WEBHOOK_URL")+"again")
	if _, stderr := mustCLI(t, withReplicas(file, "deploy", "--monitoring")...); !strings.Contains(stderr, "2 secrets delivered") {
		t.Errorf("a changed secret is not delivered:\n%s", stderr)
	}
	if read() != before {
		t.Error("the generated secret was made anew")
	}
}

// exhaustMemory writes to the cache until the kernel counts 95 % of its limit: the alert is at 90 %, the kill at 100, and the client's
// own memory is given back.
func exhaustMemory(t *testing.T) {
	t.Helper()
	const script = `
export REDISCLI_AUTH="$(cat /run/secrets/redis_password)"
cd /sys/fs/cgroup/memory 2>/dev/null || cd /sys/fs/cgroup
limit=$(cat memory.limit_in_bytes 2>/dev/null || cat memory.max)
for step in $(seq 400); do
	redis-cli -h 127.0.0.1 eval "for i=1,1000 do redis.call('SET','k'..($step*1000+i),string.rep('x',1000)) end return 1" 0 >/dev/null || exit
	usage=$(cat memory.usage_in_bytes 2>/dev/null || cat memory.current)
	idle=$(sed -n 's/^total_inactive_file //p; t; s/^inactive_file //p' memory.stat | tail -n 1)
	[ $((usage - idle)) -lt $((limit / 100 * 95)) ] || { echo full; exit; }
done`
	out, err := exec.CommandContext(t.Context(), "docker", "exec", monitoringStack+"-redis-1", "sh", "-c", script).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "full" {
		t.Fatalf("filling the cache: %v\n%s", err, out)
	}
}

func removeStacks(t *testing.T, file string, names ...string) {
	t.Helper()
	g := &app.Settings{File: app.Selection{Files: []string{file}}}
	engine, err := g.Connect(context.Background())
	if err != nil {
		t.Error(err)
		return
	}
	defer engine.Close()
	for _, name := range names {
		if err := engine.Down(context.Background(), name, true); err != nil {
			t.Error(err)
		}
	}
}
