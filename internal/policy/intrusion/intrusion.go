// Package intrusion is the controls of what appears in a running container that nothing rendered puts there: processes from outside,
// another wiring of its network, other names, files that give rights, devices, and volumes of others.
package intrusion

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

// mostNamed bounds what is said of one control.
const mostNamed = 8

// none wants a list of strange things to be empty.
func none(list func(policy.Facts) policy.Fact[[]string], what, good string) (applies func(policy.Facts) bool, predicate func(policy.Facts, policy.Intent) policy.Verdict) {
	applies = func(f policy.Facts) bool { return list(f).Known() || list(f).Why != "" }
	predicate = func(f policy.Facts, _ policy.Intent) policy.Verdict {
		found := list(f)
		switch n := len(found.Value); {
		case !found.Known():
			return policy.Unknown(found, what)
		case n > mostNamed:
			return policy.Fail(found.Tier, "%s; and %d more", strings.Join(found.Value[:mostNamed], "; "), n-mostNamed)
		case n > 0:
			return policy.Fail(found.Tier, "%s", strings.Join(found.Value, "; "))
		}
		return policy.Pass(found.Tier, "%s", good)
	}
	return applies, predicate
}

// Controls returns the table.
func Controls() []policy.Control {
	row := func(c policy.Control, what, good string, list func(policy.Facts) policy.Fact[[]string]) policy.Control {
		c.Runtime = true
		c.Applies, c.Predicate = none(list, what, good)
		return c
	}
	return []policy.Control{
		row(policy.Control{ID: "HSE-NS-007", Title: "Only the service's own processes are in its namespaces and control group", Severity: finding.Critical,
			Rationale:  "A process that enters a namespace from the machine, or is put into the control group, sees and changes what the service sees, with rights of its own. Judged where the processes of the machine can be seen: on the engine's machine, or with --one-probe.",
			References: []string{"NIST SP 800-190 4.4.5", "CIS 5.31"},
			Remedy:     "find out who started the process on the machine, end it, and deploy again: hsectl deploy"},
			"the processes of the machine", "no process from outside", func(f policy.Facts) policy.Fact[[]string] { return f.Strangers }),
		row(policy.Control{ID: "HSE-NET-011", Title: "Addresses, routes and rules are those of its networks", Severity: finding.High,
			Rationale:  "A route, an address, an interface or a rule that no network gives leads traffic where nothing declared leads: past the firewall, to another stack, or to whoever reads it.",
			References: []string{"NIST SP 800-190 4.4.2", "NSA network separation"},
			Remedy:     "replace the container: hsectl deploy",
		}, "the routes", "every address, route and rule in every table follows from its networks", func(f policy.Facts) policy.Fact[[]string] { return f.Wiring }),
		row(policy.Control{ID: "HSE-NET-012", Title: "Names are resolved as the engine wrote it", Severity: finding.High,
			Rationale:  "A line in /etc/hosts or another server in /etc/resolv.conf sends the service to another machine under the name that it knows.",
			References: []string{"NIST SP 800-190 4.4.5"},
			Remedy:     "replace the container: hsectl deploy",
		}, "the files of names", "/etc/hosts, /etc/resolv.conf and /etc/hostname are as the engine writes them", func(f policy.Facts) policy.Fact[[]string] { return f.Names }),
		row(policy.Control{ID: "HSE-FS-012", Title: "No file in a writable place gives rights", Severity: finding.Medium, Key: "writable",
			Rationale:  "A setuid program, a program with capabilities or a device file in a volume gives rights to everybody who can run or open it, in this container, in another one and on the machine. No service needs one there.",
			References: []string{"CIS 4.8", "OWASP Docker rule 4"},
			Remedy:     "find out who put it there, and remove it; a tmpfs is mounted so that it does not count; for a volume with more files than can be looked at, add an exception with the reason",
		}, "the files in writable places", "no setuid, setgid or device file, and none with capabilities", func(f policy.Facts) policy.Fact[[]string] { return f.Special }),
		devices(policy.Control{ID: "HSE-KRN-011", Title: "Only the devices of every container can be used", Severity: finding.High,
			Rationale:  "Rules for devices of a running container can be changed behind the engine, and device files can be made: what counts is what the kernel allows. Control groups of version 2 do not tell their rules; there the device files in the container count.",
			References: []string{"CIS 5.18", "NIST SP 800-190 4.4.3"},
			Remedy:     "replace the container: hsectl deploy",
		}),
		{ID: "HSE-FS-013", Title: "Volumes belong to the service's user, with the declared mode", Severity: finding.Medium, Key: "writable", Runtime: true,
			Rationale:  "A volume whose top directory belongs to another user, or that everybody may write, is read and changed by others.",
			References: []string{"OWASP Docker rule 8", "NIST SP 800-190 4.5.5"},
			Remedy:     "deploy gives a volume its owner and its mode: hsectl deploy; or declare owner: and mode: under writable:",
			Applies:    func(f policy.Facts) bool { return f.Tops.Known() || f.Tops.Why != "" },
			Predicate:  tops},
	}
}

// devices wants no other device than those of every container, and says what was not seen.
func devices(c policy.Control) policy.Control {
	list := func(f policy.Facts) policy.Fact[[]string] { return f.Openable }
	c.Runtime = true
	applies, rules := none(list, "the devices", "no other device than those of every container, by the device files and by the rules")
	_, files := none(list, "the devices", "no other device file than those of every container; control groups of version 2 do not tell their rules")
	c.Applies = applies
	c.Predicate = func(f policy.Facts, in policy.Intent) policy.Verdict {
		if f.Cgroup.Value.V2 {
			return files(f, in)
		}
		return rules(f, in)
	}
	return c
}

// tops holds the top directories of volumes against what deploy gives them. Without a deploy the engine and the image have made
// them: then nobody else may own or write them.
func tops(f policy.Facts, in policy.Intent) policy.Verdict {
	if !f.Tops.Known() {
		return policy.Unknown(f.Tops, "the volumes")
	}
	var wrong []string
	for _, want := range in.Tops {
		i := slices.IndexFunc(f.Tops.Value, func(t policy.Top) bool { return t.Path == want.Path })
		if i < 0 {
			return policy.Undetermined("the volume at " + want.Path + " could not be seen")
		}
		got := f.Tops.Value[i]
		switch {
		case got.UID != want.UID || got.Prepared && got.GID != want.GID:
			wrong = append(wrong, fmt.Sprintf("%s belongs to %d:%d, not to %d:%d", want.Path, got.UID, got.GID, want.UID, want.GID))
		case got.Prepared && got.Mode != want.Mode, !got.Prepared && got.Mode&^want.Mode&othersWrite != 0:
			wrong = append(wrong, fmt.Sprintf("%s has mode %04o, not %04o", want.Path, got.Mode, want.Mode))
		}
	}
	if len(wrong) > 0 {
		return policy.Fail(f.Tops.Tier, "%s", strings.Join(wrong, "; "))
	}
	if len(in.Tops) == 0 {
		return policy.NotApplicable(f.Tops.Tier, "the service writes no volume")
	}
	return policy.Pass(f.Tops.Tier, "%d volumes, as they were prepared", len(in.Tops))
}

// othersWrite are the bits by which group and others may write.
const othersWrite = 0o022
