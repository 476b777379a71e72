package controls

import (
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

func namespaces() []policy.Control {
	// The kernel numbers the first namespace of each kind, but not that of the network: of it the engine's word is the best,
	// unless who looks is on the same machine and can compare.
	applied := []string{"network"}
	row := func(id, title string, sev finding.Severity, refs []string, host func(policy.Namespaces) bool, name string) policy.Control {
		return policy.Control{ID: id, Title: title, Severity: sev, References: refs,
			Rationale: "Sharing a namespace with the host removes one layer of isolation.",
			Remedy:    "a profile cannot ask for it; the container was not made by hsectl",
			Predicate: func(f policy.Facts, _ policy.Intent) policy.Verdict {
				if !f.Namespaces.Known() {
					return policy.Unknown(f.Namespaces, "the namespaces")
				}
				if name == "network" && f.HostNet.Known() && !f.Namespaces.Value.HostNetwork {
					if f.HostNet.Value {
						return policy.Fail(f.HostNet.Tier, "the network namespace is the host's")
					}
					return policy.Pass(f.HostNet.Tier, "the network namespace is another than the host's")
				}
				tier := f.Namespaces.Tier
				if slices.Contains(applied, name) {
					tier = min(tier, finding.Applied)
				}
				if host(f.Namespaces.Value) {
					return policy.Fail(tier, "the %s namespace is the host's", name)
				}
				return policy.Pass(tier, "the %s namespace of the host is not asked for", name)
			}}
	}
	return []policy.Control{
		row("HSE-NS-001", "The pid namespace is its own", finding.Critical, []string{"CIS 5.16", "KICS 4f31dd9f", "PSS hostNamespaces"},
			func(n policy.Namespaces) bool { return n.HostPID }, "pid"),
		row("HSE-NS-002", "The ipc namespace is its own", finding.High, []string{"CIS 5.17", "KICS baa3890f", "PSS hostNamespaces"},
			func(n policy.Namespaces) bool { return n.HostIPC }, "ipc"),
		row("HSE-NS-003", "The network namespace is its own", finding.Critical, []string{"CIS 5.10", "KICS 071a71ff", "PSS hostNamespaces"},
			func(n policy.Namespaces) bool { return n.HostNetwork }, "network"),
		row("HSE-NS-004", "The uts namespace is its own", finding.Medium, []string{"CIS 5.21"},
			func(n policy.Namespaces) bool { return n.HostUTS }, "uts"),
		{ID: "HSE-NS-005", Title: "User namespaces are not opted out of", Severity: finding.Medium, References: []string{"CIS 5.31", "KICS 8af7162d"},
			Rationale: "Where the engine maps user ids, root in a container has no privileges on the host.",
			Remedy:    "a profile cannot ask for it; the container was not made by hsectl",
			Predicate: userNamespace},
		{ID: "HSE-NS-006", Title: "No namespace is borrowed from another container", Severity: finding.Medium,
			Rationale:  "Containers that share a namespace share its weaknesses.",
			References: []string{"NIST SP 800-190 4.3.4", "NSA shared process namespaces"},
			Remedy:     "a profile cannot ask for it; the container was not made by hsectl",
			Predicate: func(f policy.Facts, _ policy.Intent) policy.Verdict {
				switch {
				case !f.Borrowed.Known():
					return policy.Unknown(f.Borrowed, "the namespaces")
				case len(f.Borrowed.Value) > 0:
					return policy.Fail(f.Borrowed.Tier, "shared: %s", strings.Join(f.Borrowed.Value, ", "))
				}
				return policy.Pass(f.Borrowed.Tier, "all are its own")
			}},
	}
}

// userNamespace takes the engine's word for the wish, and the kernel's map for what came of it.
func userNamespace(f policy.Facts, _ policy.Intent) policy.Verdict {
	switch r := f.Remap.Value; {
	case !f.Namespaces.Known():
		return policy.Unknown(f.Namespaces, "the namespaces")
	case f.Namespaces.Value.HostUser:
		return policy.Fail(min(f.Namespaces.Tier, finding.Applied), "the user namespace is the host's")
	case f.Remap.Known() && r.Engine && r.Identity:
		return policy.Fail(f.Remap.Tier, "the engine maps user ids, but not those of this container")
	case f.Remap.Known() && r.Engine:
		return policy.Pass(f.Remap.Tier, "user ids are mapped")
	case f.Remap.Known():
		return policy.Pass(f.Remap.Tier, "the engine maps no user ids, and nothing opts out")
	}
	return policy.Pass(min(f.Namespaces.Tier, finding.Applied), "the user namespace of the host is not asked for")
}
