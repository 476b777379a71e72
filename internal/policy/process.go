package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
)

// each judges every process, not only PID 1, and lists those that are wrong.
func each(f Facts, ok string, wrong func(Process) string) Verdict {
	return eachKnown(f, ok, wrong, func(Process) string { return "" })
}

// eachKnown is unknown where a process does not show what is judged, and none that shows it is wrong.
func eachKnown(f Facts, ok string, wrong, hidden func(Process) string) Verdict {
	if !f.Processes.Known() {
		return unknown(f.Processes, "the processes")
	}
	if len(f.Processes.Value) == 0 {
		return Verdict{finding.Unknown, finding.None, "no process was seen"}
	}
	var out []string
	why := ""
	for _, p := range f.Processes.Value {
		if h := hidden(p); h != "" {
			why = h
			continue
		}
		if w := wrong(p); w != "" && !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	if len(out) > 0 {
		return fail(f.Processes.Tier, "%s", strings.Join(out, "; "))
	}
	if why != "" {
		return Verdict{finding.Unknown, finding.None, "the processes: " + why}
	}
	return passAll(f, "%s", ok)
}

// passAll passes when no process was hidden from who looked: what is right for those that were seen says nothing of others.
func passAll(f Facts, format string, args ...any) Verdict {
	if f.Hidden != "" {
		return Verdict{finding.Unknown, finding.None, "not every process could be seen: " + f.Hidden}
	}
	return pass(f.Processes.Tier, format, args...)
}

func noUser(p Process) string { return p.NoUser }

func users() []Control {
	return []Control{
		{ID: "HSE-USR-001", Title: "No process runs as root", Severity: finding.High, Key: "user",
			Rationale:  "Root in the container is root on the host as soon as one wall falls.",
			References: []string{"CIS 4.1", "PSS runAsNonRoot", "OWASP Docker rule 2", "NIST SP 800-190 4.1.2"},
			Remedy:     `set user: "uid:gid" to the numbers of the image's own user`,
			judge: func(f Facts, _ Intent) Verdict {
				return eachKnown(f, "all user ids are above 0", func(p Process) string {
					if slices.Contains(p.UIDs[:], 0) {
						return fmt.Sprintf("process %s runs with uid 0", p.Name)
					}
					return ""
				}, noUser)
			}},
		{ID: "HSE-USR-002", Title: "No process has the group root", Severity: finding.Medium, Key: "user",
			Rationale:  "Files of the image often grant more to group 0 than to others.",
			References: []string{"NIST SP 800-190 4.1.2"},
			Remedy:     `write both numbers in user:; a uid alone runs with gid 0`,
			judge: func(f Facts, in Intent) Verdict {
				return eachKnown(f, "no process has group 0", func(p Process) string {
					if in.GID != 0 && (slices.Contains(p.GIDs[:], 0) || slices.Contains(p.Groups, 0)) {
						return fmt.Sprintf("process %s has group 0", p.Name)
					}
					if in.GID == 0 {
						return "the profile sets group 0"
					}
					return ""
				}, func(p Process) string { return cmp.Or(p.NoUser, p.NoGroup) })
			}},
		{ID: "HSE-USR-004", Title: "Every process has the declared user", Severity: finding.High, Key: "user",
			Rationale:  "A process that changed its user did so with a privilege it should not have.",
			References: []string{"CIS 4.1"},
			Remedy:     "start the image as its own user instead of letting it switch",
			judge: func(f Facts, in Intent) Verdict {
				return eachKnown(f, fmt.Sprintf("all processes run as %d:%d", in.UID, in.GID), func(p Process) string {
					if p.UIDs != [4]int{in.UID, in.UID, in.UID, in.UID} || p.GIDs[1] != in.GID {
						return fmt.Sprintf("process %s runs as %d:%d, not %d:%d", p.Name, p.UIDs[1], p.GIDs[1], in.UID, in.GID)
					}
					return ""
				}, noUser)
			}},
	}
}

func capabilities() []Control {
	return []Control{
		{ID: "HSE-CAP-001", Title: "The bounding set holds the declared capabilities only", Severity: finding.High, Key: "capabilities",
			Rationale:  "A non-root process has no effective capability, but a setuid program gets back whatever the bounding set still holds.",
			References: []string{"CIS 5.4", "KICS ce76b7d0", "PSS capabilities_restricted", "OWASP Docker rule 3"},
			Remedy:     "all capabilities are dropped unless capabilities: names one with a reason",
			judge: func(f Facts, in Intent) Verdict {
				return each(f, "bounding set: "+CapabilityNames(in.Capabilities), func(p Process) string {
					if extra := (p.Bounding | p.Permitted | p.Effective) &^ in.Capabilities; extra != 0 {
						return fmt.Sprintf("process %s can have %s", p.Name, CapabilityNames(extra))
					}
					return ""
				})
			}},
		{ID: "HSE-CAP-002", Title: "No dangerous capability is granted", Severity: finding.High, Key: "capabilities",
			Rationale:  "Some capabilities are as good as root on the host.",
			References: []string{"CIS 5.4", "PSS capabilities_baseline", "OWASP Docker rule 3"},
			Remedy:     "do without it, or add an exception for HSE-CAP-002",
			judge: func(f Facts, in Intent) Verdict {
				return each(f, "none of the dangerous ones", func(p Process) string {
					if bad := p.Bounding & dangerous(); bad != 0 {
						return fmt.Sprintf("process %s can have %s", p.Name, CapabilityNames(bad))
					}
					return ""
				})
			}},
		{ID: "HSE-CAP-003", Title: "No ambient or inheritable capabilities", Severity: finding.Medium, Key: "capabilities",
			Rationale:  "They survive exec and reach programs that should have none.",
			References: []string{"NIST SP 800-190 4.4.3"},
			Remedy:     "do not let the entry point raise ambient capabilities",
			judge: func(f Facts, in Intent) Verdict {
				return each(f, "both sets are empty", func(p Process) string {
					// Engines before 20.10.14 fill the inheritable set (CVE-2022-24769): it counts beyond what is granted.
					if p.Ambient != 0 || p.Inheritable&^in.Capabilities != 0 {
						return fmt.Sprintf("process %s has %s", p.Name, CapabilityNames(p.Ambient|p.Inheritable))
					}
					return ""
				})
			}},
	}
}

func privileges() []Control {
	return []Control{
		{ID: "HSE-PRV-001", Title: "The container is not privileged", Severity: finding.Critical,
			Rationale:  "A privileged container is a process of the host with another root directory.",
			References: []string{"CIS 5.5", "KICS ae5b6871", "PSS privileged", "OWASP Docker rule 3"},
			Remedy:     "a profile cannot ask for it; the container was not made by hsectl",
			judge: func(f Facts, _ Intent) Verdict {
				if !f.Privileged.Known() {
					return unknown(f.Privileged, "the privileged flag")
				}
				if f.Privileged.Value {
					return fail(f.Privileged.Tier, "the container is privileged")
				}
				return pass(f.Privileged.Tier, "not privileged")
			}},
		{ID: "HSE-PRV-002", Title: "No process can gain privileges", Severity: finding.High,
			Rationale:  "With no_new_privs set, setuid programs and file capabilities give nothing.",
			References: []string{"CIS 5.26", "KICS 27fcc7d6", "PSS allowPrivilegeEscalation", "OWASP Docker rule 4"},
			Remedy:     "always rendered; the container was not made by hsectl",
			judge: func(f Facts, _ Intent) Verdict {
				return each(f, "no_new_privs is set for every process", func(p Process) string {
					if !p.NoNewPrivs {
						return fmt.Sprintf("process %s runs without no_new_privs", p.Name)
					}
					return ""
				})
			}},
	}
}

func kernel() []Control {
	return []Control{
		{ID: "HSE-KRN-001", Title: "A seccomp filter is active", Severity: finding.High,
			Rationale:  "The filter takes away the system calls that most kernel exploits need.",
			References: []string{"CIS 5.22", "KICS 404fde2c", "PSS seccompProfile_restricted", "OWASP Docker rule 6"},
			Remedy:     "always on; start the engine with seccomp support",
			judge: func(f Facts, _ Intent) Verdict {
				return each(f, "every process is filtered", func(p Process) string {
					if p.Seccomp != 2 {
						return fmt.Sprintf("process %s runs without a filter", p.Name)
					}
					return ""
				})
			}},
		{ID: "HSE-KRN-003", Title: "A security module confines every process", Severity: finding.Medium, Runtime: true,
			Rationale:  "AppArmor or SELinux is the wall behind the wall.",
			References: []string{"CIS 5.2", "CIS 5.3", "PSS appArmorProfile", "OWASP Docker rule 6"},
			Remedy:     "load AppArmor or SELinux on the host and restart the engine",
			text: func(f Facts) Verdict {
				if f.Confined.Value == "unconfined" {
					return fail(f.Confined.Tier, "the service opts out of the security module")
				}
				return Verdict{}
			},
			judge: func(f Facts, _ Intent) Verdict {
				if f.Processes.Known() && f.Hidden == "" && !slices.ContainsFunc(f.Processes.Value, func(p Process) bool { return p.LSM != "" }) {
					return notApplicable(f.Processes.Tier, "the kernel has no security module: /proc/PID/attr/current cannot be read")
				}
				return each(f, "every process is confined", func(p Process) string {
					if why := unconfined(p.LSM); why != "" {
						return fmt.Sprintf("process %s %s", p.Name, why)
					}
					return ""
				})
			}},
		{ID: "HSE-KRN-004", Title: "No device of the host is given", Severity: finding.High,
			Rationale:  "A device is a door to the kernel.",
			References: []string{"CIS 5.18", "NIST SP 800-190 4.4.3"},
			Remedy:     "a profile cannot ask for it; the container was not made by hsectl",
			judge: func(f Facts, _ Intent) Verdict {
				if !f.Devices.Known() {
					return unknown(f.Devices, "the devices")
				}
				if len(f.Devices.Value) > 0 {
					return fail(f.Devices.Tier, "devices: %s", strings.Join(f.Devices.Value, ", "))
				}
				return pass(f.Devices.Tier, "no device")
			}},
		{ID: "HSE-KRN-006", Title: "Kernel paths are masked", Severity: finding.High,
			Rationale:  "Paths such as /proc/kcore show or change the kernel of the host.",
			References: []string{"PSS procMount", "NIST SP 800-190 4.4.3"},
			Remedy:     "always masked; the container was not made by hsectl",
			judge:      maskedPaths},
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
func maskedPaths(f Facts, _ Intent) Verdict {
	if !f.Masked.Known() {
		return unknown(f.Masked, "the masked paths")
	}
	var open []string
	for _, p := range []string{"/proc/kcore", "/proc/keys", "/proc/timer_list"} {
		if !slices.Contains(f.Masked.Value, p) {
			open = append(open, p)
		}
	}
	if len(open) > 0 {
		return fail(f.Masked.Tier, "not masked: %s", strings.Join(open, ", "))
	}
	return pass(f.Masked.Tier, "%d paths masked", len(f.Masked.Value))
}

func namespaces() []Control {
	// The kernel numbers the first namespace of each kind, but not that of the network: of it the engine's word is the best,
	// unless who looks is on the same machine and can compare.
	applied := []string{"network"}
	row := func(id, title string, sev finding.Severity, refs []string, host func(Namespaces) bool, name string) Control {
		return Control{ID: id, Title: title, Severity: sev, References: refs,
			Rationale: "Sharing a namespace with the host takes one wall away.",
			Remedy:    "a profile cannot ask for it; the container was not made by hsectl",
			judge: func(f Facts, _ Intent) Verdict {
				if !f.Namespaces.Known() {
					return unknown(f.Namespaces, "the namespaces")
				}
				if name == "network" && f.HostNet.Known() && !f.Namespaces.Value.HostNetwork {
					if f.HostNet.Value {
						return fail(f.HostNet.Tier, "the network namespace is the host's")
					}
					return pass(f.HostNet.Tier, "the network namespace is another than the host's")
				}
				tier := f.Namespaces.Tier
				if slices.Contains(applied, name) {
					tier = min(tier, finding.Applied)
				}
				if host(f.Namespaces.Value) {
					return fail(tier, "the %s namespace is the host's", name)
				}
				return pass(tier, "the %s namespace of the host is not asked for", name)
			}}
	}
	return []Control{
		row("HSE-NS-001", "The pid namespace is its own", finding.Critical, []string{"CIS 5.16", "KICS 4f31dd9f", "PSS hostNamespaces"},
			func(n Namespaces) bool { return n.HostPID }, "pid"),
		row("HSE-NS-002", "The ipc namespace is its own", finding.High, []string{"CIS 5.17", "KICS baa3890f", "PSS hostNamespaces"},
			func(n Namespaces) bool { return n.HostIPC }, "ipc"),
		row("HSE-NS-003", "The network namespace is its own", finding.Critical, []string{"CIS 5.10", "KICS 071a71ff", "PSS hostNamespaces"},
			func(n Namespaces) bool { return n.HostNetwork }, "network"),
		row("HSE-NS-004", "The uts namespace is its own", finding.Medium, []string{"CIS 5.21"},
			func(n Namespaces) bool { return n.HostUTS }, "uts"),
		{ID: "HSE-NS-005", Title: "User namespaces are not opted out of", Severity: finding.Medium, References: []string{"CIS 5.31", "KICS 8af7162d"},
			Rationale: "Where the engine maps user ids, root of a container is nobody on the host.",
			Remedy:    "a profile cannot ask for it; the container was not made by hsectl",
			judge:     userNamespace},
	}
}

// userNamespace takes the engine's word for the wish, and the kernel's map for what came of it.
func userNamespace(f Facts, _ Intent) Verdict {
	switch r := f.Remap.Value; {
	case !f.Namespaces.Known():
		return unknown(f.Namespaces, "the namespaces")
	case f.Namespaces.Value.HostUser:
		return fail(min(f.Namespaces.Tier, finding.Applied), "the user namespace is the host's")
	case f.Remap.Known() && r.Engine && r.Identity:
		return fail(f.Remap.Tier, "the engine maps user ids, but not those of this container")
	case f.Remap.Known() && r.Engine:
		return pass(f.Remap.Tier, "user ids are mapped")
	case f.Remap.Known():
		return pass(f.Remap.Tier, "the engine maps no user ids, and nothing opts out")
	}
	return pass(min(f.Namespaces.Tier, finding.Applied), "the user namespace of the host is not asked for")
}
