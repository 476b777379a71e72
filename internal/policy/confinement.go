package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
)

// SafeSysctls are those that change nothing outside the container: the baseline of Kubernetes' Pod Security Standards, and one
// that a network namespace has for itself and that only decides which of two listeners of a port gets a connection.
func SafeSysctls() []string {
	return strings.Fields(`kernel.shm_rmid_forced net.ipv4.ip_local_port_range net.ipv4.tcp_syncookies net.ipv4.ping_group_range
		net.ipv4.ip_unprivileged_port_start net.ipv4.ip_local_reserved_ports net.ipv4.tcp_keepalive_time net.ipv4.tcp_keepalive_intvl
		net.ipv4.tcp_keepalive_probes net.ipv4.tcp_fin_timeout net.ipv4.tcp_rmem net.ipv4.tcp_wmem net.ipv4.tcp_migrate_req`)
}

func runtimes() []string {
	return []string{"runc", "io.containerd.runc.v2", "crun", "runsc", "kata", "io.containerd.kata.v2"}
}

func confinement() []Control {
	return []Control{
		{ID: "HSE-KRN-002", Title: "The seccomp filter is the engine's own", Severity: finding.Medium,
			Rationale:  "A filter that allows everything is active too; only its rules count.",
			References: []string{"CIS 2.17", "PSS seccompProfile", "OWASP Docker rule 6"},
			Remedy:     "a profile cannot ask for another one; the container was not made by hsectl",
			judge: func(f Facts, _ Intent) Verdict {
				switch {
				case !f.Filter.Known():
					return unknown(f.Filter, "the filter")
				case f.Filter.Value != "default":
					return fail(f.Filter.Tier, "the filter is %s", f.Filter.Value)
				}
				return pass(f.Filter.Tier, "the engine's default filter")
			}},
		{ID: "HSE-KRN-005", Title: "Only safe kernel parameters are set", Severity: finding.Medium,
			Rationale:  "Some parameters weaken the network of the container, or reach beyond it.",
			References: []string{"PSS sysctls", "NIST SP 800-190 4.4.3"},
			Remedy:     "a profile cannot ask for it; the container was not made by hsectl",
			judge:      sysctls},
		{ID: "HSE-KRN-007", Title: "The control group is private", Severity: finding.Medium,
			Rationale:  "Whoever sees the host's groups knows what runs there; whoever can write them lifts limits.",
			References: []string{"CIS 5.25", "CIS 2.10", "KICS 4d9f44c6"},
			Remedy:     "a profile cannot ask for it; the container was not made by hsectl",
			judge:      controlGroup},
		{ID: "HSE-KRN-008", Title: "The container runtime is a known one", Severity: finding.Low,
			Rationale:  "The runtime is what builds the walls.",
			References: []string{"NIST SP 800-190 4.4.1"},
			Remedy:     "use runc, crun, runsc or kata",
			judge: func(f Facts, _ Intent) Verdict {
				switch {
				case !f.Runtime.Known():
					return unknown(f.Runtime, "the runtime")
				case !slices.Contains(runtimes(), f.Runtime.Value):
					return fail(f.Runtime.Tier, "the runtime is %q", f.Runtime.Value)
				}
				return pass(f.Runtime.Tier, "%s", f.Runtime.Value)
			}},
		{ID: "HSE-KRN-009", Title: "What only root may do is refused on a copy of the container", Severity: finding.High, Runtime: true, Deep: true,
			Rationale:  "The sum of user, capabilities, no_new_privs and filter counts; it is tried on a throw-away copy with the same settings.",
			References: []string{"CIS 5.4", "CIS 5.22", "CIS 5.26", "NIST SP 800-190 4.4.3"},
			Remedy:     "remove the capability or option that allows it",
			judge:      attempts},
		{ID: "HSE-NS-006", Title: "No namespace is borrowed from another container", Severity: finding.Medium,
			Rationale:  "Who shares a namespace shares its weaknesses.",
			References: []string{"NIST SP 800-190 4.3.4", "NSA shared process namespaces"},
			Remedy:     "a profile cannot ask for it; the container was not made by hsectl",
			judge: func(f Facts, _ Intent) Verdict {
				switch {
				case !f.Borrowed.Known():
					return unknown(f.Borrowed, "the namespaces")
				case len(f.Borrowed.Value) > 0:
					return fail(f.Borrowed.Tier, "shared: %s", strings.Join(f.Borrowed.Value, ", "))
				}
				return pass(f.Borrowed.Tier, "all are its own")
			}},
	}
}

func sysctls(f Facts, _ Intent) Verdict {
	if !f.Sysctls.Known() {
		return unknown(f.Sysctls, "the kernel parameters")
	}
	for _, s := range f.Sysctls.Value {
		if !slices.Contains(SafeSysctls(), s) {
			return fail(f.Sysctls.Tier, "%s is set", s)
		}
	}
	return pass(f.Sysctls.Tier, "%d set, all safe", len(f.Sysctls.Value))
}

func controlGroup(f Facts, _ Intent) Verdict {
	c := f.Cgroup.Value
	switch {
	case !f.Cgroup.Known():
		return unknown(f.Cgroup, "the control group")
	case c.Writable:
		return fail(f.Cgroup.Tier, "control groups can be written")
	case c.Parent != "":
		return fail(f.Cgroup.Tier, "the group is under %s", c.Parent)
	case c.Host && !c.V2:
		return notApplicable(f.Cgroup.Tier, "the host has control groups of version 1, where the namespace is the host's")
	case c.Host:
		return fail(f.Cgroup.Tier, "the namespace of control groups is the host's")
	}
	return pass(f.Cgroup.Tier, "a namespace of its own, read-only")
}

// attempts accepts a success only where a granted capability explains it.
func attempts(f Facts, in Intent) Verdict {
	if !f.Attempts.Known() {
		return unknown(f.Attempts, "trying on a copy")
	}
	if len(f.Attempts.Value) == 0 {
		return Verdict{finding.Unknown, finding.None, "nothing was tried"}
	}
	needs := map[string]string{"a raw socket": "NET_RAW", "a packet socket": "NET_RAW", "change to root": "SETUID"}
	var wrong []string
	for _, a := range f.Attempts.Value {
		if granted := needs[a.Path]; a.Error == "" && (granted == "" || in.Capabilities&CapabilityMask(granted) == 0) {
			wrong = append(wrong, fmt.Sprintf("%s succeeded", a.Path))
		}
	}
	if len(wrong) > 0 {
		return fail(f.Attempts.Tier, "%s", strings.Join(wrong, "; "))
	}
	return pass(f.Attempts.Tier, "%d attempts refused", len(f.Attempts.Value))
}
