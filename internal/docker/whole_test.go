//go:build engine

package docker

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/record"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify"
)

// wholePeer makes of web a stack with what differs in ways that no other control knows.
const wholePeer = `  peer:
    image: IMAGE
    command: [MODE]
    user: "10002:10002"
    limits: {cpus: "0.5", memory: 64M, pids: 50}
    shutdown: {signal: SIGTERM, grace: 3s, logs: [stopping, stopped]}
    health: {command: [/program, health], interval: 2s, timeout: 2s, retries: 8, start_period: 1s}
    networks: [back, backend]
    secrets: [more]
networks:
  back: {}
secrets:
  more: {env: MORE}
  token: {env: TOKEN}
`

func wholeProfile() string { return strings.Split(web, "secrets:\n  token")[0] + wholePeer }

// remade is how a container is made.
type remade struct {
	config  *container.Config
	host    *container.HostConfig
	network map[string]*network.EndpointSettings
}

// changed is one way in which a container is made again, and the field that it is found by.
type changed struct {
	name   string
	path   string
	change func(*testing.T, *Engine, *remade)
}

func wholeChanges(s stack.Stack) []changed {
	host := func(name, path string, change func(*container.HostConfig)) changed {
		return changed{name, path, func(_ *testing.T, _ *Engine, r *remade) { change(r.host) }}
	}
	config := func(name, path string, change func(*container.Config)) changed {
		return changed{name, path, func(_ *testing.T, _ *Engine, r *remade) { change(r.config) }}
	}
	add := func(name, path string, m mount.Mount) changed {
		return host(name, path, func(h *container.HostConfig) { h.Mounts = append(h.Mounts, m) })
	}
	data := s.Name + "_data"
	swap := func(name string, m mount.Mount) changed {
		return host(name, "HostConfig.Mounts[/data]", func(h *container.HostConfig) {
			for i := range h.Mounts {
				if h.Mounts[i].Target == "/data" {
					m.Target = "/data"
					h.Mounts[i] = m
				}
			}
		})
	}
	join := func(name, path string, change func(map[string]*network.EndpointSettings)) changed {
		return changed{name, path, func(_ *testing.T, _ *Engine, r *remade) { change(r.network) }}
	}
	backend := s.Name + "_backend"
	return []changed{
		config("another command", "Config.Cmd", func(c *container.Config) { c.Cmd = []string{"serve", "-x"} }),
		config("an added variable", "Config.Env[LD_PRELOAD]", func(c *container.Config) { c.Env = append(c.Env, "LD_PRELOAD=/data/x.so") }),
		config("a trivial health test", "Config.Healthcheck.Test", func(c *container.Config) {
			h := *c.Healthcheck
			h.Test = []string{"CMD", "/program", "version"}
			c.Healthcheck = &h
		}),
		config("a health test that never fails", "Config.Healthcheck.Retries", func(c *container.Config) {
			h := *c.Healthcheck
			h.Retries = 1000
			c.Healthcheck = &h
		}),
		config("the same user by a name", "Config.User", func(c *container.Config) { c.User = "10001" }),
		config("a label", "Config.Labels[traefik.enable]", func(c *container.Config) { c.Labels["traefik.enable"] = "true" }),
		config("another host name", "Config.Hostname", func(c *container.Config) { c.Hostname = "peer" }),
		config("another directory", "Config.WorkingDir", func(c *container.Config) { c.WorkingDir = "/data" }),
		host("a peer's name", "HostConfig.ExtraHosts[peer:127.0.0.1]", func(h *container.HostConfig) { h.ExtraHosts = []string{"peer:127.0.0.1"} }),
		host("a resolver's search list", "HostConfig.DnsSearch", func(h *container.HostConfig) { h.DNSSearch = []string{"evil.test"} }),
		host("a resolver's options", "HostConfig.DnsOptions", func(h *container.HostConfig) { h.DNSOptions = []string{"ndots:9"} }),
		host("shared memory", "HostConfig.ShmSize", func(h *container.HostConfig) { h.ShmSize = 1 << 20 }),
		host("a limit of a process", "HostConfig.Ulimits[memlock]", func(h *container.HostConfig) {
			h.Ulimits = append(slices.Clone(h.Ulimits), &container.Ulimit{Name: "memlock", Soft: -1, Hard: -1})
		}),
		host("another restart policy", "HostConfig.RestartPolicy.Name", func(h *container.HostConfig) { h.RestartPolicy.Name = "always" }),
		host("other options of a tmpfs", "HostConfig.Tmpfs[/tmp]", func(h *container.HostConfig) {
			h.Tmpfs["/tmp"] = strings.Replace(h.Tmpfs["/tmp"], "mode=0700", "mode=0777", 1)
		}),
		host("another share of the processor", "HostConfig.CpuShares", func(h *container.HostConfig) { h.CPUShares = 4096 }),
		host("a group of root's", "HostConfig.GroupAdd[6]", func(h *container.HostConfig) { h.GroupAdd = []string{"6"} }),
		host("a sysctl", "HostConfig.Sysctls[net.ipv4.ip_unprivileged_port_start]", func(h *container.HostConfig) {
			h.Sysctls = map[string]string{"net.ipv4.ip_unprivileged_port_start": "0"}
		}),
		host("logs of another size", "HostConfig.LogConfig.Config[max-size]", func(h *container.HostConfig) {
			h.LogConfig.Config = maps.Clone(h.LogConfig.Config)
			h.LogConfig.Config["max-size"] = "9m"
		}),
		add("another service's secrets", "HostConfig.Mounts[/stolen]", mount.Mount{Type: mount.TypeVolume, Source: s.Name + "_peer_secrets_1", Target: "/stolen", ReadOnly: true}),
		add("a bind over the data", "HostConfig.Mounts[/data/x]", mount.Mount{Type: mount.TypeBind, Source: "/etc/ssl", Target: "/data/x", ReadOnly: true}),
		add("a mount over the program's secrets", "HostConfig.Mounts[/run/secrets/token]", mount.Mount{Type: mount.TypeBind, Source: "/etc/hostname", Target: "/run/secrets/token", ReadOnly: true}),
		swap("the host's processes as the volume", mount.Mount{Type: mount.TypeBind, Source: "/proc", ReadOnly: true}),
		swap("another volume", mount.Mount{Type: mount.TypeVolume, Source: s.Name + "_peer_secrets_1"}),
		swap("a part of the volume's options", mount.Mount{Type: mount.TypeVolume, Source: data}),
		join("another service's name", "Aliases[peer]", func(n map[string]*network.EndpointSettings) { n[backend].Aliases = append(n[backend].Aliases, "peer") }),
		join("no name of its own", "Aliases[web]", func(n map[string]*network.EndpointSettings) { n[backend].Aliases = n[backend].Aliases[:0] }),
		join("another network", "NetworkSettings.Networks["+s.Name+"_back]", func(n map[string]*network.EndpointSettings) { n[s.Name+"_back"] = &network.EndpointSettings{} }),
		{"a volume that is the host's root directory", "Options[device]", func(t *testing.T, e *Engine, r *remade) {
			// The volume keeps its name, and its data is another.
			if _, err := e.API.VolumeRemove(t.Context(), data, client.VolumeRemoveOptions{Force: true}); err != nil {
				t.Fatal(err)
			}
			if _, err := e.API.VolumeCreate(t.Context(), client.VolumeCreateOptions{Name: data, DriverOpts: map[string]string{"type": "none", "o": "bind", "device": "/root"},
				Labels: map[string]string{engine.ComposeProject: s.Name, engine.ComposeVolume: "data"}}); err != nil {
				t.Fatal(err)
			}
		}},
	}
}

