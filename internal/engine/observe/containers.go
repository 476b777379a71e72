// Package observe says what an engine has and what its containers are: as the engine tells it, and as probes see it. It changes
// nothing, but for drills, which are asked to.
package observe

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/images"
	"github.com/hsectl/hsectl/internal/engine/records"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/verify"
)

// Observer says what an engine has.
type Observer struct {
	engine  *engine.Connection
	records *records.Store
	images  *images.Transfer
	probes  *Probes
}

// New returns an observer of an engine.
func New(e *engine.Connection, r *records.Store, i *images.Transfer, p *Probes) *Observer {
	return &Observer{e, r, i, p}
}

const (
	// probeParallel bounds the probes that run at once: each is a short process next to production.
	probeParallel = 8
	// lookParallel bounds the containers that are looked at at once; most of that is waiting for answers.
	lookParallel = 32
)

// Containers implements verify.Observer.
func (obs *Observer) Containers(ctx context.Context, project string, ask func(string) verify.Request, rendered *verify.Rendered) ([]verify.Container, error) {
	daemon, err := obs.engine.Daemon(ctx)
	if err != nil {
		return nil, err
	}
	if err := obs.probes.removeProbes(ctx, project, daemon.Now); err != nil {
		return nil, err
	}
	list, err := obs.engine.Stack(ctx, project)
	if err != nil {
		return nil, err
	}
	networks, err := obs.networks(ctx, project)
	if err != nil {
		return nil, err
	}
	compared := make(chan comparison, 1)
	go func() { compared <- obs.compared(ctx, list, daemon.Info, rendered) }()
	origins, entries := obs.origins(ctx, list), obs.entries(ctx, list, daemon.Now)
	out := make([]verify.Container, len(list))
	round := obs.probes.newRound(ctx, project)
	requests := make([]verify.Request, len(list))
	for i, c := range list {
		requests[i] = ask(c.Config.Labels[engine.ComposeService])
		requests[i].Connect = addressed(requests[i].Connect, list)
		requests[i].Asks = own(requests[i].Asks, c)
		requests[i].Written = c.ResolvConfPath
	}
	if obs.probes.oneProbe && !daemon.Rootless {
		if round.local, err = obs.probes.surveyed(ctx, project, list, requests); err != nil {
			return nil, err
		}
	}
	var wg errgroup.Group
	wg.SetLimit(lookParallel)
	for i, c := range list {
		wg.Go(func() error {
			service, r := c.Config.Labels[engine.ComposeService], requests[i]
			out[i] = verify.Container{Name: strings.TrimPrefix(c.Name, "/"), Service: service, Deep: r.Deep, Engine: applied(c, networks, daemon.Now), Wiring: wiring(c, networks)}
			surface(&out[i].Engine, c)
			out[i].Engine.Engine = is(obs.engine.Version())
			out[i].Engine.Remap = is(policy.Remap{Engine: daemon.Remaps})
			out[i].Engine.Origin, out[i].Engine.Entries = origins[c.Image], entries[c.ID]
			out[i].Engine.Loaded = obs.loaded(ctx, c, r.Loaded)
			out[i].Engine.Reach = allowed(c, list, r.Connect)
			dump, err := round.look(ctx, c, r)
			out[i].Engine.Changes = obs.changes(ctx, c, dump)
			if err != nil {
				out[i].Error = err.Error()
				return nil // what could not be seen is unknown; the others are still looked at
			}
			out[i].Dump = dump
			return nil
		})
	}
	_ = wg.Wait() // none returns an error
	differ := <-compared
	for i, c := range list {
		out[i].Engine.Differences = differ.facts[c.ID]
		for j, m := range out[i].Engine.Mounts.Value {
			out[i].Engine.Mounts.Value[j].Local, out[i].Engine.Mounts.Value[j].Device = differ.local[m.Volume], differ.devices[m.Volume]
		}
	}
	return out, ctx.Err()
}

