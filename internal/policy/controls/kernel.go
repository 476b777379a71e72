package controls

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/lifecycle"
	"github.com/hsectl/hsectl/internal/policy"
)

// safeSysctls are those that change nothing outside the container: the baseline of Kubernetes' Pod Security Standards, and one
// that a network namespace has for itself and that only decides which of two listeners of a port gets a connection.
func safeSysctls() []string {
	return strings.Fields(`kernel.shm_rmid_forced net.ipv4.ip_local_port_range net.ipv4.tcp_syncookies net.ipv4.ping_group_range
		net.ipv4.ip_unprivileged_port_start net.ipv4.ip_local_reserved_ports net.ipv4.tcp_keepalive_time net.ipv4.tcp_keepalive_intvl
		net.ipv4.tcp_keepalive_probes net.ipv4.tcp_fin_timeout net.ipv4.tcp_rmem net.ipv4.tcp_wmem net.ipv4.tcp_migrate_req`)
}

func runtimes() []string {
	return []string{"runc", "io.containerd.runc.v2", "crun", "runsc", "kata", "io.containerd.kata.v2"}
}

func sysctls(f policy.Facts, _ policy.Intent) policy.Verdict {
	if !f.Sysctls.Known() {
		return policy.Unknown(f.Sysctls, "the kernel parameters")
	}
	for _, s := range f.Sysctls.Value {
		if !slices.Contains(safeSysctls(), s) {
			return policy.Fail(f.Sysctls.Tier, "%s is set", s)
		}
	}
	return policy.Pass(f.Sysctls.Tier, "%d set, all safe", len(f.Sysctls.Value))
}

func controlGroup(f policy.Facts, _ policy.Intent) policy.Verdict {
	c := f.Cgroup.Value
	switch {
	case !f.Cgroup.Known():
		return policy.Unknown(f.Cgroup, "the control group")
	case c.Writable:
		return policy.Fail(f.Cgroup.Tier, "control groups can be written")
	case c.Parent != "":
		return policy.Fail(f.Cgroup.Tier, "the group is under %s", c.Parent)
	case c.Host && !c.V2:
		return policy.NotApplicable(f.Cgroup.Tier, "the host has control groups of version 1, where the namespace is the host's")
	case c.Host:
		return policy.Fail(f.Cgroup.Tier, "the namespace of control groups is the host's")
	}
	return policy.Pass(f.Cgroup.Tier, "a namespace of its own, read-only")
}

// attempts accepts a success only where a granted capability explains it.
func attempts(f policy.Facts, in policy.Intent) policy.Verdict {
	if !f.Attempts.Known() {
		return policy.Unknown(f.Attempts, "trying on a copy")
	}
	if len(f.Attempts.Value) == 0 {
		return policy.Undetermined("nothing was tried")
	}
	needs := map[string]string{"a raw socket": "NET_RAW", "a packet socket": "NET_RAW", "change to root": "SETUID", "tracing a protected process": "SYS_PTRACE"}
	var wrong []string
	for _, a := range f.Attempts.Value {
		if slices.ContainsFunc(in.Engine.Guards, func(g lifecycle.Guard) bool { return g.Call == a.Path }) {
			continue // whether the filter refuses it depends on the engine, which another control judges
		}
		if granted := needs[a.Path]; a.Error == "" && (granted == "" || in.Capabilities&policy.CapabilityMask(granted) == 0) {
			wrong = append(wrong, fmt.Sprintf("%s succeeded", a.Path))
		}
	}
	if len(wrong) > 0 {
		return policy.Fail(f.Attempts.Tier, "%s", strings.Join(wrong, "; "))
	}
	return policy.Pass(f.Attempts.Tier, "%d attempts refused", len(f.Attempts.Value))
}

// oldestEngine is the oldest that hsectl works with: what its filter refuses, that of every other does.
func oldestEngine() lifecycle.Version { return lifecycle.Version{20, 10, 0} }

