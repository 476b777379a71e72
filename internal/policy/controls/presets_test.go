package controls_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/lifecycle"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/controls"
	"github.com/hsectl/hsectl/profiles"
)

// written is a service as a Compose file might have it; each row changes one thing.
type written struct {
	image, preset string
	declaration   policy.Declaration
	mounts        []policy.Mount
	capabilities  []string
	init          bool
	environment   []string
	test          []string
	grace         time.Duration
	ports         []policy.Port
	networks      []policy.Network
	writableRoot  bool
	root          bool
	images        lifecycle.Images // those that hsectl ships, when there are none
	today         time.Time
}

func (w written) facts() (policy.Facts, policy.Intent) {
	if w.images.Retired == nil {
		known, _ := lifecycle.Parse("lifecycles.yaml", profiles.Lifecycles()) // nothing of it is known when it cannot be read
		w.images, w.today = known.Images, known.Images.Data.AsOf.Time
	}
	var variables []policy.Variable
	for _, v := range w.environment {
		name, value, _ := strings.Cut(v, "=")
		variables = append(variables, policy.Variable{Name: name, Value: value})
	}
	in := policy.Intent{UID: 999, GID: 999, Capabilities: policy.CapabilityMask(w.capabilities...), Image: w.image, Preset: w.preset, Images: w.images, Today: w.today}
	if w.root {
		in.UID, in.GID = 0, 0
	}
	return policy.Facts{
		Service: "x", Image: declared(policy.Image{Reference: w.image}), Declaration: declared(w.declaration), Mounts: declared(w.mounts),
		Stop: declared(policy.Stop{Grace: w.grace, Init: w.init}), Environment: declared(variables), Health: declared(policy.Health{Test: w.test}),
		Ports: declared(w.ports), Networks: declared(w.networks), RootReadOnly: declared(!w.writableRoot),
	}, in
}

func declared[T any](v T) policy.Fact[T] { return policy.Seen(v, finding.Declared) }

func judge(t *testing.T, id string, f policy.Facts, in policy.Intent) policy.Verdict {
	t.Helper()
	for _, c := range controls.All() {
		if c.ID == id {
			return c.Judge(f, in)
		}
	}
	t.Fatalf("there is no control %s", id)
	return policy.Verdict{}
}

