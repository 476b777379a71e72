package observe

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/container"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/engine"
)

// fieldsOf reads what deploy.Expected says of a service from a container.
func fieldsOf(c engine.Container) deploy.Fields {
	h := c.HostConfig
	out := deploy.Fields{
		"user": c.Config.User, "read_only": fmt.Sprint(h.ReadonlyRootfs), "privileged": fmt.Sprint(h.Privileged),
		"limits.memory": fmt.Sprint(h.Memory), "limits.swap": fmt.Sprint(h.MemorySwap), "limits.cpus": fmt.Sprintf("%.3f", engine.CPUs(h)),
		"restart": string(h.RestartPolicy.Name), "cap_drop": joinedList(bare(h.CapDrop)), "cap_add": joinedList(bare(h.CapAdd)),
		"security_opt": joinedList(h.SecurityOpt), "ports": joinedPorts(c), "networks": joinedList(slices.Collect(maps.Keys(c.Networks()))),
		"mounts": joinedList(volumeMounts(c)),
	}
	if h.RestartPolicy.Name == container.RestartPolicyOnFailure {
		out["restart"] += fmt.Sprintf(":%d", h.RestartPolicy.MaximumRetryCount)
	}
	out["limits.pids"] = "0"
	if h.PidsLimit != nil {
		out["limits.pids"] = fmt.Sprint(max(*h.PidsLimit, 0))
	}
	return out
}

func joinedList(list []string) string { return strings.Join(slices.Sorted(slices.Values(list)), " ") }

func bare(capabilities []string) []string {
	var out []string
	for _, c := range capabilities {
		out = append(out, strings.TrimPrefix(c, "CAP_"))
	}
	return out
}

func joinedPorts(c engine.Container) string {
	var out []string
	for port, bindings := range c.HostConfig.PortBindings {
		for _, b := range bindings {
			out = append(out, fmt.Sprintf("%s:%s:%d/%s", b.HostIP, b.HostPort, port.Num(), port.Proto()))
		}
	}
	return joinedList(out)
}

func volumeMounts(c engine.Container) []string {
	var out []string
	for _, m := range c.Mounts {
		mode := "rw"
		if !m.RW {
			mode = "ro"
		}
		source := m.Name
		if source == "" {
			source = m.Source
		}
		out = append(out, source+":"+m.Destination+":"+mode)
	}
	return out
}