// guarded wants what the engine's own filter refuses to be refused on the copy. An engine that is too old to refuse it is
// advised to be replaced, which the floors of engines demand; a filter that is weaker than its engine's fails.
func guarded(f policy.Facts, in policy.Intent) policy.Verdict {
	if !f.Attempts.Known() {
		return policy.Unknown(f.Attempts, "trying on a copy")
	}
	if len(in.Engine.Guards) == 0 {
		return policy.Undetermined("which system calls the engine's filter refuses: " + cmp.Or(in.Engine.Data.Stale(in.Today), "the data does not say"))
	}
	version, _, known := lifecycle.VersionOf(f.Engine.Value)
	var wrong, old, blind []string
	for _, g := range in.Engine.Guards {
		if in.Capabilities&policy.CapabilityMask(g.Unless...) != 0 {
			continue // the engine's filter lets it through for who has the capability, which other controls judge
		}
		i := slices.IndexFunc(f.Attempts.Value, func(a policy.Trial) bool { return a.Path == g.Call })
		why := fmt.Sprintf("%s succeeded, which the engine's own filter refuses from %s on", g.Call, g.Since)
		if len(g.Fixes) > 0 {
			why += " (" + strings.Join(g.Fixes, ", ") + ")"
		}
		switch {
		case i < 0:
			blind = append(blind, g.Call+" was not tried")
		case f.Attempts.Value[i].Error != "":
		case !known && oldestEngine().Before(g.Since):
			blind = append(blind, why+"; the version of the engine is not known")
		case known && version.Before(g.Since):
			old = append(old, why)
		default:
			wrong = append(wrong, why)
		}
	}
	switch {
	case len(wrong) > 0:
		return policy.Fail(f.Attempts.Tier, "%s", strings.Join(append(wrong, old...), "; "))
	case len(blind) > 0:
		return policy.Undetermined(strings.Join(append(blind, old...), "; "))
	case len(old) > 0:
		return policy.Advise(f.Attempts.Tier, fmt.Sprintf("the engine is %s: %s", version, strings.Join(old, "; ")))
	}
	if stale := in.Engine.Data.Stale(in.Today); stale != "" {
		return policy.Undetermined("which system calls the engine's filter refuses: " + stale)
	}
	return policy.Pass(f.Attempts.Tier, "%d system calls refused", len(in.Engine.Guards))
}

func kernel() []policy.Control {
	return []policy.Control{
		{ID: "HSE-KRN-001", Title: "A seccomp filter is active", Severity: finding.High,
			Rationale:  "The filter blocks the system calls that most kernel exploits need.",
			References: []string{"CIS 5.22", "KICS 404fde2c", "PSS seccompProfile_restricted", "OWASP Docker rule 6"},
			Remedy:     "always on; start the engine with seccomp support",
			Predicate: func(f policy.Facts, _ policy.Intent) policy.Verdict {
				return each(f, "every process is filtered", func(p policy.Process) string {
					if p.Seccomp != 2 {
						return fmt.Sprintf("process %s runs without a filter", p.Name)
					}
					return ""
				})
			}},
		{ID: "HSE-KRN-002", Title: "The seccomp filter is the engine's own", Severity: finding.Medium,
			Rationale:  "A filter that allows everything is active too; only its rules count.",
			References: []string{"CIS 2.17", "PSS seccompProfile", "OWASP Docker rule 6"},
			Remedy:     "a profile cannot ask for another one; the container was not made by hsectl",
			Predicate: func(f policy.Facts, _ policy.Intent) policy.Verdict {
				switch {
				case !f.Filter.Known():
					return policy.Unknown(f.Filter, "the filter")
				case f.Filter.Value != "default":
					return policy.Fail(f.Filter.Tier, "the filter is %s", f.Filter.Value)
				}
				return policy.Pass(f.Filter.Tier, "the engine's default filter")
			}},
		{ID: "HSE-KRN-003", Title: "A security module confines every process", Severity: finding.Medium, Runtime: true,
			Rationale:  "AppArmor or SELinux limits a process that breaks out of the other restrictions.",
			References: []string{"CIS 5.2", "CIS 5.3", "PSS appArmorProfile", "OWASP Docker rule 6"},
			Remedy:     "load AppArmor or SELinux on the host and restart the engine",
			Text: func(f policy.Facts) policy.Verdict {
				if f.Confined.Value == "unconfined" {
					return policy.Fail(f.Confined.Tier, "the service opts out of the security module")
				}
				return policy.Verdict{}
			},
			Predicate: func(f policy.Facts, _ policy.Intent) policy.Verdict {
				if f.Processes.Known() && f.Hidden == "" && !slices.ContainsFunc(f.Processes.Value, func(p policy.Process) bool { return p.LSM != "" }) {
					return policy.NotApplicable(f.Processes.Tier, "the kernel has no security module: /proc/PID/attr/current cannot be read")
				}
				return each(f, "every process is confined", func(p policy.Process) string {
					if why := unconfined(p.LSM); why != "" {
						return fmt.Sprintf("process %s %s", p.Name, why)
					}
					return ""
				})
			}},
		{ID: "HSE-KRN-004", Title: "No device of the host is exposed", Severity: finding.High,
			Rationale:  "A device gives direct access to the kernel.",
			References: []string{"CIS 5.18", "NIST SP 800-190 4.4.3"},
			Remedy:     "a profile cannot ask for it; the container was not made by hsectl",
			Predicate: func(f policy.Facts, _ policy.Intent) policy.Verdict {
				if !f.Devices.Known() {
					return policy.Unknown(f.Devices, "the devices")
				}
				if len(f.Devices.Value) > 0 {
					return policy.Fail(f.Devices.Tier, "devices: %s", strings.Join(f.Devices.Value, ", "))
				}
				return policy.Pass(f.Devices.Tier, "no device")
			}},
		{ID: "HSE-KRN-005", Title: "Only safe kernel parameters are set", Severity: finding.Medium,
			Rationale:  "Some parameters weaken the network of the container, or reach beyond it.",
			References: []string{"PSS sysctls", "NIST SP 800-190 4.4.3"},
			Remedy:     "a profile cannot ask for it; the container was not made by hsectl",
			Predicate:  sysctls},
		{ID: "HSE-KRN-006", Title: "Kernel paths are masked", Severity: finding.High,
			Rationale:  "Paths such as /proc/kcore show or change the kernel of the host.",
			References: []string{"PSS procMount", "NIST SP 800-190 4.4.3"},
			Remedy:     "always masked; the container was not made by hsectl",
			Predicate:  maskedPaths},
		{ID: "HSE-KRN-007", Title: "The control group is private", Severity: finding.Medium,
			Rationale:  "A container that sees the host's groups knows what runs there; one that can write them can lift limits.",
			References: []string{"CIS 5.25", "CIS 2.10", "KICS 4d9f44c6"},
			Remedy:     "a profile cannot ask for it; the container was not made by hsectl",
			Predicate:  controlGroup},
		{ID: "HSE-KRN-008", Title: "The container runtime is a known one", Severity: finding.Low,
			Rationale:  "The runtime sets up the isolation.",
			References: []string{"NIST SP 800-190 4.4.1"},
			Remedy:     "use runc, crun, runsc or kata",
			Predicate: func(f policy.Facts, _ policy.Intent) policy.Verdict {
				switch {
				case !f.Runtime.Known():
					return policy.Unknown(f.Runtime, "the runtime")
				case !slices.Contains(runtimes(), f.Runtime.Value):
					return policy.Fail(f.Runtime.Tier, "the runtime is %q", f.Runtime.Value)
				}
				return policy.Pass(f.Runtime.Tier, "%s", f.Runtime.Value)
			}},
		{ID: "HSE-KRN-009", Title: "What only root may do is refused on a copy of the container", Severity: finding.High, Runtime: true, Deep: true,
			Rationale:  "The sum of user, capabilities, no_new_privs and filter counts; it is tried on a throw-away copy with the same settings.",
			References: []string{"CIS 5.4", "CIS 5.22", "CIS 5.26", "NIST SP 800-190 4.4.3"},
			Remedy:     "remove the capability or option that allows it",
			Predicate:  attempts},
		{ID: "HSE-KRN-010", Title: "System calls that the engine's filter refuses are refused", Severity: finding.High, Runtime: true, Deep: true,
			Rationale:  "Escapes from containers begin with system calls that hardly any program needs: AF_ALG sockets (CVE-2026-31431), user namespaces and mounts (CVE-2022-0492), keys (CVE-2016-0728), io_uring, bpf. A filter of your own, or none, lets them through.",
			References: []string{"CIS 5.22", "NIST SP 800-190 4.4.3"},
			Remedy:     "use the engine's own filter, and an engine that is new enough to refuse what the detail names",
			Predicate:  guarded},
	}
}

