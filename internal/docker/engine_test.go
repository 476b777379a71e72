//go:build engine

package docker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/probe"
	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify"
	"github.com/hsectl/hsectl/internal/verify/doctor"
	"github.com/hsectl/hsectl/internal/verify/drills"
	"github.com/hsectl/hsectl/profiles"
)

// These tests need a real engine: what they show cannot be imitated. Without one they fail, and say how to get one.

const (
	deployTimeout = 90 * time.Second
	slowTimeout   = 10 * time.Minute
)

func patience() time.Duration {
	if os.Getenv("HSECTL_TEST_SLOW") != "" {
		return slowTimeout
	}
	return deployTimeout
}

// slowly rewrites the times of a profile's health tests for an engine whose processors are emulated, as in the machine of
// scripts/vm: there a program takes seconds to start. Nothing else is different.
func slowly(profile string) string {
	if os.Getenv("HSECTL_TEST_SLOW") == "" {
		return profile
	}
	return strings.NewReplacer("interval: 2s", "interval: 20s", "timeout: 2s", "timeout: 20s", "start_period: 1s", "start_period: 1m", "grace: 3s", "grace: 1m").Replace(profile)
}

// programs are built once for all tests: the probe is the real command, the workload the server under test. Where there is
// no Go, as in the machine of scripts/vm, HSECTL_TEST_PROGRAMS names a directory that has them.
var programs = sync.OnceValues(func() (map[string][]byte, error) {
	out := map[string][]byte{}
	if built := os.Getenv("HSECTL_TEST_PROGRAMS"); built != "" {
		for _, name := range []string{"probe", "workload"} {
			var err error
			if out[name], err = probe.StaticProgram(filepath.Join(built, name)); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	dir, err := os.MkdirTemp("", "hsectl-test-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	for name, pkg := range map[string]string{"probe": "../../cmd/hsectl", "workload": "./testdata/workload"} {
		path := filepath.Join(dir, name)
		build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, pkg)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if text, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("building %s: %w: %s", pkg, err, text)
		}
		if out[name], err = probe.StaticProgram(path); err != nil {
			return nil, err
		}
	}
	return out, nil
})

func testEngine(t *testing.T) *Engine {
	t.Helper()
	return testEngineAt(t, "")
}