func TestPresetControls(t *testing.T) {
	const (
		pass = finding.Pass
		fail = finding.Fail
		none = finding.NotApplicable
	)
	tmp := policy.Mount{Path: "/tmp", Kind: "tmpfs", Writable: true, Size: 1 << 20, Owned: true}
	change := func(m policy.Mount, f func(*policy.Mount)) []policy.Mount { f(&m); return []policy.Mount{m} }
	starts := []string{"CHOWN", "DAC_READ_SEARCH", "SETGID", "SETUID"}
	open := []policy.Port{{Address: "0.0.0.0", Host: 5432, Container: 5432, Protocol: "tcp"}}
	local := []policy.Port{{Address: "127.0.0.1", Host: 5432, Container: 5432, Protocol: "tcp"}}
	for _, c := range []struct {
		id     string
		name   string
		w      written
		want   finding.Status
		detail string
	}{
		{"HSE-PRE-001", "owner and size", written{mounts: []policy.Mount{tmp}}, pass, ""},
		{"HSE-PRE-001", "no owner", written{mounts: change(tmp, func(m *policy.Mount) { m.Owned = false })}, fail, "no uid and gid"},
		{"HSE-PRE-001", "no owner, but root", written{root: true, mounts: change(tmp, func(m *policy.Mount) { m.Owned = false })}, pass, ""},
		{"HSE-PRE-001", "no size", written{mounts: change(tmp, func(m *policy.Mount) { m.Size = 0 })}, fail, "no size"},
		{"HSE-PRE-001", "Java without exec", written{image: "apache/kafka:4.0.0", mounts: []policy.Mount{tmp}}, fail, "kafka must run programs"},
		{"HSE-PRE-001", "Java with exec", written{image: "apache/kafka:4.0.0", mounts: change(tmp, func(m *policy.Mount) { m.Exec = true })}, pass, ""},
		{"HSE-PRE-001", "a built Java image", written{image: "shop:1", preset: "eclipse-temurin", mounts: []policy.Mount{tmp}}, fail, "eclipse-temurin"},

		{"HSE-PRE-002", "numbers", written{declaration: policy.Declaration{User: "999:999"}}, pass, ""},
		{"HSE-PRE-002", "no group", written{declaration: policy.Declaration{User: "999"}}, fail, `"999"`},
		{"HSE-PRE-002", "a name", written{declaration: policy.Declaration{User: "postgres"}}, fail, "postgres"},
		{"HSE-PRE-002", "none", written{}, none, ""},

		{"HSE-PRE-002", "the user of another variant", written{image: "postgres:16-alpine", declaration: policy.Declaration{User: "999:999"}}, fail, "in this one it is 70:70"},
		{"HSE-PRE-002", "the user of this variant", written{image: "postgres:16-alpine", declaration: policy.Declaration{User: "70:70"}}, pass, ""},
		{"HSE-PRE-003", "its own user", written{image: "postgres:18", declaration: policy.Declaration{User: "999:999"}}, pass, ""},
		{"HSE-PRE-003", "root, no capability", written{image: "postgres:18"}, fail, "CHOWN"},
		{"HSE-PRE-003", "root, the second start fails", written{image: "postgres:18", capabilities: []string{"CHOWN", "SETGID", "SETUID"}}, fail, "lacks DAC_READ_SEARCH"},
		{"HSE-PRE-003", "root, enough", written{image: "docker.io/library/postgres:18", capabilities: starts}, pass, ""},
		{"HSE-PRE-003", "root, DAC_OVERRIDE instead", written{image: "postgres:18", capabilities: []string{"CHOWN", "DAC_OVERRIDE", "SETGID", "SETUID"}}, pass, ""},
		{"HSE-PRE-003", "root with an init", written{image: "postgres:18", capabilities: starts, init: true}, fail, "lacks KILL"},
		{"HSE-PRE-003", "root, another image", written{image: "shop:1"}, pass, ""},

		{"HSE-PRE-004", "caddy without", written{image: "caddy:2.11"}, fail, "NET_BIND_SERVICE"},
		{"HSE-PRE-004", "caddy with", written{image: "caddy:2.11", capabilities: []string{"NET_BIND_SERVICE"}}, pass, ""},
		{"HSE-PRE-004", "vault", written{image: "hashicorp/vault:1.20"}, fail, "IPC_LOCK"},
		{"HSE-PRE-004", "vault that skips it", written{image: "hashicorp/vault:1.20", environment: []string{"SKIP_SETCAP=1"}}, pass, ""},

		{"HSE-PRE-005", "redis without a user", written{image: "redis:8"}, fail, "root"},
		{"HSE-PRE-005", "redis with a user", written{image: "redis:8", declaration: policy.Declaration{User: "999:999"}}, pass, ""},
		{"HSE-PRE-005", "redis that can change it", written{image: "redis:8", capabilities: []string{"SETUID", "SETGID"}}, pass, ""},

		{"HSE-PRE-006", "rabbitmq", written{image: "rabbitmq:4.3", environment: []string{"RABBITMQ_DEFAULT_PASS_FILE=/run/secrets/p"}}, fail, "RABBITMQ_DEFAULT_PASS_FILE"},
		{"HSE-PRE-006", "rabbitmq's own files", written{image: "rabbitmq:4.3", environment: []string{"RABBITMQ_CONFIG_FILE=/x"}}, pass, ""},
		{"HSE-PRE-006", "postgres", written{image: "postgres:18", environment: []string{"POSTGRES_PASSWORD_FILE=/run/secrets/p"}}, pass, ""},
		{"HSE-PRE-006", "a secret that is no file", written{declaration: policy.Declaration{Loose: []string{"token"}}}, fail, "token"},
		{"HSE-PRE-006", "on a root that may be written", written{declaration: policy.Declaration{Loose: []string{"token"}}, writableRoot: true}, pass, ""},

		{"HSE-PRE-007", "its own tool", written{image: "redis:8", test: []string{"CMD-SHELL", "redis-cli -h 127.0.0.1 ping"}}, pass, ""},
		{"HSE-PRE-007", "curl in slim", written{image: "node:24-slim", test: []string{"CMD", "curl", "-f", "http://127.0.0.1"}}, fail, "no curl"},
		{"HSE-PRE-007", "curl in alpine is not known to be missing", written{image: "node:24-alpine", test: []string{"CMD", "curl", "http://127.0.0.1"}}, pass, ""},
		{"HSE-PRE-007", "bash in alpine", written{image: "nats:2.14-alpine", test: []string{"CMD", "bash", "-c", "x"}}, fail, "no bash"},
		{"HSE-PRE-007", "localhost", written{image: "example/web:1-alpine", test: []string{"CMD", "wget", "http://localhost/"}}, fail, "::1"},
		{"HSE-PRE-007", "localhost for a client that tries all addresses", written{test: []string{"CMD", "curl", "-f", "http://localhost/"}}, pass, ""},
		{"HSE-PRE-007", "a shell in distroless", written{image: "grafana/loki:3.7.6", test: []string{"CMD-SHELL", "/usr/bin/loki -health"}}, fail, "no shell"},
		{"HSE-PRE-007", "no shell needed", written{image: "grafana/loki:3.7.6", test: []string{"CMD", "/usr/bin/loki", "-health"}}, pass, ""},
		{"HSE-PRE-007", "waits for what has no test", written{declaration: policy.Declaration{Waits: []string{"tempo"}}}, fail, "tempo"},
		{"HSE-PRE-007", "an unknown image", written{image: "shop:1", test: []string{"CMD", "curl", "http://127.0.0.1"}}, pass, "not known"},

		{"HSE-PRE-008", "postgres 18 with the old path", written{image: "postgres:18", grace: 2 * time.Minute, mounts: []policy.Mount{{Path: "/var/lib/postgresql/data", Kind: "volume", Writable: true}}}, fail, "does not start with a mount at /var/lib/postgresql/data"},
		{"HSE-PRE-008", "postgres 18 with its path", written{image: "postgres:18-alpine", grace: 2 * time.Minute, mounts: []policy.Mount{{Path: "/var/lib/postgresql", Kind: "volume", Writable: true}}}, pass, ""},
		{"HSE-PRE-008", "postgres 16 with the new path", written{image: "postgres:16", grace: 2 * time.Minute, mounts: []policy.Mount{{Path: "/var/lib/postgresql", Kind: "volume", Writable: true}}}, fail, "lost with its container"},
		{"HSE-PRE-008", "postgres 16 with its path", written{image: "postgres:16", grace: 2 * time.Minute, mounts: []policy.Mount{{Path: "/var/lib/postgresql/data", Kind: "volume", Writable: true}}}, pass, ""},
		{"HSE-PRE-008", "long enough", written{image: "postgres:18", grace: 2 * time.Minute}, pass, ""},
		{"HSE-PRE-008", "ten seconds", written{image: "postgres:18", grace: 10 * time.Second}, fail, "needs 2m0s"},
		{"HSE-PRE-008", "rabbitmq without a name", written{image: "rabbitmq:4.3", grace: time.Minute}, fail, "host name"},
		{"HSE-PRE-008", "rabbitmq with a name", written{image: "rabbitmq:4.3", grace: time.Minute, declaration: policy.Declaration{Hostname: "queue"}}, pass, ""},
		{"HSE-PRE-008", "kafka without a place", written{image: "apache/kafka:4.0.0", grace: 2 * time.Minute}, fail, "KAFKA_LOG_DIRS"},
		{"HSE-PRE-008", "kafka with a place", written{image: "apache/kafka:4.0.0", grace: 2 * time.Minute, environment: []string{"KAFKA_LOG_DIRS=/data"}}, pass, ""},

		{"HSE-PRE-009", "a version", written{image: "postgres:18"}, pass, ""},
		{"HSE-PRE-009", "mongo 8", written{image: "mongo:8"}, fail, "mongo:8.0"},
		{"HSE-PRE-009", "mongo 8.0", written{image: "mongo:8.0"}, pass, ""},
		{"HSE-PRE-009", "mysql without a tag", written{image: "mysql"}, fail, "innovation"},
		{"HSE-PRE-009", "minio on Docker Hub", written{image: "minio/minio:latest"}, fail, "Docker Hub"},
		{"HSE-PRE-009", "late cadvisor", written{image: "gcr.io/cadvisor/cadvisor:v0.54.0"}, fail, "ghcr.io"},
		{"HSE-PRE-009", "early cadvisor", written{image: "gcr.io/cadvisor/cadvisor:v0.49.1"}, pass, ""},
		{"HSE-PRE-009", "promtail", written{image: "grafana/promtail:3.5.0"}, fail, "ended"},
		{"HSE-PRE-009", "vault", written{image: "vault:1.13"}, fail, "hashicorp/vault"},
		{"HSE-PRE-009", "prometheus without a suffix", written{image: "prom/prometheus:v3.5.0"}, fail, "-busybox"},
		{"HSE-PRE-009", "prometheus with a suffix", written{image: "prom/prometheus:v3.5.0-busybox"}, pass, ""},
		{"HSE-PRE-009", "latest of a known image", written{image: "redis:latest"}, fail, "moves"},
		{"HSE-PRE-009", "latest by digest", written{image: "redis:latest@sha256:" + strings.Repeat("a", 64)}, pass, ""},
		{"HSE-PRE-009", "latest of one's own", written{image: "localhost:5000/shop:latest"}, pass, ""},

		{"HSE-PRE-010", "on this machine", written{image: "postgres:18", ports: local, networks: []policy.Network{{Name: "backend", Internal: true}}}, pass, ""},
		{"HSE-PRE-010", "for everybody", written{image: "postgres:18", ports: open}, fail, "every network"},
		{"HSE-PRE-010", "with a way out", written{image: "postgres:18", networks: []policy.Network{{Name: "front"}}}, pass, "no port"},
		{"HSE-PRE-010", "no store", written{image: "nginx:1.30", ports: open}, none, ""},

		{"HSE-PRE-011", "Compose", written{declaration: policy.Declaration{Target: "compose", Keys: []string{"tmpfs"}}}, none, ""},
		{"HSE-PRE-011", "Swarm", written{declaration: policy.Declaration{Target: "swarm", Keys: []string{"image", "tmpfs", "security_opt"}}}, fail, "tmpfs is dropped by Swarm; security_opt"},
		{"HSE-PRE-011", "Swarm takes it", written{declaration: policy.Declaration{Target: "swarm", Keys: []string{"image"}}}, pass, ""},

		{"HSE-PRE-012", "prepared", written{image: "nats:2.14-alpine", declaration: policy.Declaration{Prepared: true}, mounts: []policy.Mount{{Path: "/data", Kind: "volume"}}}, pass, ""},
		{"HSE-PRE-012", "a path the image lacks", written{image: "nats:2.14-alpine", mounts: []policy.Mount{{Path: "/data", Kind: "volume"}}}, fail, "/data"},
		{"HSE-PRE-012", "as root", written{image: "nats:2.14-alpine", root: true, mounts: []policy.Mount{{Path: "/data", Kind: "volume"}}}, pass, ""},
		{"HSE-PRE-012", "a path the image has", written{image: "postgres:18", mounts: []policy.Mount{{Path: "/var/lib/postgresql", Kind: "volume"}}}, pass, ""},
		{"HSE-PRE-012", "an unknown image", written{image: "shop:1", mounts: []policy.Mount{{Path: "/data", Kind: "volume"}}}, none, "not known"},
	} {
		t.Run(c.id+" "+c.name, func(t *testing.T) {
			f, in := c.w.facts()
			v := judge(t, c.id, f, in)
			if v.Status != c.want || !strings.Contains(v.Detail, c.detail) {
				t.Errorf("%s: %s, want %s: %s", v.Status, v.Detail, c.want, c.detail)
			}
		})
	}
}

