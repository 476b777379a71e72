package observe

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/verify"
	"github.com/hsectl/hsectl/internal/verify/kernel"
)

// surface adds what the engine says of a container beyond its own files.
func surface(f *policy.Facts, c engine.Container) {
	h := c.HostConfig
	f.User = is(c.Config.User)
	f.Shm = is(policy.Shm{Size: h.ShmSize})
	f.Filter = is(policy.SecurityOptions(h.SecurityOpt).Filter(h.Privileged))
	var names []string
	for name := range h.Sysctls {
		names = append(names, name)
	}
	slices.Sort(names)
	f.Sysctls = is(names)
	f.Cgroup = is(policy.Cgroup{Host: h.CgroupnsMode.IsHost(), V2: h.CgroupnsMode.IsPrivate(), Parent: h.CgroupParent})
	f.Runtime = is(h.Runtime)
	f.Borrowed = is(policy.Borrowed(string(h.PidMode), string(h.IpcMode), string(h.NetworkMode)))
	f.ExtraHosts = is(h.ExtraHosts)
	f.OOM = is(policy.OOM{Disabled: h.OomKillDisable != nil && *h.OomKillDisable, Score: h.OomScoreAdj})
	f.DependsOn = is(relations(c.Config.Labels["com.docker.compose.depends_on"]))
}

// relations reads Compose's label: service:condition:restart, with commas between.
func relations(label string) []policy.Relation {
	var out []policy.Relation
	for entry := range strings.SplitSeq(label, ",") {
		parts := strings.Split(entry, ":")
		if len(parts) < 2 {
			continue
		}
		condition := map[string]string{"service_healthy": "healthy", "service_completed_successfully": "completed"}[parts[1]]
		if condition == "" {
			condition = "started"
		}
		out = append(out, policy.Relation{Service: parts[0], Condition: condition})
	}
	return out
}