// unconfined says what is wrong with the label of a process, if anything. AppArmor writes "profile (mode)", and refuses only
// in two of its modes (apparmor_parser(8), flags); SELinux writes "user:role:type:level", and some of its types may do everything.
func unconfined(label string) string {
	profile, mode, modal := strings.Cut(label, " (")
	mode = strings.TrimSuffix(mode, ")")
	switch parts := strings.Split(label, ":"); {
	case label == "" || profile == "unconfined":
		return "is unconfined"
	case modal && mode != "enforce" && mode != "kill":
		return fmt.Sprintf("has the profile %s in mode %s, not enforced", profile, mode)
	case len(parts) >= 3 && slices.Contains([]string{"unconfined_t", "spc_t", "kernel_t", "initrc_t", "container_runtime_t"}, parts[2]):
		return "has the type " + parts[2] + ", which may do everything"
	}
	return ""
}

// maskedPaths wants the least that every supported engine masks where the kernel has the path.
func maskedPaths(f policy.Facts, _ policy.Intent) policy.Verdict {
	if !f.Masked.Known() {
		return policy.Unknown(f.Masked, "the masked paths")
	}
	var open []string
	for _, p := range []string{"/proc/kcore", "/proc/keys", "/proc/timer_list"} {
		if !slices.Contains(f.Masked.Value, p) {
			open = append(open, p)
		}
	}
	if len(open) > 0 {
		return policy.Fail(f.Masked.Tier, "not masked: %s", strings.Join(open, ", "))
	}
	return policy.Pass(f.Masked.Tier, "%d paths masked", len(f.Masked.Value))
}
