package platform_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/lifecycle"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/platform"
)

func seen[T any](v T) policy.Fact[T] { return policy.Seen(v, finding.Effective) }

func statusOf(t *testing.T, findings []finding.Finding, id string) finding.Finding {
	t.Helper()
	for _, f := range findings {
		if f.Control == id {
			return f
		}
	}
	t.Fatalf("%s was not judged", id)
	return finding.Finding{}
}

// engines are floors as of the first day of 2026, good for 180 days; today is one of them.
func engines() lifecycle.Engine {
	return lifecycle.Engine{Data: lifecycle.Dated{AsOf: lifecycle.Day{Time: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}, MaxAgeDays: 180},
		Floors: map[string][]lifecycle.Floor{
			"engine":     {{First: []lifecycle.Version{{25, 0, 0}}}, {First: []lifecycle.Version{{28, 0, 1}}, Fixes: []string{"CVE-2026-34040"}}},
			"runc":       {{First: []lifecycle.Version{{1, 2, 8}, {1, 3, 3}, {1, 4, 0}}, Fixes: []string{"CVE-2025-31133"}}},
			"containerd": {{First: []lifecycle.Version{{1, 7, 29}, {2, 2, 0}}, Fixes: []string{"CVE-2024-25621"}}},
			"kernel":     {{First: []lifecycle.Version{{6, 12, 85}, {7, 0, 0}}, Fixes: []string{"CVE-2026-31431"}}}},
		Loopback: lifecycle.Version{28, 0, 0}}
}

func today() time.Time { return time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC) }

// versionsOf are versions of which containerd and the kernel have all fixes.
func versionsOf(engine, runc string) map[string]string {
	return map[string]string{"engine": engine, "runc": runc, "containerd": "v2.2.1", "kernel": "6.12.90-amd64"}
}

// safe is an engine as it should be.
func safe() policy.Machine {
	return policy.Machine{Name: "engine", Plain: seen([]string(nil)), Versions: seen(versionsOf("29.1.3", "1.3.4")),
		Security: seen([]string{"seccomp", "apparmor", "userns", "no-new-privileges"}), Insecure: seen([]string(nil)), Restores: seen(true), Open: seen(false),
		Trial: seen(false), LogDriver: seen("local"), LogBounded: seen(true), Swarm: seen(false),
		Files:     seen([]policy.EngineFile{{Path: "/var/run/docker.sock", Mode: 0o660, Group: "docker", Most: 0o660}}),
		Loopback:  seen([]policy.LoopbackPort{{Port: policy.Port{Address: "127.0.0.1", Host: 8080, Container: 80, Protocol: "tcp"}, Container: "web"}}),
		Published: seen([]string{"0.0.0.0:443/tcp of edge"}), Forwarding: seen([]string{"-N DOCKER-USER", "-A DOCKER-USER -i eth0 ! -s 10.0.0.0/8 -j DROP"})}
}

