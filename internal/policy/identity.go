package policy

import (
	"fmt"
	"regexp"

	"github.com/hsectl/hsectl/internal/finding"
)

// numeric is a user that means the same in every image.
var numeric = regexp.MustCompile(`^\d+:\d+$`)

func identity() []Control {
	return []Control{
		{ID: "HSE-USR-003", Title: "User and group are numbers", Severity: finding.Low, Key: "user",
			Rationale:  "A name is looked up in the image: another image, another user. A number alone gets group 0.",
			References: []string{"hadolint DL3066", "PSS runAsNonRoot"},
			Remedy:     `write user: "uid:gid"`,
			judge: func(f Facts, _ Intent) Verdict {
				switch {
				case !f.User.Known():
					return unknown(f.User, "the user")
				case !numeric.MatchString(f.User.Value):
					return fail(f.User.Tier, "the user is %q", f.User.Value)
				}
				return pass(f.User.Tier, "%s", f.User.Value)
			}},
		{ID: "HSE-CAP-004", Title: "NET_BIND_SERVICE is not kept for nothing", Severity: finding.Info, Key: "capabilities",
			Rationale: "Engines let every user bind low ports inside a container's own network namespace, and a process that is not root " +
				"does not get an added capability anyway: it only widens what a setuid program could get back.",
			References: []string{"KICS bc2908f3"},
			Remedy:     "remove it from capabilities:",
			judge: func(f Facts, in Intent) Verdict {
				if in.FileCapabilities&CapabilityMask("NET_BIND_SERVICE") != 0 {
					return pass(finding.Declared, "the program carries it as a file capability, and does not start without it")
				}
				return each(f, "not kept", func(p Process) string {
					if p.Bounding&CapabilityMask("NET_BIND_SERVICE") != 0 && p.UIDs[1] != 0 {
						return fmt.Sprintf("process %s keeps it without being able to use it", p.Name)
					}
					return ""
				})
			}},
	}
}