// Whatever a container is made again with that was not rendered is named by verify and by plan, and what was not touched by neither.
func TestWholeComparison(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	s := testStack(t, e, wholeProfile(), "serve")
	d := deploy.Desired{Stack: s, Secrets: map[string]deploy.Secret{"token": deploy.NewSecret([]byte(tokenValue)), "more": deploy.NewSecret([]byte(tokenValue))}, Timeout: patience()}
	observed, plan := planOf(t, e, d)
	if err := deploy.Execute(t.Context(), plan, e, func(v deploy.Event) { t.Logf("%s %s", v.Subject, v.Text) }); err != nil {
		t.Fatal(err)
	}
	r := deploy.NewRelease(d, observed, plan, 1)
	for reference := range r.Images { // pulled or loaded meanwhile
		id, digest, err := e.Find(t.Context(), reference)
		if err != nil {
			t.Fatal(err)
		}
		r.Images[reference] = record.Image{ID: id, Digest: digest}
	}
	ids, err := e.ContainerIDs(t.Context(), s.Name)
	if err != nil {
		t.Fatal(err)
	}
	last := record.Entry{Number: 1, Release: r, Outcome: record.Outcome{Status: record.Deployed, Containers: ids}}
	d.Last = &last
	unchanged := func() {
		t.Helper()
		for service, found := range differ(t, e, d) {
			if len(found.verify) > 0 || len(found.plan) > 0 {
				t.Errorf("%s is as it was deployed, but %q, %q", service, found.verify, found.plan)
			}
		}
	}
	unchanged()
	was := only(t, e, s, "web")
	for _, c := range wholeChanges(s) {
		remake(t, e, was, c.change)
		found := differ(t, e, d)
		named := func(list []string) bool {
			return slices.ContainsFunc(list, func(text string) bool { return strings.Contains(text, c.path) })
		}
		if !named(found["web"].verify) {
			t.Errorf("%s: verify names %q", c.name, found["web"].verify)
		}
		if !named(found["web"].plan) {
			t.Errorf("%s: plan names %q", c.name, found["web"].plan)
		}
		if len(found["peer"].verify) > 0 || len(found["peer"].plan) > 0 {
			t.Errorf("%s: and of peer %q, %q", c.name, found["peer"].verify, found["peer"].plan)
		}
		if strings.Contains(strings.Join(found["web"].verify, " "), tokenValue) {
			t.Errorf("%s: the secret is shown", c.name)
		}
	}
}