// changes lists files of the container's own layer, as this machine shows it or as the engine compares it with the
// image, which takes it long. What the engine makes itself is left out: the init, and the mount points that the image
// lacks, with the directories above them.
func (obs *Observer) changes(ctx context.Context, c engine.Container, dump *verify.Dump) policy.Fact[[]string] {
	var paths []string
	if dump != nil && dump.Changed != nil {
		paths = *dump.Changed
	} else {
		ctx, cancel := context.WithTimeout(ctx, obs.engine.Bounds.Prompt)
		defer cancel()
		answer, err := obs.engine.API.ContainerDiff(ctx, c.ID, client.ContainerDiffOptions{})
		if err != nil {
			return policy.Unseen[[]string](err.Error())
		}
		for _, change := range answer.Changes {
			paths = append(paths, change.Path)
		}
	}
	own := []string{"/sbin/docker-init", "/usr/sbin/docker-init", "/dev/console", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/mtab", "/.dockerenv", "/proc", "/sys", "/dev"}
	for _, m := range c.Mounts {
		own = append(own, m.Destination)
	}
	for path := range c.HostConfig.Tmpfs {
		own = append(own, path)
	}
	var out []string
	for _, path := range paths {
		if !slices.ContainsFunc(own, func(o string) bool {
			return path == o || strings.HasPrefix(o, path+"/") || strings.HasPrefix(path, o+"/")
		}) {
			out = append(out, display.Clean(path))
		}
	}
	if dump != nil && dump.Unfinished[verify.LookChanged] != "" && len(out) == 0 {
		return policy.Unseen[[]string](dump.Unfinished[verify.LookChanged])
	}
	return policy.Seen(out, finding.Effective)
}

// origins reads the configuration of each image once.
func (obs *Observer) origins(ctx context.Context, list []engine.Container) map[string]policy.Fact[policy.Origin] {
	out := map[string]policy.Fact[policy.Origin]{}
	for _, c := range list {
		if _, ok := out[c.Image]; !ok {
			out[c.Image] = origin(ctx, obs.engine, c.Image)
		}
	}
	return out
}

func origin(ctx context.Context, e *engine.Connection, id string) policy.Fact[policy.Origin] {
	inspected, err := e.API.ImageInspect(ctx, id)
	if err != nil {
		return policy.Unseen[policy.Origin](err.Error())
	}
	history, err := e.API.ImageHistory(ctx, id)
	if err != nil {
		return policy.Unseen[policy.Origin](err.Error())
	}
	var out policy.Origin
	if config := inspected.Config; config != nil {
		out.Tested = config.Healthcheck != nil && len(config.Healthcheck.Test) > 0 && config.Healthcheck.Test[0] != "NONE"
		out.User, out.StopSignal = config.User, config.StopSignal
		for port := range config.ExposedPorts {
			number, _, _ := strings.Cut(port, "/")
			if n, err := strconv.Atoi(number); err == nil {
				out.Exposed = append(out.Exposed, n)
			}
		}
		for path := range config.Volumes {
			out.Volumes = append(out.Volumes, path)
		}
		for _, entry := range config.Env {
			if name, value, _ := strings.Cut(entry, "="); policy.LooksSecret(policy.Variable{Name: name, Value: value}) {
				out.Secrets = append(out.Secrets, "variable "+name)
			}
		}
		for name, value := range config.Labels {
			if policy.LooksSecret(policy.Variable{Name: name, Value: value}) {
				out.Secrets = append(out.Secrets, "label "+name)
			}
		}
	}
	for i, step := range history.Items {
		if len(policy.SecretArguments(strings.Fields(step.CreatedBy))) > 0 {
			out.Secrets = append(out.Secrets, "build step "+strconv.Itoa(len(history.Items)-i))
		}
	}
	slices.Sort(out.Secrets)
	return is(out)
}

// addressed gives each target the addresses of its service's containers.
func addressed(targets []verify.Target, list []engine.Container) []verify.Target {
	var out []verify.Target
	for _, t := range targets {
		for _, c := range list {
			if c.Config.Labels[engine.ComposeService] != t.Service || !c.State.Running {
				continue
			}
			for _, n := range c.Networks() {
				if n.IPAddress.IsValid() {
					out = append(out, verify.Target{Service: t.Service, Address: n.IPAddress.String(), Port: t.Port})
				}
			}
		}
	}
	return out
}

// allowed says by the engine's networks which targets can be reached: those on a network of the container's own.
func allowed(c engine.Container, list []engine.Container, targets []verify.Target) policy.Fact[[]policy.Reach] {
	if c.NetworkSettings == nil {
		return policy.Unseen[[]policy.Reach]("the container has no network settings")
	}
	var out []policy.Reach
	for _, t := range targets {
		r := policy.Reach{Service: t.Service, Port: t.Port}
		for _, other := range list {
			if other.Config.Labels[engine.ComposeService] != t.Service {
				continue
			}
			for name := range other.Networks() {
				_, shared := c.Networks()[name]
				r.Open = r.Open || shared
			}
		}
		if !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return is(out)
}

// wiring says what the engine has connected a container to.
func wiring(c engine.Container, networks map[string]policy.Network) *kernel.Wiring {
	h := c.HostConfig
	w := &kernel.Wiring{Shared: h.NetworkMode.IsHost() || h.NetworkMode.IsContainer(), Hostname: c.Config.Hostname, Domain: c.Config.Domainname,
		Hosts: h.ExtraHosts, Search: h.DNSSearch, Options: h.DNSOptions}
	for _, server := range h.DNS {
		w.Servers = append(w.Servers, server.String())
	}
	for name, to := range c.Networks() {
		if to == nil || name == "none" {
			continue
		}
		e := kernel.End{Network: name, Driver: networks[name].Driver}
		for _, a := range []netip.Prefix{netip.PrefixFrom(to.IPAddress, to.IPPrefixLen), netip.PrefixFrom(to.GlobalIPv6Address, to.GlobalIPv6PrefixLen)} {
			if a.IsValid() {
				e.Addresses = append(e.Addresses, a)
			}
		}
		for _, g := range []netip.Addr{to.Gateway, to.IPv6Gateway} {
			if g.IsValid() {
				e.Gateways = append(e.Gateways, g)
			}
		}
		w.Ends = append(w.Ends, e)
	}
	return w
}