// networks returns the networks of a stack by their name on the engine.
func (obs *Observer) networks(ctx context.Context, project string) (map[string]policy.Network, error) {
	list, err := obs.engine.API.NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing networks: %w", err)
	}
	out := map[string]policy.Network{}
	for _, n := range list.Items {
		masquerade := n.Options["com.docker.network.bridge.enable_ip_masquerade"] != "false"
		out[n.Name] = policy.Network{
			Name:     strings.TrimPrefix(n.Name, project+"_"),
			Internal: n.Internal || n.Driver == "bridge" && !masquerade,
			Default:  n.Name == "bridge",
			Driver:   n.Driver,
		}
	}
	return out, nil
}

func is[T any](v T) policy.Fact[T] { return policy.Seen(v, finding.Applied) }

// applied says what the engine claims to have applied.
func applied(c engine.Container, networks map[string]policy.Network, now time.Time) policy.Facts {
	h := c.HostConfig
	f := policy.Facts{
		State:        is(policy.State{Running: c.State.Running, Paused: c.State.Paused, Restarting: c.State.Restarting, Restarts: c.RestartCount, Done: engine.Done(c)}),
		RootReadOnly: is(h.ReadonlyRootfs),
		Mounts:       is(appliedMounts(c)),
		Privileged:   is(h.Privileged),
		Masked:       is(h.MaskedPaths),
		Devices:      is(devices(h)),
		Namespaces: is(policy.Namespaces{HostPID: h.PidMode.IsHost(), HostIPC: h.IpcMode.IsHost(), HostNetwork: h.NetworkMode.IsHost(),
			HostUTS: h.UTSMode.IsHost(), HostUser: h.UsernsMode.IsHost()}),
		Ports:      is(publishedPorts(c)),
		Networks:   is(joined(c, networks)),
		Memory:     is(h.Memory),
		MemorySwap: is(max(h.MemorySwap, 0)),
		CPUs:       is(engine.CPUs(h)),
		OOMKilled:  is(c.State.OOMKilled),
		Stop:       is(StopOf(c)),
		Restart:    is(policy.Restart{Policy: string(h.RestartPolicy.Name), Retries: h.RestartPolicy.MaximumRetryCount}),
		Health:     is(health(c, now)),
		Arguments:  is(arguments(c)),
		Log:        is(logging(h)),
		Image:      is(policy.Image{Reference: c.Config.Image, ID: c.Image}),
	}
	var pids int64
	if h.PidsLimit != nil {
		pids = max(*h.PidsLimit, 0)
	}
	f.PIDs = is(pids)
	var variables []policy.Variable
	for _, entry := range c.Config.Env {
		name, value, _ := strings.Cut(entry, "=")
		variables = append(variables, policy.Variable{Name: name, Value: value})
	}
	f.Environment = is(variables)
	return f
}