func TestTheEngineAndItsMachine(t *testing.T) {
	const pass, fail, unknown, na, advice = finding.Pass, finding.Fail, finding.Unknown, finding.NotApplicable, finding.Advice
	for _, f := range platform.CheckMachine(safe(), engines(), today()) {
		if f.Status != pass || f.Tier == finding.None {
			t.Errorf("a safe engine: %s is %s: %s", f.Control, f.Status, f.Detail)
		}
	}
	for _, f := range platform.CheckMachine(policy.Machine{}, engines(), today()) {
		if f.Status != unknown {
			t.Errorf("an engine that was not inspected: %s is %s: %s", f.Control, f.Status, f.Detail)
		}
	}
	version := func(engine, runc string) func(*policy.Machine) {
		return func(m *policy.Machine) { m.Versions = seen(versionsOf(engine, runc)) }
	}
	part := func(name, version string) func(*policy.Machine) {
		return func(m *policy.Machine) { m.Versions.Value[name] = version }
	}
	for name, c := range map[string]struct {
		control string
		change  func(*policy.Machine)
		want    finding.Status
	}{
		"API on the network":        {"HSE-OPS-002", func(m *policy.Machine) { m.Plain = seen([]string{"0.0.0.0:2375"}) }, fail},
		"no rule":                   {"HSE-OPS-004", func(m *policy.Machine) { m.Forwarding = seen([]string{"-N DOCKER-USER", "-A DOCKER-USER -j RETURN"}) }, fail},
		"nothing published":         {"HSE-OPS-004", func(m *policy.Machine) { m.Published = seen([]string(nil)) }, na},
		"chain out of sight":        {"HSE-OPS-004", func(m *policy.Machine) { m.Forwarding = policy.Unseen[[]string]("not root") }, unknown},
		"old engine":                {"HSE-OPS-005", version("24.0.9", "1.3.4"), fail},
		"old runc":                  {"HSE-OPS-005", version("29.0.0", "1.1.5"), fail},
		"runc of an older line":     {"HSE-OPS-005", version("29.0.0", "1.2.8"), pass},
		"one fix short":             {"HSE-OPS-005", version("29.0.0", "1.3.2"), fail},
		"a later line":              {"HSE-OPS-005", version("v30.1", "2.0.0"), pass},
		"a distribution's":          {"HSE-OPS-005", version("20.10.24+dfsg1", "1.1.5+ds1"), unknown},
		"no version of runc":        {"HSE-OPS-005", func(m *policy.Machine) { delete(m.Versions.Value, "runc") }, unknown},
		"engine between two fixes":  {"HSE-OPS-005", version("28.0.0", "1.3.4"), fail},
		"old containerd":            {"HSE-OPS-005", part("containerd", "v1.7.28"), fail},
		"old kernel":                {"HSE-OPS-005", part("kernel", "6.12.84"), fail},
		"kernel of an unknown line": {"HSE-OPS-005", part("kernel", "6.13.90"), fail},
		"kernel of a distribution":  {"HSE-OPS-005", part("kernel", "6.1.0-35-amd64"), unknown},
		"no version of the kernel":  {"HSE-OPS-005", func(m *policy.Machine) { delete(m.Versions.Value, "kernel") }, unknown},
		"old beats what is unknown": {"HSE-OPS-005", func(m *policy.Machine) { m.Versions = seen(map[string]string{"engine": "24.0.9"}) }, fail},
		"ids of the host":           {"HSE-OPS-006", func(m *policy.Machine) { m.Security = seen([]string{"seccomp"}) }, advice},
		"open bridge":               {"HSE-OPS-007", func(m *policy.Machine) { m.Open = seen(true) }, fail},
		"stops with the engine":     {"HSE-OPS-007", func(m *policy.Machine) { m.Restores = seen(false) }, fail},
		"swarm excludes that":       {"HSE-OPS-007", func(m *policy.Machine) { m.Restores, m.Swarm = seen(false), seen(true) }, pass},
		"no filter":                 {"HSE-OPS-007", func(m *policy.Machine) { m.Security = seen([]string{"no-new-privileges"}) }, fail},
		"registry without TLS":      {"HSE-OPS-007", func(m *policy.Machine) { m.Insecure = seen([]string{"10.0.0.0/8"}) }, fail},
		"experimental":              {"HSE-OPS-007", func(m *policy.Machine) { m.Trial = seen(true) }, fail},
		"socket of everybody":       {"HSE-OPS-008", func(m *policy.Machine) { m.Files.Value[0].Mode = 0o666 }, fail},
		"socket of another group":   {"HSE-OPS-008", func(m *policy.Machine) { m.Files.Value[0].Group = "users" }, fail},
		"configuration of a user":   {"HSE-OPS-008", func(m *policy.Machine) { m.Files.Value[0].Owner = 1000 }, fail},
		"swarm":                     {"HSE-OPS-011", func(m *policy.Machine) { m.Swarm = seen(true) }, fail},
		"no logs":                   {"HSE-LOG-003", func(m *policy.Machine) { m.LogDriver = seen("none") }, advice},
		"json-file without a size":  {"HSE-LOG-003", func(m *policy.Machine) { m.LogDriver, m.LogBounded = seen("json-file"), seen(false) }, advice},
		"json-file with a size":     {"HSE-LOG-003", func(m *policy.Machine) { m.LogDriver = seen("json-file") }, pass},
	} {
		t.Run(name, func(t *testing.T) {
			m := safe()
			c.change(&m)
			if got := statusOf(t, platform.CheckMachine(m, engines(), today()), c.control); got.Status != c.want {
				t.Errorf("%s is %s: %s", c.control, got.Status, got.Detail)
			}
		})
	}
}

// Floors that are too old prove nothing of a version that reaches them; one below them stays old.
func TestStaleFloors(t *testing.T) {
	last, after := time.Date(2026, 6, 30, 0, 0, 0, 0, time.UTC), time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	old := safe()
	old.Versions = seen(versionsOf("29.1.3", "1.3.2"))
	for name, c := range map[string]struct {
		machine policy.Machine
		engine  lifecycle.Engine
		today   time.Time
		want    finding.Status
		detail  string
	}{
		"new, on the last day":   {safe(), engines(), last, finding.Pass, "runc 1.3.4"},
		"new, the day after":     {safe(), engines(), after, finding.Unknown, ": the data is of 2026-01-01 and more than 180 days old; update hsectl"},
		"old, the day after":     {old, engines(), after, finding.Fail, "runc 1.3.2; the fixes are in 1.2.8, 1.3.3, 1.4.0 (CVE-2025-31133)"},
		"without data":           {safe(), lifecycle.Engine{}, last, finding.Unknown, "no data is loaded"},
		"data about engine only": {safe(), lifecycle.Engine{Data: engines().Data, Floors: map[string][]lifecycle.Floor{"engine": engines().Floors["engine"]}}, last, finding.Unknown, "which releases of runc have the fixes: the data does not say"},
	} {
		t.Run(name, func(t *testing.T) {
			got := statusOf(t, platform.CheckMachine(c.machine, c.engine, c.today), "HSE-OPS-005")
			if got.Status != c.want || !strings.Contains(got.Detail, c.detail) {
				t.Errorf("%s: %s", got.Status, got.Detail)
			}
		})
	}
}
