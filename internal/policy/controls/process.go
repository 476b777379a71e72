package controls

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

func capabilities() []policy.Control {
	return []policy.Control{
		{ID: "HSE-CAP-001", Title: "The bounding set holds the declared capabilities only", Severity: finding.High, Key: "capabilities",
			Rationale:  "A non-root process has no effective capability, but a setuid program gets back whatever the bounding set still holds.",
			References: []string{"CIS 5.4", "KICS ce76b7d0", "PSS capabilities_restricted", "OWASP Docker rule 3"},
			Remedy:     "all capabilities are dropped unless capabilities: names one with a reason",
			Predicate: func(f policy.Facts, in policy.Intent) policy.Verdict {
				return each(f, "bounding set: "+policy.CapabilityNames(in.Capabilities), func(p policy.Process) string {
					if extra := (p.Bounding | p.Permitted | p.Effective) &^ in.Capabilities; extra != 0 {
						return fmt.Sprintf("process %s can have %s", p.Name, policy.CapabilityNames(extra))
					}
					return ""
				})
			}},
		{ID: "HSE-CAP-002", Title: "No dangerous capability is granted", Severity: finding.High, Key: "capabilities",
			Rationale:  "Some capabilities are as good as root on the host.",
			References: []string{"CIS 5.4", "PSS capabilities_baseline", "OWASP Docker rule 3"},
			Remedy:     "do without it, or add an exception for HSE-CAP-002",
			Predicate: func(f policy.Facts, in policy.Intent) policy.Verdict {
				return each(f, "none of the dangerous ones", func(p policy.Process) string {
					if bad := p.Bounding & policy.DangerousCapabilities(); bad != 0 {
						return fmt.Sprintf("process %s can have %s", p.Name, policy.CapabilityNames(bad))
					}
					return ""
				})
			}},
		{ID: "HSE-CAP-003", Title: "No ambient or inheritable capabilities", Severity: finding.Medium, Key: "capabilities",
			Rationale:  "They survive exec and reach programs that should have none.",
			References: []string{"NIST SP 800-190 4.4.3"},
			Remedy:     "do not let the entry point raise ambient capabilities",
			Predicate: func(f policy.Facts, in policy.Intent) policy.Verdict {
				return each(f, "both sets are empty", func(p policy.Process) string {
					// Engines before 20.10.14 fill the inheritable set (CVE-2022-24769): it counts beyond what is granted.
					if p.Ambient != 0 || p.Inheritable&^in.Capabilities != 0 {
						return fmt.Sprintf("process %s has %s", p.Name, policy.CapabilityNames(p.Ambient|p.Inheritable))
					}
					return ""
				})
			}},
		{ID: "HSE-CAP-004", Title: "NET_BIND_SERVICE is not kept without need", Severity: finding.Info, Key: "capabilities",
			Rationale: "Engines let every user bind low ports inside a container's own network namespace, and a process that is not root " +
				"does not get an added capability anyway: it only widens what a setuid program could get back.",
			References: []string{"KICS bc2908f3"},
			Remedy:     "remove it from capabilities:",
			Predicate: func(f policy.Facts, in policy.Intent) policy.Verdict {
				if in.FileCapabilities&policy.CapabilityMask("NET_BIND_SERVICE") != 0 {
					return policy.Pass(finding.Declared, "the program carries it as a file capability, and does not start without it")
				}
				return each(f, "not kept", func(p policy.Process) string {
					if p.Bounding&policy.CapabilityMask("NET_BIND_SERVICE") != 0 && p.UIDs[1] != 0 {
						return fmt.Sprintf("process %s keeps it without being able to use it", p.Name)
					}
					return ""
				})
			}},
	}
}

func entries() []policy.Control {
	return []policy.Control{
		{ID: "HSE-MON-004", Title: "No docker exec or attach in the engine's recent events", Severity: finding.Low, Key: "health", Runtime: true,
			Rationale: "docker exec and attach leave no trace in the container's log, so each one should be accounted for. " +
				"The engine keeps its last 256 events only, and each health test takes three.",
			References: []string{"CIS 5.23", "CIS 5.24", "CIS 1.1.3"},
			Remedy:     "find out why it was run; shorten monitoring.verify, so that fewer events are lost in between",
			Applies:    func(f policy.Facts) bool { return f.Entries.Known() || f.Entries.Why != "" },
			Predicate: func(f policy.Facts, _ policy.Intent) policy.Verdict {
				e := f.Entries.Value
				switch {
				case !f.Entries.Known():
					return policy.Unknown(f.Entries, "the engine's events")
				case len(e.Commands) > 0: // it may have been legitimate: a person has to decide
					return policy.Advise(f.Entries.Tier, fmt.Sprintf("%d times: %s", len(e.Commands), strings.Join(shortened(e.Commands), "; ")))
				}
				return policy.Pass(f.Entries.Tier, "none in the last %s, which the engine's events cover", policy.Age(e.Covered))
			}},
	}
}

// leastUID is the first user that no distribution gives to a person or a daemon of the host.
const leastUID = 10000