func appliedMounts(c engine.Container) []policy.Mount {
	var out []policy.Mount
	for _, m := range c.Mounts {
		kind := string(m.Type)
		if kind != "volume" && kind != "tmpfs" {
			kind = "bind"
		}
		out = append(out, policy.Mount{Path: m.Destination, Kind: kind, Source: m.Source, Volume: volumeOf(m), Writable: m.RW, Exec: true, SUID: true, Dev: true,
			Shared: m.Propagation == "shared" || m.Propagation == "rshared"}) // a slave sees the host's mounts come and go, and shows it none
	}
	for path, options := range c.HostConfig.Tmpfs { // these are not among the mounts
		words := strings.Split(options, ",")
		out = append(out, policy.Mount{Path: path, Kind: "tmpfs", Writable: !slices.Contains(words, "ro"), Exec: slices.Contains(words, "exec"), Size: tmpfsSize(words)})
	}
	slices.SortFunc(out, func(a, b policy.Mount) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// volumeOf is the name of a mounted volume. Docker 29 leaves it out for one that a client asked for by its path only; there the
// directory has it: volumes/NAME/_data.
func volumeOf(m container.MountPoint) string {
	if m.Type == mount.TypeVolume && m.Name == "" && path.Base(m.Source) == "_data" {
		return path.Base(path.Dir(m.Source))
	}
	return m.Name
}

// tmpfsSize reads size=8m as the kernel does (tmpfs(5)); 0 is no bound, or one in percent of a memory that is not known.
func tmpfsSize(options []string) int64 {
	for _, o := range options {
		if value, ok := strings.CutPrefix(o, "size="); ok {
			n, err := units.RAMInBytes(value)
			if err != nil {
				return 0
			}
			return n
		}
	}
	return 0
}

func devices(h *container.HostConfig) []string {
	var out []string
	for _, d := range h.Devices {
		out = append(out, d.PathOnHost)
	}
	for _, d := range h.DeviceRequests {
		out = append(out, "request to "+d.Driver)
	}
	return append(out, h.DeviceCgroupRules...)
}

func publishedPorts(c engine.Container) []policy.Port {
	var out []policy.Port
	ports := network.PortMap{}
	if c.NetworkSettings != nil {
		ports = c.NetworkSettings.Ports
	}
	for port, bindings := range ports {
		for _, b := range bindings {
			host, err := strconv.Atoi(b.HostPort)
			if err != nil {
				continue
			}
			address := b.HostIP
			if !address.IsValid() {
				address = netip.IPv4Unspecified()
			}
			p := policy.Port{Address: address.String(), Host: host, Container: int(port.Num()), Protocol: string(port.Proto())}
			if !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	slices.SortFunc(out, func(a, b policy.Port) int { return strings.Compare(a.String(), b.String()) })
	return out
}

func joined(c engine.Container, networks map[string]policy.Network) []policy.Network {
	var out []policy.Network
	for name := range c.Networks() {
		n, ok := networks[name]
		if !ok {
			n = policy.Network{Name: name}
		}
		out = append(out, n)
	}
	slices.SortFunc(out, func(a, b policy.Network) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// StopOf is how the engine stops a container.
func StopOf(c engine.Container) policy.Stop {
	s := policy.Stop{Signal: c.Config.StopSignal, Grace: 10 * time.Second}
	if s.Signal == "" {
		s.Signal = "SIGTERM"
	}
	if c.Config.StopTimeout != nil {
		s.Grace = time.Duration(*c.Config.StopTimeout) * time.Second
	}
	s.Init = c.HostConfig.Init != nil && *c.HostConfig.Init
	return s
}

// engineInterval and engineTimeout are what the engine takes where a health test does not say.
const (
	engineInterval = 30 * time.Second
	engineTimeout  = 30 * time.Second
)

// health says how the test stands at a time of the engine's clock.
func health(c engine.Container, now time.Time) policy.Health {
	var out policy.Health
	if t := c.Config.Healthcheck; t != nil {
		out.Test = t.Test
		out.Due = 2*cmp.Or(t.Interval, engineInterval) + cmp.Or(t.Timeout, engineTimeout)
	}
	if s := c.State.Health; s != nil {
		out.Status = string(s.Status)
		out.Streak = s.FailingStreak
		out.Missing = slices.ContainsFunc(s.Log, func(r *container.HealthcheckResult) bool {
			return r != nil && r.ExitCode != 0 && (strings.Contains(r.Output, "executable file not found") || strings.Contains(r.Output, "exec failed") && strings.Contains(r.Output, "no such file"))
		})
		for _, r := range s.Log {
			if r != nil && r.ExitCode == 0 {
				out.Proven, out.Age = true, now.Sub(r.End)
			}
		}
	}
	return out
}

// arguments are the entry point, the command and the values of labels that are not Compose's own.
func arguments(c engine.Container) []string {
	out := slices.Concat(c.Config.Entrypoint, c.Config.Cmd)
	for name, value := range c.Config.Labels {
		if !strings.HasPrefix(name, "com.docker.compose.") {
			out = append(out, name+"="+value)
		}
	}
	slices.Sort(out[len(c.Config.Entrypoint)+len(c.Config.Cmd):])
	return out
}

func logging(h *container.HostConfig) policy.Log {
	driver := h.LogConfig.Type
	return policy.Log{Driver: driver, Bounded: driver != "json-file" || h.LogConfig.Config["max-size"] != "", NonBlocking: h.LogConfig.Config["mode"] == "non-blocking"}
}