// TestPresetControlsFailClosed: without evidence none of them passes, and a running container is not asked.
func TestPresetControlsFailClosed(t *testing.T) {
	judged := 0
	for _, f := range controls.Check(policy.Facts{}, policy.Intent{}, false) {
		if strings.HasPrefix(f.Control, "HSE-PRE-") {
			judged++
			if f.Status != finding.Unknown {
				t.Errorf("%s without evidence: %s", f.Control, f.Status)
			}
		}
	}
	if judged != 14 {
		t.Errorf("%d controls were judged, not 14", judged)
	}
	for _, f := range controls.Check(policy.Facts{}, policy.Intent{}, true) {
		if strings.HasPrefix(f.Control, "HSE-PRE-") {
			t.Errorf("%s was asked of a running container", f.Control)
		}
	}
}

// TestUntested: an image that cannot test itself, as its preset says, has no health controls; anybody else's fail.
func TestUntested(t *testing.T) {
	for id, runtime := range map[string]bool{"HSE-HLT-001": false, "HSE-HLT-002": true, "HSE-HLT-003": true, "HSE-HLT-004": false} {
		f, in := written{}.facts()
		if v := judge(t, id, f, in); v.Status == finding.Pass || id == "HSE-HLT-001" && v.Status != finding.Fail {
			t.Errorf("%s without a test and without a reason: %s", id, v.Status)
		}
		in.Untested = "no tool"
		if v := judge(t, id, f, in); v.Status != finding.NotApplicable || !strings.Contains(v.Detail, "no tool") {
			t.Errorf("%s (runtime %v) with a reason: %s %s", id, runtime, v.Status, v.Detail)
		}
	}
}

