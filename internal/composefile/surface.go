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
		Filter: declared(options(s).Filter(s.Privileged)), Sysctls: declared(slices.Sorted(maps.Keys(s.Sysctls))),
		Cgroup:  declared(policy.Cgroup{Host: s.Cgroup == "host", V2: s.Cgroup == "host", Parent: s.CgroupParent, Writable: options(s).WritableCgroups()}),
		Runtime: declared(cmp.Or(s.Runtime, "runc")), Borrowed: declared(policy.Borrowed(s.Pid, s.Ipc, s.NetworkMode)), Confined: declared(options(s).Confined(s.Privileged)),
		OOM: declared(policy.OOM{Disabled: s.OomKillDisable, Score: int(s.OomScoreAdj)}),
	}
	for _, name := range slices.Sorted(maps.Keys(s.Networks)) {
		if n := s.Networks[name]; n != nil {
			out.Sysctls.Value = append(out.Sysctls.Value, endpointParameters(n)...)
		}
	}
	if s.User == "" {
		out.User = policy.Unseen[string]("the image decides")
	}
	var names []string
	hosts := []types.HostsList{s.ExtraHosts}
	if s.Build != nil {
		hosts = append(hosts, s.Build.ExtraHosts)
	}
	for _, list := range hosts {
		names = append(names, list.AsList(":")...)
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

// endpointSysctls is the option of a connection to a network that sets kernel parameters of its interface.
const endpointSysctls = "com.docker.network.endpoint.sysctls"

// endpointParameters are the kernel parameters that a connection sets.
func endpointParameters(n *types.ServiceNetworkConfig) []string {
	var out []string
	for _, one := range strings.Split(n.DriverOpts[endpointSysctls], ",") {
		if name, _, ok := strings.Cut(one, "="); ok {
			out = append(out, strings.TrimSpace(name))
		}
	}
	return out
}