// shortened keeps a line readable: the last few, and of each no more than its beginning. Names of programs may hold anything.
func shortened(commands []string) []string {
	const most, width = 3, 60
	var out []string
	for _, c := range commands[max(0, len(commands)-most):] {
		c = strings.Trim(strconv.QuoteToASCII(c), `"`)
		if len(c) > width {
			c = c[:width] + "…"
		}
		out = append(out, c)
	}
	return out
}

func entered(f policy.Facts, in policy.Intent) policy.Verdict {
	if !f.Processes.Known() {
		return policy.Unknown(f.Processes, "the processes")
	}
	var wrong []string
	n := 0
	for _, p := range f.Processes.Value {
		if !p.Entered {
			continue
		}
		n++
		switch extra := (p.Bounding | p.Permitted | p.Effective | p.Ambient) &^ in.Capabilities; {
		case slices.Contains(p.UIDs[:], 0) && in.UID != 0:
			wrong = append(wrong, fmt.Sprintf("process %s entered as root", p.Name))
		case extra != 0:
			wrong = append(wrong, fmt.Sprintf("process %s entered with %s", p.Name, policy.CapabilityNames(extra)))
		case !p.NoNewPrivs || p.Seccomp != 2:
			wrong = append(wrong, fmt.Sprintf("process %s entered without no_new_privs or a filter", p.Name))
		}
	}
	if len(wrong) > 0 {
		return policy.Fail(f.Processes.Tier, "%s", strings.Join(wrong, "; "))
	}
	if len(f.Processes.Value) == 0 {
		return policy.Undetermined("no process was seen")
	}
	return passAll(f, "%d processes entered, none with more rights", n)
}

// numeric is a user that means the same in every image.
var numeric = regexp.MustCompile(`^\d+:\d+$`)

func privileges() []policy.Control {
	return []policy.Control{
		{ID: "HSE-PRV-001", Title: "The container is not privileged", Severity: finding.Critical,
			Rationale:  "A privileged container is a process of the host with another root directory.",
			References: []string{"CIS 5.5", "KICS ae5b6871", "PSS privileged", "OWASP Docker rule 3"},
			Remedy:     "a profile cannot ask for it; the container was not made by hsectl",
			Predicate: func(f policy.Facts, _ policy.Intent) policy.Verdict {
				if !f.Privileged.Known() {
					return policy.Unknown(f.Privileged, "the privileged flag")
				}
				if f.Privileged.Value {
					return policy.Fail(f.Privileged.Tier, "the container is privileged")
				}
				return policy.Pass(f.Privileged.Tier, "not privileged")
			}},
		{ID: "HSE-PRV-002", Title: "No process can gain privileges", Severity: finding.High,
			Rationale:  "With no_new_privs set, setuid programs and file capabilities give nothing.",
			References: []string{"CIS 5.26", "KICS 27fcc7d6", "PSS allowPrivilegeEscalation", "OWASP Docker rule 4"},
			Remedy:     "always rendered; the container was not made by hsectl",
			Predicate: func(f policy.Facts, _ policy.Intent) policy.Verdict {
				return each(f, "no_new_privs is set for every process", func(p policy.Process) string {
					if !p.NoNewPrivs {
						return fmt.Sprintf("process %s runs without no_new_privs", p.Name)
					}
					return ""
				})
			}},
	}
}

// each judges every process, not only PID 1, and lists those that are wrong.
func each(f policy.Facts, ok string, wrong func(policy.Process) string) policy.Verdict {
	return eachKnown(f, ok, wrong, func(policy.Process) string { return "" })
}

// eachKnown is unknown where a process does not show what is judged, and none that shows it is wrong.
func eachKnown(f policy.Facts, ok string, wrong, hidden func(policy.Process) string) policy.Verdict {
	if !f.Processes.Known() {
		return policy.Unknown(f.Processes, "the processes")
	}
	if len(f.Processes.Value) == 0 {
		return policy.Undetermined("no process was seen")
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
		return policy.Fail(f.Processes.Tier, "%s", strings.Join(out, "; "))
	}
	if why != "" {
		return policy.Undetermined("the processes: " + why)
	}
	return passAll(f, "%s", ok)
}

// passAll passes when no process was hidden from who looked: what is right for those that were seen says nothing of others.
func passAll(f policy.Facts, format string, args ...any) policy.Verdict {
	if f.Hidden != "" {
		return policy.Undetermined("not every process could be seen: " + f.Hidden)
	}
	return policy.Pass(f.Processes.Tier, format, args...)
}

// privilegedGroup returns a further group of a process that is as good as root: it reads the disks, the memory or the passwords of
// the host, or has the engine. A name counts wherever the image has it; a number where it is the same in all distributions.
func privilegedGroup(p policy.Process) string {
	for _, name := range p.GroupNames {
		if slices.Contains([]string{"docker", "podman", "containerd", "disk", "kmem", "mem", "shadow", "sudo", "wheel", "adm", "lxd", "incus", "incus-admin", "libvirt", "kvm", "systemd-journal"}, name) {
			return name
		}
	}
	for _, gid := range p.Groups {
		if name := map[int]string{6: "disk", 15: "kmem", 42: "shadow"}[gid]; name != "" && gid != p.GIDs[0] {
			return fmt.Sprintf("%d (%s)", gid, name)
		}
	}
	return ""
}

