package docker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/policy"
)

// daemon is what the engine says of itself, as far as every look at a container needs it.
type daemon struct {
	now      time.Time // by its own clock
	remaps   bool      // user ids of containers are mapped
	rootless bool      // it is not root itself, so nothing that it starts may see the processes of its machine
}

func (e *Engine) daemon(ctx context.Context) (daemon, error) {
	answer, err := e.api.Info(ctx, client.InfoOptions{})
	if err != nil {
		return daemon{}, fmt.Errorf("asking the engine about itself: %w", err)
	}
	now, err := time.Parse(time.RFC3339Nano, answer.Info.SystemTime)
	if err != nil {
		return daemon{}, fmt.Errorf("asking the engine for its time: %w", err)
	}
	options := securityOptions(answer.Info.SecurityOptions)
	rootless := slices.Contains(options, "rootless")
	return daemon{now: now, remaps: rootless || slices.Contains(options, "userns"), rootless: rootless}, nil
}

// securityOptions returns the names in name=seccomp,profile=default.
func securityOptions(options []string) []string {
	var out []string
	for _, o := range options {
		for part := range strings.SplitSeq(o, ",") {
			if name, ok := strings.CutPrefix(part, "name="); ok {
				out = append(out, name)
			}
		}
	}
	return out
}

// Socket returns the path of the engine's socket when the engine is reached by one, and so is on this machine.
func (e *Engine) Socket() (string, bool) { return strings.CutPrefix(e.api.DaemonHost(), "unix://") }

// Machine says what the engine tells of itself and of the ports that its containers publish. What only its own machine
// shows is left unknown.
func (e *Engine) Machine(ctx context.Context) (policy.Machine, error) {
	answer, err := e.api.Info(ctx, client.InfoOptions{})
	if err != nil {
		return policy.Machine{}, fmt.Errorf("asking the engine about itself: %w", err)
	}
	info := answer.Info
	m := policy.Machine{Name: "engine " + clean(info.Name), Security: is(securityOptions(info.SecurityOptions)), Restores: is(info.LiveRestoreEnabled),
		Trial: is(info.ExperimentalBuild), LogDriver: is(info.LoggingDriver), Swarm: is(info.Swarm.LocalNodeState != "" && info.Swarm.LocalNodeState != "inactive")}
	var plain []string
	for _, w := range info.Warnings { // WARNING: API is accessible on http://0.0.0.0:2375 without encryption.
		if _, rest, ok := strings.Cut(w, "API is accessible on http://"); ok {
			address, _, _ := strings.Cut(rest, " ")
			plain = append(plain, clean(address))
		}
	}
	if host := e.api.DaemonHost(); strings.HasPrefix(host, "tcp://") && e.cli.DockerEndpoint().TLSData == nil {
		plain = append(plain, host)
	}
	m.Plain = is(plain)
	if info.RegistryConfig != nil {
		var insecure []string
		for _, cidr := range info.RegistryConfig.InsecureRegistryCIDRs {
			if !cidr.Addr().IsLoopback() {
				insecure = append(insecure, cidr.String())
			}
		}
		for name, index := range info.RegistryConfig.IndexConfigs {
			if index != nil && !index.Secure {
				insecure = append(insecure, clean(name))
			}
		}
		slices.Sort(insecure)
		m.Insecure = is(insecure)
	}
	version, err := e.api.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return m, fmt.Errorf("asking the engine for its version: %w", err)
	}
	versions := map[string]string{}
	for _, c := range version.Components {
		versions[strings.ToLower(c.Name)] = clean(c.Version)
	}
	m.Versions = is(versions)
	if err := e.exposure(ctx, &m); err != nil {
		return m, err
	}
	return m, nil
}

// exposure fills what the engine's networks and containers open.
func (e *Engine) exposure(ctx context.Context, m *policy.Machine) error {
	networks, err := e.api.NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		return fmt.Errorf("listing networks: %w", err)
	}
	for _, n := range networks.Items {
		if n.Name == "bridge" {
			m.Open = is(n.Options["com.docker.network.bridge.enable_icc"] != "false")
		}
	}
	list, err := e.api.ContainerList(ctx, client.ContainerListOptions{})
	if err != nil {
		return fmt.Errorf("listing containers: %w", err)
	}
	var open []string
	proxied := map[string]bool{}
	for _, c := range list.Items {
		six := hasIPv6(c)
		for _, p := range c.Ports {
			if at := published(c, p); at != "" && !slices.Contains(open, at) {
				open = append(open, at)
			}
			if p.PublicPort != 0 && p.IP.Is6() {
				proxied[fmt.Sprintf("%d/%s", p.PublicPort, p.Type)] = !six
			}
		}
	}
	slices.Sort(open)
	m.Published, m.Proxied = is(open), is(proxied)
	return nil
}

// hasIPv6 reports whether a container has an address of IPv6. To one that has none the engine carries what comes on IPv6 itself.
func hasIPv6(c container.Summary) bool {
	if c.NetworkSettings == nil {
		return false
	}
	for _, endpoint := range c.NetworkSettings.Networks {
		if endpoint != nil && endpoint.GlobalIPv6Address.IsValid() {
			return true
		}
	}
	return false
}

// published is a port that is open beyond the machine, with its container, or nothing.
func published(c container.Summary, p container.PortSummary) string {
	if p.PublicPort == 0 || p.IP.IsLoopback() {
		return ""
	}
	return fmt.Sprintf("%s:%d/%s of %s", p.IP, p.PublicPort, p.Type, clean(strings.TrimPrefix(strings.Join(c.Names, ","), "/")))
}
