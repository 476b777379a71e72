//go:build engine

package docker

import (
	"context"
	"net/netip"
	"slices"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/probe"
	"github.com/hsectl/hsectl/internal/stack"
)

// The inputs at which KICS, docker-bench-security, dockle, dockguard and dclint were seen to err, as running containers.
// The test of the same name in internal/composefile judges them as they are written.
func TestWhereOthersErr(t *testing.T) {
	e := testEngine(t)
	e.LookLocally(probe.Local)
	s := testStack(t, e, web, "serve")
	mustDeploy(t, e, s)
	original := only(t, e, s, "web")
	for _, row := range erring(t, e, original) {
		t.Run(row.name, func(t *testing.T) {
			recreate(t, e, original, row.change)
			if row.after != nil {
				row.after(t, e, s)
			}
			declared := s
			if row.declare != nil {
				declared.Services = slices.Clone(s.Services)
				row.declare(&declared.Services[0])
			}
			findings := judge(t, e, declared)
			for control, want := range row.want {
				if f := findingOf(t, findings, control); !slices.Contains(want, f.Status) {
					t.Errorf("%s is %s: %s", control, f.Status, f.Detail)
				}
			}
		})
	}
}

// erringRow is a row of the catalogue's section 4: how the container is made, and what is right to say of it.
type erringRow struct {
	name    string
	change  func(*container.Config, *container.HostConfig)
	after   func(*testing.T, *Engine, stack.Stack)
	declare func(*stack.Service) // what the profile says besides
	want    map[string][]finding.Status
}

