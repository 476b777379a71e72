package observe

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/policy"
)

// Machine says what the engine tells of itself and of the ports that its containers publish. What only its own machine
// shows is left unknown.
func (obs *Observer) Machine(ctx context.Context) (policy.Machine, error) {
	answer, err := obs.engine.API.Info(ctx, client.InfoOptions{})
	if err != nil {
		return policy.Machine{}, fmt.Errorf("asking the engine about itself: %w", err)
	}
	info := answer.Info
	m := policy.Machine{Name: "engine " + display.Clean(info.Name), Security: is(engine.SecurityOptions(info.SecurityOptions)), Restores: is(info.LiveRestoreEnabled),
		Trial: is(info.ExperimentalBuild), LogDriver: is(info.LoggingDriver), Swarm: is(info.Swarm.LocalNodeState != "" && info.Swarm.LocalNodeState != "inactive")}
	var plain []string
	for _, w := range info.Warnings { // WARNING: API is accessible on http://0.0.0.0:2375 without encryption.
		if _, rest, ok := strings.Cut(w, "API is accessible on http://"); ok {
			address, _, _ := strings.Cut(rest, " ")
			plain = append(plain, display.Clean(address))
		}
	}
	if host := obs.engine.API.DaemonHost(); strings.HasPrefix(host, "tcp://") && obs.engine.CLI.DockerEndpoint().TLSData == nil {
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
				insecure = append(insecure, display.Clean(name))
			}
		}
		slices.Sort(insecure)
		m.Insecure = is(insecure)
	}
	version, err := obs.engine.API.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return m, fmt.Errorf("asking the engine for its version: %w", err)
	}
	versions := map[string]string{}
	for _, c := range version.Components {
		versions[strings.ToLower(c.Name)] = display.Clean(c.Version)
	}
	if info.KernelVersion != "" {
		versions["kernel"] = display.Clean(info.KernelVersion)
	}
	m.Versions = is(versions)
	if err := obs.exposure(ctx, &m); err != nil {
		return m, err
	}
	return m, nil
}

// exposure fills what the engine's networks and containers open.
func (obs *Observer) exposure(ctx context.Context, m *policy.Machine) error {
	networks, err := obs.engine.API.NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		return fmt.Errorf("listing networks: %w", err)
	}
	bridges := map[string]string{}
	for _, n := range networks.Items {
		if n.Driver == "bridge" && len(n.ID) >= bridgeDigits {
			bridges[n.ID] = cmp.Or(n.Options["com.docker.network.bridge.name"], "br-"+n.ID[:bridgeDigits])
		}
		if n.Name == "bridge" {
			m.Open = is(n.Options["com.docker.network.bridge.enable_icc"] != "false")
		}
	}
	list, err := obs.engine.API.ContainerList(ctx, client.ContainerListOptions{})
	if err != nil {
		return fmt.Errorf("listing containers: %w", err)
	}
	var open []string
	proxied := map[string]bool{}
	var loops []policy.LoopbackPort
	for _, c := range list.Items {
		six := hasIPv6(c)
		for _, p := range c.Ports {
			if at := published(c, p); at != "" && !slices.Contains(open, at) {
				open = append(open, at)
			}
			if p.PublicPort != 0 && p.IP.Is4() && p.IP.IsLoopback() {
				loops = append(loops, looped(c, p, bridges))
			}
			if p.PublicPort != 0 && p.IP.Is6() {
				proxied[fmt.Sprintf("%d/%s", p.PublicPort, p.Type)] = !six
			}
		}
	}
	slices.Sort(open)
	m.Published, m.Proxied, m.Loopback = is(open), is(proxied), is(loops)
	return nil
}

// bridgeDigits are those of a network's id in the name of its bridge.
const bridgeDigits = 12

// looped is a port of a container that is published on loopback, with the addresses of the container on bridges.
func looped(c container.Summary, p container.PortSummary, bridges map[string]string) policy.LoopbackPort {
	out := policy.LoopbackPort{Container: display.Clean(strings.TrimPrefix(strings.Join(c.Names, ","), "/")),
		Port: policy.Port{Address: p.IP.String(), Host: int(p.PublicPort), Container: int(p.PrivatePort), Protocol: p.Type}}
	if c.NetworkSettings == nil {
		return out
	}
	for _, endpoint := range c.NetworkSettings.Networks {
		if endpoint != nil && endpoint.IPAddress.Is4() && bridges[endpoint.NetworkID] != "" {
			out.Inside = append(out.Inside, policy.Place{Address: endpoint.IPAddress, Bridge: bridges[endpoint.NetworkID]})
		}
	}
	return out
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
	return fmt.Sprintf("%s:%d/%s of %s", p.IP, p.PublicPort, p.Type, display.Clean(strings.TrimPrefix(strings.Join(c.Names, ","), "/")))
}