func noUser(p policy.Process) string { return p.NoUser }

func users() []policy.Control {
	return []policy.Control{
		{ID: "HSE-USR-001", Title: "No process runs as root", Severity: finding.High, Key: "user",
			Rationale:  "Root in the container is root on the host as soon as one layer of isolation fails.",
			References: []string{"CIS 4.1", "PSS runAsNonRoot", "OWASP Docker rule 2", "NIST SP 800-190 4.1.2"},
			Remedy:     `set user: "uid:gid" to the numbers of the image's own user`,
			Predicate: func(f policy.Facts, _ policy.Intent) policy.Verdict {
				return eachKnown(f, "all user ids are above 0", func(p policy.Process) string {
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
			Predicate: func(f policy.Facts, in policy.Intent) policy.Verdict {
				return eachKnown(f, "no process has group 0", func(p policy.Process) string {
					if in.GID != 0 && (slices.Contains(p.GIDs[:], 0) || slices.Contains(p.Groups, 0)) {
						return fmt.Sprintf("process %s has group 0", p.Name)
					}
					if group := privilegedGroup(p); group != "" {
						return fmt.Sprintf("process %s has the group %s, which has rights of root on most hosts", p.Name, group)
					}
					if in.GID == 0 {
						return "the profile sets group 0"
					}
					return ""
				}, func(p policy.Process) string {
					if privilegedGroup(p) != "" {
						return ""
					}
					return cmp.Or(p.NoUser, p.NoGroup)
				})
			}},
		{ID: "HSE-USR-003", Title: "User and group are numbers", Severity: finding.Low, Key: "user",
			Rationale:  "A name is looked up in the image: another image, another user. A number alone gets group 0.",
			References: []string{"hadolint DL3066", "PSS runAsNonRoot"},
			Remedy:     `write user: "uid:gid"`,
			Predicate: func(f policy.Facts, _ policy.Intent) policy.Verdict {
				switch {
				case !f.User.Known():
					return policy.Unknown(f.User, "the user")
				case !numeric.MatchString(f.User.Value):
					return policy.Fail(f.User.Tier, "the user is %q", f.User.Value)
				}
				return policy.Pass(f.User.Tier, "%s", f.User.Value)
			}},
		{ID: "HSE-USR-004", Title: "Every process has the declared user", Severity: finding.High, Key: "user",
			Rationale:  "A process that changed its user did so with a privilege it should not have.",
			References: []string{"CIS 4.1"},
			Remedy:     "start the image as its own user instead of letting it switch",
			Predicate: func(f policy.Facts, in policy.Intent) policy.Verdict {
				return eachKnown(f, fmt.Sprintf("all processes run as %d:%d", in.UID, in.GID), func(p policy.Process) string {
					if p.UIDs != [4]int{in.UID, in.UID, in.UID, in.UID} || p.GIDs[1] != in.GID {
						return fmt.Sprintf("process %s runs as %d:%d, not %d:%d", p.Name, p.UIDs[1], p.GIDs[1], in.UID, in.GID)
					}
					return ""
				}, noUser)
			}},
		{ID: "HSE-USR-005", Title: "The user is the service's own", Severity: finding.Info, Key: "user", Runtime: true,
			Rationale: "A process that breaks out has the rights of every process with the same uid: another service, or an account of the host. " +
				"Where the image or its preset fixes the number, it cannot be chosen.",
			References: []string{"OWASP Docker rule 2", "NIST SP 800-190 4.3.4"},
			Remedy:     "give each service a uid from 10000 up that no other has, where its image takes any",
			Predicate: func(f policy.Facts, in policy.Intent) policy.Verdict {
				switch {
				case !f.SameUser.Known():
					return policy.Unknown(f.SameUser, "the users of the other services")
				case len(f.SameUser.Value) == 0 && in.UID >= leastUID:
					return policy.Pass(f.SameUser.Tier, "no other service has uid %d", in.UID)
				case !f.Origin.Known():
					return policy.Unknown(f.Origin, "the image")
				case in.Preset != "" || f.Origin.Value.User != "" && !slices.Contains([]string{"0", "root", "0:0"}, f.Origin.Value.User):
					return policy.NotApplicable(f.Origin.Tier, "uid %d is the image's own", in.UID)
				case len(f.SameUser.Value) > 0:
					return policy.Fail(f.SameUser.Tier, "uid %d is also that of %s", in.UID, strings.Join(f.SameUser.Value, ", "))
				}
				return policy.Fail(f.SameUser.Tier, "uid %d may be an account of the host", in.UID)
			}},
		{ID: "HSE-USR-006", Title: "What enters the container has no more rights than the service", Severity: finding.High, Key: "user",
			Rationale:  "Hooks and docker exec start extra processes in the container, as root if asked to; no scanner inspects them.",
			References: []string{"CIS 5.23", "CIS 5.24", "NIST SP 800-190 4.3.1"},
			Remedy:     "run the hook or the command as the service's own user, without --privileged",
			Predicate:  entered},
	}
}
