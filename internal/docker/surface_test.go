//go:build engine

package docker

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/lifecycle"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify"
	"github.com/hsectl/hsectl/profiles"
)

// Weaknesses of the rest of the container's walls: kernel, namespaces, peers and what people run inside.
func TestVerifySeesTheSurface(t *testing.T) {
	t.Parallel()
	weaken(t, surfaces(), judgeDeep)
}

func surfaces() []weakening {
	host := func(name, controls string, change func(*container.HostConfig)) weakening {
		return weakening{name, strings.Fields(controls), func(_ *container.Config, h *container.HostConfig) { change(h) }}
	}
	return []weakening{
		host("no bound of shared memory", "HSE-FS-009 HSE-NS-002", func(h *container.HostConfig) { h.IpcMode = "host" }),
		host("writable path of the host", "HSE-FS-011", func(h *container.HostConfig) { h.Binds = append(slices.Clone(h.Binds), "/srv:/srv") }),
		host("anonymous volume", "HSE-FS-007", func(h *container.HostConfig) { h.Binds = append(slices.Clone(h.Binds), "/anonymous") }),
		{"user by number alone", []string{"HSE-USR-003"}, func(c *container.Config, _ *container.HostConfig) { c.User = "10001" }},
		host("no filter, = and :", "HSE-KRN-002 HSE-KRN-001 HSE-KRN-010", func(h *container.HostConfig) { h.SecurityOpt = append(h.SecurityOpt, "seccomp:unconfined") }),
		host("unsafe parameter", "HSE-KRN-005", func(h *container.HostConfig) { h.Sysctls = map[string]string{"net.ipv4.ip_forward": "1"} }),
		host("group under another one", "HSE-KRN-007", func(h *container.HostConfig) { h.CgroupParent = "/hsectl-test" }),
		{"capabilities of root", []string{"HSE-KRN-009", "HSE-CAP-001"}, func(c *container.Config, h *container.HostConfig) { c.User, h.CapDrop = "0:0", nil }},
		host("privileged", "HSE-KRN-002 HSE-PRV-001", func(h *container.HostConfig) { h.Privileged = true }),
		host("name of a metadata service", "HSE-NET-008", func(h *container.HostConfig) { h.ExtraHosts = []string{"metadata:169.254.169.254"} }),
		host("never killed for memory", "HSE-RES-006", func(h *container.HostConfig) { disabled := true; h.OomKillDisable = &disabled }),
		{"check of certificates off", []string{"HSE-IMG-014"}, func(c *container.Config, _ *container.HostConfig) {
			c.Env = append(slices.Clone(c.Env), "NODE_TLS_REJECT_UNAUTHORIZED=0")
		}},
		{"signal that is not handled", []string{"HSE-LIF-001"}, func(c *container.Config, _ *container.HostConfig) { c.Cmd = []string{"ignore-signals"} }},
		{"test without its program", []string{"HSE-HLT-003"}, func(c *container.Config, _ *container.HostConfig) {
			health := *c.Healthcheck
			health.Test = []string{"CMD", "curl", "-f", "http://127.0.0.1:8080/"}
			c.Healthcheck = &health
		}},
	}
}

// awaitHealthTest waits until the engine has run the test once.
func awaitHealthTest(t *testing.T, e *Engine, s stack.Stack) {
	t.Helper()
	ticker := time.NewTicker(engine.PollInterval)
	defer ticker.Stop()
	for {
		if h := only(t, e, s, "web").State.Health; h != nil && len(h.Log) > 0 {
			return
		}
		select {
		case <-t.Context().Done():
			t.Fatal("the health test never ran")
		case <-ticker.C:
		}
	}
}

func judgeDeep(t *testing.T, e *Engine, s stack.Stack) []finding.Finding {
	t.Helper()
	known, err := lifecycle.Parse("lifecycles.yaml", profiles.Lifecycles())
	if err != nil {
		t.Fatal(err)
	}
	evidence, err := verify.Verify(t.Context(), s.Knowing(known, known.Engine.Data.AsOf.Time), e, verify.Options{Deep: true})
	if err != nil {
		t.Fatal(err)
	}
	return evidence.Findings
}

func findingOf(t *testing.T, findings []finding.Finding, control string) finding.Finding {
	t.Helper()
	i := slices.IndexFunc(findings, func(f finding.Finding) bool { return f.Control == control })
	if i < 0 {
		t.Fatalf("%s was not judged", control)
	}
	return findings[i]
}

// A command that is run inside as root is a process like any other, and detected.
func TestVerifySeesExec(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	s := testStack(t, e, web, "serve")
	mustDeploy(t, e, s)
	id := only(t, e, s, "web").ID
	made, err := e.API.ExecCreate(t.Context(), id, client.ExecCreateOptions{User: "0:0", Cmd: []string{"/program", "ignore-signals"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.API.ExecStart(t.Context(), made.ID, client.ExecStartOptions{Detach: true}); err != nil {
		t.Fatal(err)
	}
	if f := findingOf(t, judge(t, e, s), "HSE-USR-004"); f.Status != finding.Drift {
		t.Errorf("%s is %s: %s", f.Control, f.Status, f.Detail)
	}
}

// two services that share no network; neither reaches the other.
const apart = `
apiVersion: hsectl/v1
kind: Profile
name: NAME
defaults:
  user: "10001:10001"
  limits: {cpus: "0.5", memory: 64M, pids: 50}
  health: {command: [/program, health], interval: 2s, timeout: 2s, retries: 5, start_period: 1s}
  verify: {listen: [8080]}
services:
  one: {image: "IMAGE", command: [MODE], networks: [left]}
  two: {image: "IMAGE", command: [MODE], networks: [left, right]}
  three: {image: "IMAGE", command: [MODE], networks: [right]}
networks:
  left: {}
  right: {}
`

// Connections between services are tried: those on one network answer, others do not, and a network that is
// joined by hand is detected.
func TestVerifySeesReach(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	s := testStack(t, e, apart, "serve")
	mustDeploy(t, e, s)
	for _, f := range judge(t, e, s) {
		if f.Control == "HSE-NET-006" && (f.Status != finding.Pass || f.Tier != finding.Behaved) {
			t.Errorf("%s: %s on %s: %s", f.Subject, f.Status, f.Tier, f.Detail)
		}
	}
	if _, err := e.API.NetworkConnect(t.Context(), s.Name+"_right", client.NetworkConnectOptions{Container: only(t, e, s, "one").ID}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// A network that a container was joined to by hand is left before the stack is removed.
		_, _ = e.API.NetworkDisconnect(context.Background(), s.Name+"_right", client.NetworkDisconnectOptions{Container: s.Name + "-one-1", Force: true})
	})
	for _, f := range judge(t, e, s) {
		if f.Control == "HSE-NET-006" && f.Subject == "one" && f.Status != finding.Fail {
			t.Errorf("one reaches three, and is %s: %s", f.Status, f.Detail)
		}
	}
}