func testEngineAt(t *testing.T, host string) *Engine {
	t.Helper()
	built, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	e, err := Connect(t.Context(), engine.Endpoint{Host: host}, func() ([]byte, error) { return built["probe"], nil })
	if err != nil {
		t.Fatalf("%v\nthese tests need an engine: scripts/engine up, or DOCKER_HOST", err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// loading lets one test at a time load the image of the server under test.
var loading sync.Mutex

// workload loads the image of the server under test: one static program and nothing else, no shell, no passwd.
func workload(t *testing.T, e *Engine) string {
	t.Helper()
	loading.Lock()
	defer loading.Unlock()
	built, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	img := image.NewStatic("hsectl/test-workload", e.OS, e.Arch, built["workload"])
	if err := e.LoadStatic(t.Context(), img); err != nil {
		t.Fatal(err)
	}
	return img.Reference
}

// web is a service with one of everything that the controls judge.
const web = `
apiVersion: hsectl/v1
kind: Profile
name: NAME
services:
  web:
    image: IMAGE
    command: [MODE]
    user: "10001:10001"
    limits: {cpus: "0.5", memory: 64M, pids: 50}
    shutdown: {signal: SIGTERM, grace: 3s, logs: [stopping, stopped]}
    health: {command: [/program, health], interval: 2s, timeout: 2s, retries: 8, start_period: 1s}
    writable:
      - {path: /data, volume: data}
      - {path: /tmp, tmpfs: 8M}
    secrets: [token]
    verify: {denied: [/etc], listen: [8080]}
secrets:
  token: {env: TOKEN}
`

// impatient is for a service that is to fail its health test, with short intervals.
func impatient(text string) string { return strings.Replace(text, "retries: 8", "retries: 2", 1) }

const tokenValue = "never-to-be-seen-8c1f"

func testStack(t *testing.T, e *Engine, text, mode string) stack.Stack {
	t.Helper()
	name := "hsectl-test-" + strings.ToLower(rand.Text()[:8])
	t.Cleanup(func() {
		if err := e.Down(context.Background(), name, true); err != nil {
			t.Error(err)
		}
	})
	return stackOf(t, e, name, text, mode)
}

// stackOf is the stack of a name that a profile describes.
func stackOf(t *testing.T, e *Engine, name, text, mode string) stack.Stack {
	t.Helper()
	text = strings.NewReplacer("NAME", name, "IMAGE", workload(t, e), "MODE", mode).Replace(slowly(text))
	p, err := parser.Parse([]byte(text), parser.Options{File: "test.yaml", Library: profiles.Library{}, CheckImage: image.Check})
	if err != nil {
		t.Fatal(err)
	}
	return stack.New(p)
}

// planOf is the plan from what the engine has to what is desired.
func planOf(t *testing.T, e *Engine, d deploy.Desired) (deploy.Observed, deploy.Plan) {
	t.Helper()
	observed, err := e.Observe(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := deploy.NewPlan(d, observed)
	if err != nil {
		t.Fatal(err)
	}
	return observed, plan
}

func deployStack(t *testing.T, e *Engine, s stack.Stack, secret string) (deploy.Plan, error) {
	t.Helper()
	d := deploy.Desired{Stack: s, Secrets: map[string]deploy.Secret{"token": deploy.NewSecret([]byte(secret)), "more": deploy.NewSecret([]byte(secret))}, Timeout: patience()}
	_, plan := planOf(t, e, d)
	return plan, deploy.Execute(t.Context(), plan, e, func(v deploy.Event) { t.Logf("%s %s", v.Subject, v.Text) })
}

func mustDeploy(t *testing.T, e *Engine, s stack.Stack) {
	t.Helper()
	if _, err := deployStack(t, e, s, tokenValue); err != nil {
		t.Fatal(err)
	}
}

func judge(t *testing.T, e *Engine, s stack.Stack) []finding.Finding {
	t.Helper()
	evidence, err := verify.Verify(t.Context(), s, e, verify.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return evidence.Findings
}

func only(t *testing.T, e *Engine, s stack.Stack, service string) engine.Container {
	t.Helper()
	list, err := e.Stack(t.Context(), s.Name)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(c engine.Container) bool { return c.Config.Labels[engine.ComposeService] == service })
	if i < 0 {
		t.Fatalf("service %s has no container", service)
	}
	return list[i]
}

// A stack whose image has no shell is deployed and proven, deployed again without a change, and deployed with another
// secret, which replaces the container that reads it.
func TestDeployAndProve(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	s := testStack(t, e, web, "serve")
	mustDeploy(t, e, s)
	for _, f := range judge(t, e, s) {
		if !f.Proven() {
			t.Errorf("%s %s: %s", f.Control, f.Status, f.Detail)
		}
	}
	first := only(t, e, s, "web")

	plan, err := deployStack(t, e, s, tokenValue)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Steps) != 1 || plan.Steps[0].Kind != deploy.Converge {
		t.Errorf("an unchanged stack is planned as %d steps, want 1 that converges", len(plan.Steps))
	}
	if second := only(t, e, s, "web"); second.ID != first.ID {
		t.Error("an unchanged stack got a new container")
	}

	if _, err := deployStack(t, e, s, "another-secret"); err != nil {
		t.Fatal(err)
	}
	if third := only(t, e, s, "web"); third.ID == first.ID {
		t.Error("a changed secret left the container that reads the old one")
	}
	if !finding.Proven(judge(t, e, s)) {
		t.Error("not proven after the secret changed")
	}
	noLeftovers(t, e, s)
}

func noLeftovers(t *testing.T, e *Engine, s stack.Stack) {
	t.Helper()
	list, err := e.API.ContainerList(t.Context(), client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label", engine.LabelRole)})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list.Items {
		if c.Labels[engine.LabelStack] == s.Name {
			t.Errorf("left behind: %s %v", c.Labels[engine.LabelRole], c.Names)
		}
	}
}

// The value of a secret is in the one file where it belongs, and nowhere else that the engine shows.
func TestSecretStaysSecret(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	s := testStack(t, e, web, "serve")
	mustDeploy(t, e, s)
	c, err := e.API.ContainerInspect(t.Context(), only(t, e, s, "web").ID, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(c.Raw), tokenValue) {
		t.Error("docker inspect shows the secret")
	}
	volumes, err := e.API.VolumeList(t.Context(), client.VolumeListOptions{Filters: make(client.Filters).Add("label", engine.LabelStack+"="+s.Name)})
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprint(volumes.Items); strings.Contains(text, tokenValue) {
		t.Error("a label or an option shows the secret")
	}
	if len(volumes.Items) != 1 {
		t.Errorf("%d volumes of secrets, want 1", len(volumes.Items))
	}
}

// Every way of weakening a container behind hsectl's back is seen, and named by its control.
func TestVerifySeesWeakening(t *testing.T) {
	t.Parallel()
	ways := weakenings()
	answer, err := testEngine(t).API.Info(t.Context(), client.InfoOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(engine.SecurityOptions(answer.Info.SecurityOptions), "apparmor") { // elsewhere there is no profile to take away
		ways = append(ways, weakening{"no AppArmor profile", []string{"HSE-KRN-003"}, func(_ *container.Config, h *container.HostConfig) {
			h.SecurityOpt = append(h.SecurityOpt, "apparmor=unconfined")
		}})
	}
	weaken(t, ways, judge)
}

// weaken makes the container of a proven stack again in each of the ways, and wants each of their controls to fail. A few
// such stacks take turns.
func weaken(t *testing.T, ways []weakening, judge func(*testing.T, *Engine, stack.Stack) []finding.Finding) {
	t.Helper()
	type proven struct {
		stack.Stack
		web engine.Container
	}
	const stacks = 3
	e := testEngine(t)
	free := make(chan proven, stacks)
	for range stacks {
		s := testStack(t, e, web, "serve")
		mustDeploy(t, e, s)
		for _, f := range judge(t, e, s) {
			if !f.Proven() {
				t.Fatalf("before anything is weakened: %s %s: %s", f.Control, f.Status, f.Detail)
			}
		}
		free <- proven{s, only(t, e, s, "web")}
	}
	t.Run("by", func(t *testing.T) {
		for _, w := range ways {
			t.Run(w.name, func(t *testing.T) {
				t.Parallel()
				s := <-free
				defer func() { free <- s }()
				recreate(t, e, s.web, w.change)
				if slices.Contains(w.controls, "HSE-HLT-003") {
					awaitHealthTest(t, e, s.Stack)
				}
				findings := judge(t, e, s.Stack)
				for _, control := range w.controls {
					if f := findingOf(t, findings, control); f.Status != finding.Fail && f.Status != finding.Drift {
						t.Errorf("%s is %s: %s", control, f.Status, f.Detail)
					}
				}
				if finding.Proven(findings) {
					t.Error("proven although it is weakened")
				}
			})
		}
	})
	for range stacks {
		s := <-free
		recreate(t, e, s.web, func(*container.Config, *container.HostConfig) {})
		for _, f := range judge(t, e, s.Stack) {
			// A container made by hand has no health yet, and the test does not wait for it.
			if !f.Proven() && f.Control != "HSE-HLT-002" && f.Control != "HSE-HLT-003" {
				t.Errorf("made again as it was: %s %s: %s", f.Control, f.Status, f.Detail)
			}
		}
		noLeftovers(t, e, s.Stack)
	}
}

type weakening struct {
	name     string
	controls []string
	change   func(*container.Config, *container.HostConfig)
}

func weakenings() []weakening {
	host := func(controls string, change func(*container.HostConfig)) weakening {
		return weakening{controls: strings.Fields(controls), change: func(_ *container.Config, h *container.HostConfig) { change(h) }}
	}
	named := func(name string, w weakening) weakening { w.name = name; return w }
	return []weakening{
		named("writable root", host("HSE-FS-001", func(h *container.HostConfig) { h.ReadonlyRootfs = false })),
		named("undeclared tmpfs", host("HSE-FS-002", func(h *container.HostConfig) { h.Tmpfs["/var/cache"] = "size=1m" })),
		named("tmpfs without a size", host("HSE-FS-002", func(h *container.HostConfig) { h.Tmpfs["/tmp"] = "uid=10001,gid=10001" })),
		named("tmpfs with exec", host("HSE-FS-002", func(h *container.HostConfig) { h.Tmpfs["/tmp"] = "exec,size=8m,uid=10001" })),
		named("tmpfs of another user", host("HSE-FS-010", func(h *container.HostConfig) { h.Tmpfs["/tmp"] = "size=8m,mode=0700" })),
		named("directory of the host", host("HSE-FS-003", func(h *container.HostConfig) { h.Binds = append(h.Binds, "/etc:/host-etc:ro") })),
		named("engine socket", host("HSE-FS-004", func(h *container.HostConfig) { h.Binds = append(h.Binds, "/run/docker.sock:/s/docker.sock:ro") })),
		{"root", []string{"HSE-USR-001", "HSE-USR-004"}, func(c *container.Config, _ *container.HostConfig) { c.User = "0:0" }},
		{"group root", []string{"HSE-USR-002"}, func(c *container.Config, _ *container.HostConfig) { c.User = "10001:0" }},
		named("added capability", host("HSE-CAP-001 HSE-CAP-002", func(h *container.HostConfig) { h.CapAdd = []string{"SYS_ADMIN"} })),
		named("default capabilities", host("HSE-CAP-001", func(h *container.HostConfig) { h.CapDrop = nil })),
		named("one capability dropped", host("HSE-CAP-001", func(h *container.HostConfig) { h.CapDrop = []string{"CHOWN"} })),
		named("privileged", host("HSE-PRV-001 HSE-CAP-001", func(h *container.HostConfig) { h.Privileged = true })),
		named("no no-new-privileges", host("HSE-PRV-002", func(h *container.HostConfig) { h.SecurityOpt = nil })),
		named("no-new-privileges taken back", host("HSE-PRV-002", func(h *container.HostConfig) {
			h.SecurityOpt = []string{"no-new-privileges:true", "no-new-privileges=false"}
		})),
		named("no seccomp", host("HSE-KRN-001", func(h *container.HostConfig) { h.SecurityOpt = append(h.SecurityOpt, "seccomp=unconfined") })),
		named("a device", host("HSE-KRN-004", func(h *container.HostConfig) {
			h.Devices = []container.DeviceMapping{{PathOnHost: "/dev/null", PathInContainer: "/dev/x", CgroupPermissions: "r"}}
		})),
		named("nothing masked", host("HSE-KRN-006", func(h *container.HostConfig) { h.MaskedPaths, h.ReadonlyPaths = []string{}, []string{} })),
		named("pid namespace of the host", host("HSE-NS-001", func(h *container.HostConfig) { h.PidMode = "host" })),
		named("ipc namespace of the host", host("HSE-NS-002", func(h *container.HostConfig) { h.IpcMode = "host" })),
		{"uts namespace of the host", []string{"HSE-NS-004"}, func(c *container.Config, h *container.HostConfig) { c.Hostname, h.UTSMode = "", "host" }},
		named("no memory limit", host("HSE-RES-001", func(h *container.HostConfig) { h.Memory, h.MemorySwap = 0, 0 })),
		named("swap", host("HSE-RES-002", func(h *container.HostConfig) { h.MemorySwap = 2 * h.Memory })),
		named("no cpu limit", host("HSE-RES-003", func(h *container.HostConfig) { h.NanoCPUs = 0 })),
		named("no limit of processes", host("HSE-RES-004", func(h *container.HostConfig) { h.PidsLimit = nil })),
		named("core dumps", host("HSE-RES-005", func(h *container.HostConfig) {
			h.Ulimits = []*container.Ulimit{{Name: "core", Soft: 1024, Hard: 1024}}
		})),
		named("logs without a bound", host("HSE-LOG-001", func(h *container.HostConfig) { h.LogConfig = container.LogConfig{Type: "json-file"} })),
		named("no logs", host("HSE-LOG-002", func(h *container.HostConfig) { h.LogConfig = container.LogConfig{Type: "none"} })),
		{"undeclared port", []string{"HSE-NET-001", "HSE-NET-002"}, func(c *container.Config, h *container.HostConfig) {
			p := network.MustParsePort("8080/tcp")
			c.ExposedPorts = network.PortSet{p: {}}
			h.PortBindings = network.PortMap{p: {{HostPort: "0"}}}
			h.NetworkMode = "bridge"
		}},
		{"no health test", []string{"HSE-HLT-001", "HSE-HLT-004"}, func(c *container.Config, _ *container.HostConfig) {
			c.Healthcheck = &container.HealthConfig{Test: []string{"NONE"}}
		}},
		{"short grace", []string{"HSE-LIF-002"}, func(c *container.Config, _ *container.HostConfig) { one := 1; c.StopTimeout = &one }},
		{"other signal", []string{"HSE-LIF-002"}, func(c *container.Config, _ *container.HostConfig) { c.StopSignal = "SIGKILL" }},
		{"secret in the environment", []string{"HSE-SEC-001"}, func(c *container.Config, _ *container.HostConfig) {
			c.Env = append(c.Env, "API_TOKEN=hunter2hunter2")
		}},
		{"secret in the command", []string{"HSE-SEC-004"}, func(c *container.Config, _ *container.HostConfig) {
			c.Cmd = append(c.Cmd, "--password=hunter2hunter2")
		}},
		named("no secrets", host("HSE-SEC-002", func(h *container.HostConfig) {
			h.Mounts = slices.Clone(h.Mounts)
			h.Mounts = slices.DeleteFunc(h.Mounts, func(m mount.Mount) bool { return m.Target == "/run/secrets" })
			h.Binds = slices.DeleteFunc(slices.Clone(h.Binds), func(b string) bool { return strings.Contains(b, "/run/secrets") })
		})),
		{"another image", []string{"HSE-IMG-002"}, func(c *container.Config, _ *container.HostConfig) {
			c.Image = strings.Replace(c.Image, "hsectl/test-workload", "hsectl/test-other", 1)
		}},
	}
}

// recreate makes the container again with a change, as a user with a shell on the host would.
func recreate(t *testing.T, e *Engine, c engine.Container, change func(*container.Config, *container.HostConfig)) {
	t.Helper()
	ctx := t.Context()
	config, hostConfig := *c.Config, *c.HostConfig
	hostConfig.Tmpfs = map[string]string{}
	for k, v := range c.HostConfig.Tmpfs {
		hostConfig.Tmpfs[k] = v
	}
	hostConfig.CapAdd, hostConfig.SecurityOpt = slices.Clone(hostConfig.CapAdd), slices.Clone(hostConfig.SecurityOpt)
	change(&config, &hostConfig)
	if config.Image != c.Config.Image && !strings.HasPrefix(config.Image, "sha256:") { // an id is there already
		if _, err := e.API.ImageTag(ctx, client.ImageTagOptions{Source: c.Config.Image, Target: config.Image}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if _, err := e.API.ImageRemove(context.Background(), config.Image, client.ImageRemoveOptions{Force: true}); err != nil {
				t.Error(err)
			}
		})
	}
	list, err := e.Stack(ctx, config.Labels[engine.ComposeProject])
	if err != nil {
		t.Fatal(err)
	}
	for _, old := range list {
		if _, err := e.API.ContainerRemove(ctx, old.ID, client.ContainerRemoveOptions{Force: true}); err != nil {
			t.Fatal(err)
		}
	}
	networking := &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{}}
	if !hostConfig.NetworkMode.IsHost() && hostConfig.NetworkMode != "bridge" {
		for name := range c.NetworkSettings.Networks {
			networking.EndpointsConfig[name] = &network.EndpointSettings{}
		}
	}
	created, err := e.API.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config: &config, HostConfig: &hostConfig, NetworkingConfig: networking, Name: strings.TrimPrefix(c.Name, "/")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.API.ContainerStart(ctx, created.ID, client.ContainerStartOptions{}); err != nil {
		t.Fatal(err)
	}
}

// A service that cannot become healthy ends the deploy with what helps: state, log, likely reason.
func TestUnhealthy(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	for _, c := range []struct{ mode, state, reason string }{
		{"crash", "exited with code 3", "not declared"},
		{"sick", "unhealthy", ""},
		{"hog", "", "limits.memory"},
	} {
		t.Run(c.mode, func(t *testing.T) {
			t.Parallel()
			s := testStack(t, e, impatient(web), c.mode)
			_, err := deployStack(t, e, s, tokenValue)
			unhealthy, ok := errors.AsType[*deploy.UnhealthyError](err)
			if !ok {
				t.Fatalf("got %v, want an UnhealthyError", err)
			}
			if unhealthy.Service != "web" || !strings.Contains(unhealthy.State, c.state) {
				t.Errorf("service %s is %q, want web with %q", unhealthy.Service, unhealthy.State, c.state)
			}
			found := doctor.Diagnose(s, []doctor.Symptom{{Service: unhealthy.Service, State: unhealthy.State, ExitCode: unhealthy.ExitCode, OOM: unhealthy.OOM, Health: unhealthy.Health, Logs: unhealthy.Logs}})
			if len(found) == 0 || !strings.Contains(found[0].Cause+found[0].Patch.Path, c.reason) {
				t.Errorf("found %+v, want a cause with %q", found, c.reason)
			}
			if strings.Contains(strings.Join(unhealthy.Logs, ""), "\x1b") {
				t.Error("a log line carries a terminal escape")
			}
		})
	}
}

// A service that stops as it should passes the drill; one that ignores the signal is seen to need SIGKILL.
func TestStop(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	for mode, good := range map[string]bool{"serve": true, "stubborn": false} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := testStack(t, e, web, mode)
			twin := s.Twin(s.Name+"-twin", "web")
			t.Cleanup(func() {
				if err := e.Down(context.Background(), twin.Name, true); err != nil {
					t.Error(err)
				}
			})
			mustDeploy(t, e, twin)
			stopped, err := e.Stop(t.Context(), twin.Name, "web")
			if err != nil {
				t.Fatal(err)
			}
			if proven := finding.Proven(drills.JudgeShutdown(s.Services[0], stopped)); proven != good || stopped.Killed == good {
				t.Errorf("proven %v, killed %v: %+v", proven, stopped.Killed, stopped)
			}
		})
	}
}