func erring(t *testing.T, e *Engine, original engine.Container) []erringRow {
	t.Helper()
	bad := []finding.Status{finding.Fail, finding.Drift}
	good := []finding.Status{finding.Pass}
	row := func(name string, change func(*container.Config, *container.HostConfig), want []finding.Status, controls ...string) erringRow {
		out := erringRow{name: name, change: change, want: map[string][]finding.Status{}}
		for _, c := range controls {
			out.want[c] = want
		}
		return out
	}
	on := func(change func(*container.HostConfig)) func(*container.Config, *container.HostConfig) {
		return func(_ *container.Config, h *container.HostConfig) { change(h) }
	}
	nothing := func(*container.Config, *container.HostConfig) {}
	// A privileged hook is refused by some kernels that engines run on; whose it is shows in any case.
	execed := row("post_start hook as root", nothing, bad, "HSE-USR-001", "HSE-USR-004")
	execed.after = func(t *testing.T, e *Engine, s stack.Stack) {
		made, err := e.API.ExecCreate(t.Context(), only(t, e, s, "web").ID, client.ExecCreateOptions{User: "0:0", Cmd: []string{"/program", "ignore-signals"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.API.ExecStart(t.Context(), made.ID, client.ExecStartOptions{Detach: true}); err != nil {
			t.Fatal(err)
		}
	}
	tested := row("image HEALTHCHECK, none in compose", imageOf(t, e, original, `HEALTHCHECK --interval=1s CMD ["/program","health"]`, func(c *container.Config) { c.Healthcheck = nil }), good, "HSE-HLT-001", "HSE-HLT-003", "HSE-HLT-004")
	tested.after = func(t *testing.T, e *Engine, s stack.Stack) { awaitHealthTest(t, e, s) }
	published := func(c *container.Config, h *container.HostConfig) {
		p := network.MustParsePort("8080/tcp")
		c.ExposedPorts = network.PortSet{p: {}}
		h.PortBindings = network.PortMap{p: {{HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: "0"}}}
	}
	closed := row("internal network and a published port", published, bad, "HSE-NET-002")
	closed.declare = func(s *stack.Service) {
		s.Ports = append(slices.Clone(s.Ports), stack.Port{Address: "127.0.0.1", Host: 18080, Container: 8080, Protocol: "tcp"})
	}
	return []erringRow{
		closed,
		row("no-new-privileges:true then =false", on(func(h *container.HostConfig) {
			h.SecurityOpt = []string{"no-new-privileges:true", "no-new-privileges=false"}
		}), bad, "HSE-PRV-002"),
		row("seccomp=unconfined", on(func(h *container.HostConfig) { h.SecurityOpt = append(h.SecurityOpt, "seccomp=unconfined") }), bad, "HSE-KRN-001", "HSE-KRN-002"),
		row("systempaths=unconfined", on(func(h *container.HostConfig) { h.MaskedPaths, h.ReadonlyPaths = []string{}, []string{} }), bad, "HSE-KRN-006"),
		// What Compose makes of use_api_socket and of a bind in long syntax is the same mount.
		row("use_api_socket and docker.sock in long syntax", on(func(h *container.HostConfig) {
			h.Mounts = append(slices.Clone(h.Mounts), mount.Mount{Type: mount.TypeBind, Source: "/var/run/docker.sock", Target: "/var/run/docker.sock"})
		}), bad, "HSE-FS-004"),
		row("cap_drop: [CHOWN] only", on(func(h *container.HostConfig) { h.CapDrop = []string{"CHOWN"} }), bad, "HSE-CAP-001"),
		row("non-root, no cap_drop", on(func(h *container.HostConfig) { h.CapDrop = nil }), bad, "HSE-CAP-001"),
		row("privileged, cap_drop ALL and a uid", on(func(h *container.HostConfig) { h.Privileged, h.CapDrop = true, []string{"ALL"} }), bad, "HSE-PRV-001", "HSE-CAP-001", "HSE-CAP-002", "HSE-KRN-001"),
		execed,
		row("a device, the host's uts", func(c *container.Config, h *container.HostConfig) {
			c.Hostname, h.UTSMode = "", "host"
			h.Devices = []container.DeviceMapping{{PathOnHost: "/dev/null", PathInContainer: "/dev/x", CgroupPermissions: "r"}}
		}, bad, "HSE-KRN-004", "HSE-NS-004"),
		row("no limit of memory, cpu and pids", on(func(h *container.HostConfig) {
			h.Memory, h.MemorySwap, h.NanoCPUs, h.PidsLimit = 0, 0, 0, nil
		}), bad, "HSE-RES-001", "HSE-RES-002", "HSE-RES-003", "HSE-RES-004"),
		row("127.0.0.1 in a long-form port", func(c *container.Config, h *container.HostConfig) {
			published(c, h)
			h.NetworkMode = "bridge"
		}, good, "HSE-NET-001"),
		row("named volume, single user", nothing, good, "HSE-FS-002", "HSE-FS-003", "HSE-FS-007", "HSE-FS-011"),
		row("/srv/app:/data:ro and /etc/localtime:ro", on(func(h *container.HostConfig) {
			h.Binds = append(slices.Clone(h.Binds), "/srv:/srv/app:ro", "/etc/localtime:/etc/localtime:ro")
		}), good, "HSE-FS-003", "HSE-FS-011"),
		row(`user: "0:0"`, func(c *container.Config, _ *container.HostConfig) { c.User = "0:0" }, bad, "HSE-USR-001", "HSE-USR-002", "HSE-USR-004"),
		row("image USER 0", imageOf(t, e, original, "USER 0", func(c *container.Config) { c.User = "" }), bad, "HSE-USR-001", "HSE-USR-004"),
		tested,
		row("X_PASSWORD_FILE: /run/secrets/x", func(c *container.Config, _ *container.HostConfig) {
			c.Env = append(slices.Clone(c.Env), "X_PASSWORD_FILE=/run/secrets/x")
		}, good, "HSE-SEC-001", "HSE-SEC-006"),
		row("host without AppArmor", nothing, []finding.Status{finding.Pass, finding.NotApplicable}, "HSE-KRN-003"),
		row("sshd in an image without a shell", func(c *container.Config, _ *container.HostConfig) { c.Cmd = []string{"sshd"} }, bad, "HSE-NET-009", "HSE-NET-007"),
	}
}

// imageOf makes an image from the container's with one line of a Dockerfile more, and a container of it.
func imageOf(t *testing.T, e *Engine, from engine.Container, line string, change func(*container.Config)) func(*container.Config, *container.HostConfig) {
	t.Helper()
	made, err := e.API.ContainerCommit(t.Context(), from.ID, client.ContainerCommitOptions{Changes: []string{line}, Config: &container.Config{}, NoPause: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := e.API.ImageRemove(context.Background(), made.ID, client.ImageRemoveOptions{Force: true}); err != nil {
			t.Error(err)
		}
	})
	return func(c *container.Config, _ *container.HostConfig) {
		c.Image = made.ID
		change(c)
	}
}