// A stack that was not deployed but brought up from the generated file is what that file says.
func TestWholeComparisonWithoutRelease(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	s := testStack(t, e, strings.NewReplacer("    secrets: [token]\n", "", "secrets:\n  token: {env: TOKEN}\n", "", "writable:\n      - {path: /data, volume: data}\n", "ports: [\"127.0.0.1:18467:8080\"]\n    writable:\n").Replace(web), "serve")
	file, err := generate.Compose(s, generate.Source{})
	if err != nil {
		t.Fatal(err)
	}
	step := deploy.Step{Kind: deploy.Converge, Subject: s.Name, Compose: &deploy.ComposeStep{Stack: s.Name, File: file, Timeout: patience(), Services: []string{"web"}}}
	if err := e.Apply(t.Context(), []deploy.Step{step}, func(deploy.Event) {}); err != nil {
		t.Fatal(err)
	}
	evidence, err := verify.Verify(t.Context(), s, e, verify.Options{Rendered: &verify.Rendered{File: file, Plain: true}})
	if err != nil {
		t.Fatal(err)
	}
	if f := findingOf(t, evidence.Findings, policy.WholeComparison); f.Status != finding.Pass {
		t.Errorf("%s: %s", f.Status, f.Detail)
	}
}

type named struct{ verify, plan []string }

// differ asks verify and plan what is not as it was rendered, by service.
func differ(t *testing.T, e *Engine, d deploy.Desired) map[string]named {
	t.Helper()
	images := map[string]string{}
	for reference, image := range d.Last.Release.Images {
		images[reference] = image.ID
	}
	rendered := &verify.Rendered{File: d.Last.Release.Compose, Environment: d.Last.Release.Environment, Images: images}
	evidence, err := verify.Verify(t.Context(), d.Stack, e, verify.Options{Rendered: rendered})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]named{}
	for _, f := range evidence.Findings {
		if f.Control != policy.WholeComparison {
			continue
		}
		n := named{}
		if f.Status != finding.Pass {
			n.verify = []string{f.Status.String() + ": " + f.Detail}
		}
		out[f.Subject] = n
	}
	if len(out) != len(d.Stack.Services) {
		t.Fatalf("%d services were compared", len(out))
	}
	observed, err := e.Observe(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	if observed.Uncompared != "" {
		t.Fatal(observed.Uncompared)
	}
	plan, err := deploy.NewPlan(d, observed)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range plan.Services {
		n := out[c.Service]
		for _, f := range c.Fields {
			n.plan = append(n.plan, f.Field)
		}
		out[c.Service] = n
	}
	for _, c := range plan.Changed { // only web has what is changed here
		n := out["web"]
		for _, f := range c.Fields {
			n.plan = append(n.plan, f.Field)
		}
		out["web"] = n
	}
	return out
}

// remake removes a container and makes it again with a change, as somebody with a shell on the host would.
func remake(t *testing.T, e *Engine, c engine.Container, change func(*testing.T, *Engine, *remade)) {
	t.Helper()
	if _, err := e.API.ContainerRemove(t.Context(), strings.TrimPrefix(c.Name, "/"), client.ContainerRemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	config, host := *c.Config, *c.HostConfig
	config.Hostname = "" // the engine had chosen it
	config.Env, config.Labels, host.Mounts, host.Tmpfs = slices.Clone(config.Env), maps.Clone(config.Labels), slices.Clone(host.Mounts), maps.Clone(host.Tmpfs)
	r := remade{config: &config, host: &host, network: map[string]*network.EndpointSettings{}}
	for name, n := range c.Networks() {
		own := func(alias string) bool { return strings.HasPrefix(c.ID, alias) }
		r.network[name] = &network.EndpointSettings{Aliases: slices.DeleteFunc(slices.Clone(n.Aliases), own)}
	}
	change(t, e, &r)
	first := string(host.NetworkMode)
	created, err := e.API.ContainerCreate(t.Context(), client.ContainerCreateOptions{Name: strings.TrimPrefix(c.Name, "/"), Config: &config, HostConfig: &host,
		NetworkingConfig: &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{first: r.network[first]}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, settings := range r.network {
		if name == first {
			continue
		}
		if _, err := e.API.NetworkConnect(t.Context(), name, client.NetworkConnectOptions{Container: created.ID, EndpointConfig: settings}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.API.ContainerStart(t.Context(), created.ID, client.ContainerStartOptions{}); err != nil {
		t.Logf("%s is only looked at: %v", c.Name, err)
	}
}