// A paused, a stopped and a vanished container are unknown or failed, never proven, and no probe stays behind.
func TestVerifyIsNotFooled(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	s := testStack(t, e, web, "serve")
	mustDeploy(t, e, s)
	id := only(t, e, s, "web").ID
	if _, err := e.API.ContainerPause(t.Context(), id, client.ContainerPauseOptions{}); err != nil {
		t.Fatal(err)
	}
	if finding.Proven(judge(t, e, s)) {
		t.Error("a paused container is proven")
	}
	if _, err := e.API.ContainerUnpause(t.Context(), id, client.ContainerUnpauseOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.API.ContainerStop(t.Context(), id, client.ContainerStopOptions{}); err != nil {
		t.Fatal(err)
	}
	if finding.Proven(judge(t, e, s)) {
		t.Error("a stopped container is proven")
	}
	if _, err := e.API.ContainerRemove(t.Context(), id, client.ContainerRemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	if finding.Proven(judge(t, e, s)) {
		t.Error("a service without a container is proven")
	}
	noLeftovers(t, e, s)
}

// An engine that does not answer, or is too old, is named as such.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	_, err := Connect(t.Context(), engine.Endpoint{Host: "unix:///nonexistent/docker.sock"}, nil)
	if _, ok := errors.AsType[*engine.UnreachableError](err); !ok {
		t.Errorf("got %v, want an UnreachableError", err)
	}
}