// A table of images that is too old proves nothing of an image that it may be about; what it refuses stays refused, and of an
// image that nothing is known about nothing can be out of date.
func TestStaleImages(t *testing.T) {
	asOf := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	table := lifecycle.Images{Data: lifecycle.Dated{AsOf: lifecycle.Day{Time: asOf}, MaxAgeDays: 400}, Retired: []lifecycle.Retired{{Repository: "grafana/promtail", Why: "use alloy"}}}
	for name, c := range map[string]struct {
		image  string
		images lifecycle.Images
		days   int
		want   finding.Status
		detail string
	}{
		"known, on the last day":          {"redis:8", table, 400, finding.Pass, "redis:8"},
		"known, the day after":            {"redis:8", table, 401, finding.Unknown, "whether redis:8 is still maintained: the data is of 2026-01-01 and more than 400 days old; update hsectl"},
		"by its digest":                   {"redis@sha256:1", table, 401, finding.Unknown, "still maintained"},
		"retired, the day after":          {"grafana/promtail:3.5", table, 401, finding.Fail, "use alloy"},
		"a tag that moves, the day after": {"redis", table, 401, finding.Fail, "moves"},
		"not known, the day after":        {"example/app:1", table, 401, finding.Pass, "example/app:1"},
		"without a table":                 {"redis:8", lifecycle.Images{Retired: []lifecycle.Retired{}}, 0, finding.Unknown, "no data is loaded"},
	} {
		t.Run(name, func(t *testing.T) {
			f, in := written{image: c.image, images: c.images, today: asOf.AddDate(0, 0, c.days)}.facts()
			if got := controls.CheckOne("HSE-PRE-009", f, in); got.Status != c.want || !strings.Contains(got.Detail, c.detail) {
				t.Errorf("%s: %s", got.Status, got.Detail)
			}
		})
	}
}
