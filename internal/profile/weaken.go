package profile

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

// strict are the facts of a service that passes nothing through, as far as a passthrough can change them.
func strict(service string) policy.Facts {
	return policy.Facts{
		Service: service, Mounts: known([]policy.Mount(nil)), Privileged: known(false), Namespaces: known(policy.Namespaces{}),
		Masked: known([]string{"/proc/kcore", "/proc/keys", "/proc/timer_list"}), Devices: known([]string(nil)), Ports: known([]policy.Port(nil)),
		Processes: known([]policy.Process{{Name: "of the service", NoNewPrivs: true, Seccomp: 2}}),
	}
}

func known[T any](v T) policy.Fact[T] { return policy.Seen(v, finding.Declared) }

// Weaken returns the facts of a service with what it passes through.
func (p Passthrough) Weaken(f policy.Facts) policy.Facts {
	if len(p) == 0 {
		return f
	}
	f.Mounts.Value = slices.Concat(f.Mounts.Value, p.mounts())
	f.Ports.Value = slices.Concat(f.Ports.Value, p.ports())
	f.Devices.Value = slices.Concat(f.Devices.Value, p.devices())
	f.Environment.Value = slices.Concat(f.Environment.Value, p.variables())
	f.Arguments.Value = slices.Concat(f.Arguments.Value, p.words())
	f.Namespaces.Value.HostPID = p.text("pid") == "host"
	f.Namespaces.Value.HostIPC = p.text("ipc") == "host"
	f.Namespaces.Value.HostNetwork = p.text("network_mode") == "host"
	f.Namespaces.Value.HostUTS = p.text("uts") == "host"
	f.Namespaces.Value.HostUser = p.text("userns_mode") == "host"
	if mode := p.text("network_mode"); mode != "" && mode != "none" {
		f.Networks = policy.Unseen[[]policy.Network]("network_mode is " + mode)
	}
	f.Declaration.Value.Pull = p.text("pull_policy")
	f.Processes.Value = slices.Clone(f.Processes.Value)
	for _, o := range p.List("security_opt") {
		switch strings.Replace(fmt.Sprint(o), "=", ":", 1) {
		case "seccomp:unconfined":
			f.Processes.Value[0].Seccomp = 0
		case "systempaths:unconfined":
			f.Masked.Value = nil
		}
	}
	if privileged, ok := p["privileged"]; ok && privileged != false {
		f.Privileged.Value, f.Masked.Value = true, nil
		f.Processes.Value[0].Seccomp = 0
		f.Processes.Value[0].Bounding = policy.CapabilityMask(policy.Capabilities()...)
	}
	return f
}

func (p Passthrough) mounts() []policy.Mount {
	var out []policy.Mount
	for _, item := range p.List("volumes") {
		v, _ := item.(map[string]any)
		m := policy.Mount{Path: fmt.Sprint(v["target"]), Kind: fmt.Sprint(v["type"]), Writable: v["read_only"] != true, Exec: true}
		m.Source, _ = v["source"].(string)
		propagation, _ := mappingOf(v, "bind")["propagation"].(string)
		m.Shared = strings.HasSuffix(propagation, "shared")
		out = append(out, m)
	}
	if socket, ok := p["use_api_socket"]; ok && socket != false {
		out = append(out, policy.Mount{Path: "/var/run/docker.sock", Kind: "bind", Source: "/var/run/docker.sock", Writable: true})
	}
	return out
}

func (p Passthrough) ports() []policy.Port {
	var out []policy.Port
	for _, item := range p.List("ports") {
		v, ok := item.(map[string]any)
		if !ok { // a short form says nothing that could be trusted
			out = append(out, policy.Port{Address: "0.0.0.0", Protocol: "tcp"})
			continue
		}
		address, _ := v["host_ip"].(string)
		protocol, _ := v["protocol"].(string)
		container, _ := strconv.Atoi(fmt.Sprint(v["target"]))
		out = append(out, policy.Port{Address: cmp.Or(address, "0.0.0.0"), Container: container, Protocol: cmp.Or(protocol, "tcp")})
	}
	return out
}

// variables are judged by their names and values; one of the calling shell stands with a word.
func (p Passthrough) variables() []policy.Variable {
	var out []policy.Variable
	for name, v := range p.Mapping("environment") {
		text := "from elsewhere"
		if v != nil {
			text = fmt.Sprint(v)
		}
		out = append(out, policy.Variable{Name: name, Value: text})
	}
	slices.SortFunc(out, func(a, b policy.Variable) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (p Passthrough) words() []string {
	var out []string
	for _, key := range []string{"entrypoint", "command"} {
		for _, w := range p.List(key) {
			out = append(out, fmt.Sprint(w))
		}
	}
	return out
}

func (p Passthrough) devices() []string {
	var out []string
	for _, key := range []string{"devices", "gpus", "device_cgroup_rules"} {
		if len(p.List(key)) > 0 {
			out = append(out, key)
		}
	}
	reservations := mappingOf(mappingOf(p.Mapping("deploy"), "resources"), "reservations")
	if reservations["devices"] != nil {
		out = append(out, "deploy.resources.reservations.devices")
	}
	return out
}
