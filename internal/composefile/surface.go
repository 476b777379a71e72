package composefile

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/hsectl/hsectl/internal/policy"
)

// engineShm is what the engine gives when shm_size is not written.
const engineShm = 64 << 20

// surface is what the text says of the kernel, the host and other services.
func surface(s types.ServiceConfig) policy.Surface {
	out := policy.Surface{
		User: declared(s.User), Shm: declared(policy.Shm{Size: cmp.Or(int64(s.ShmSize), engineShm)}),
		Filter: declared(filter(s)), Sysctls: declared(slices.Sorted(maps.Keys(s.Sysctls))),
		Cgroup:  declared(policy.Cgroup{Host: s.Cgroup == "host", V2: s.Cgroup == "host", Parent: s.CgroupParent}),
		Runtime: declared(cmp.Or(s.Runtime, "runc")), Borrowed: declared(borrowed(s)),
	}
	if s.User == "" {
		out.User = policy.Unseen[string]("the image decides")
	}
	var names []string
	for name, addresses := range s.ExtraHosts {
		for _, a := range addresses {
			names = append(names, name+":"+a)
		}
	}
	slices.Sort(names)
	out.ExtraHosts = declared(names)
	out.DependsOn = declared(Dependencies(s))
	return out
}

// Dependencies are the services that one waits for.
func Dependencies(s types.ServiceConfig) []policy.Relation {
	var out []policy.Relation
	for _, name := range slices.Sorted(maps.Keys(s.DependsOn)) {
		condition := map[string]string{types.ServiceConditionHealthy: "healthy", types.ServiceConditionCompletedSuccessfully: "completed"}[s.DependsOn[name].Condition]
		out = append(out, policy.Relation{Service: name, Condition: cmp.Or(condition, "started")})
	}
	return out
}

// filter reads security_opt as the engine does: both separators count, and the last one wins.
func filter(s types.ServiceConfig) string {
	out := "default"
	if s.Privileged {
		out = "unconfined"
	}
	for _, option := range s.SecurityOpt {
		value, ok := strings.CutPrefix(strings.Replace(option, ":", "=", 1), "seccomp=")
		switch {
		case !ok:
		case value == "unconfined":
			out = value
		case value == "builtin":
			out = "default"
		default:
			out = "custom"
		}
	}
	return out
}

func borrowed(s types.ServiceConfig) []string {
	var out []string
	for _, n := range []struct{ kind, mode string }{{"ipc", s.Ipc}, {"network", s.NetworkMode}, {"pid", s.Pid}} {
		if strings.HasPrefix(n.mode, "service:") || strings.HasPrefix(n.mode, "container:") {
			out = append(out, n.kind)
		}
	}
	return out
}
