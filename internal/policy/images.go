package policy

import (
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
)

// imageControls are about an image, as a running container or the text of a stack shows it.
func imageControls() []Control {
	return []Control{
		{ID: "HSE-IMG-012", Title: "The image brings a health test, or the service has its own", Severity: finding.Info, Key: "health", Runtime: true,
			Rationale:  "Whoever runs the image without the profile has no test either.",
			References: []string{"CIS 4.6", "dockle CIS-DI-0006", "trivy DS-0026"},
			Remedy:     "write HEALTHCHECK in the Dockerfile; the service's own test is judged by HSE-HLT-001",
			judge: func(f Facts, _ Intent) Verdict {
				switch {
				case !f.Origin.Known():
					return unknown(f.Origin, "the image")
				case f.Origin.Value.Tested:
					return pass(f.Origin.Tier, "the image has one")
				case f.Health.Known() && len(f.Health.Value.Test) > 0:
					return notApplicable(f.Health.Tier, "the service has its own test")
				}
				return fail(f.Origin.Tier, "neither the image nor the service has one")
			}},
		{ID: "HSE-IMG-018", Title: "What is pulled does not depend on the day", Severity: finding.Low, Key: "image", Static: true,
			Rationale:  "An image that is pulled anew at every start is another one on the day that somebody pushes.",
			References: []string{"CIS 5.28"},
			Remedy:     "leave pull_policy out, pin the digest with hsectl lock, and pull by deploying",
			judge: func(f Facts, _ Intent) Verdict {
				switch p := f.Declaration.Value.Pull; {
				case !f.Declaration.Known():
					return unknown(f.Declaration, "what is written")
				case p == "" || p == "missing" || p == "never" || p == "if_not_present":
					return pass(f.Declaration.Tier, "pulled when it is missing, or never")
				case strings.Contains(f.Image.Value.Reference, "@sha256:"):
					return pass(f.Declaration.Tier, "pull_policy is %s, and the digest is the same every day", p)
				default:
					return fail(f.Declaration.Tier, "pull_policy is %s", p)
				}
			}},
		{ID: "HSE-OPS-010", Title: "Everything that is written is judged", Severity: finding.High, Key: "passthrough", Static: true,
			Rationale:  "A key that no control looks at, such as a provider or a watch, may undo what the others prove.",
			References: []string{"NIST SP 800-190 4.4.3"},
			Remedy:     "do without, or look at it yourself and put it into the baseline",
			asked:      func(f Facts) bool { return len(f.Unjudged.Value) > 0 },
			judge: func(f Facts, _ Intent) Verdict {
				return Verdict{finding.Unknown, finding.None, "no control judges " + strings.Join(f.Unjudged.Value, ", ")}
			}},
	}
}

// scanned are the controls that hsectl scan, lock and the gate of deploy judge on the content of images.
func scanned() []Control {
	row := func(id, title string, s finding.Severity, why, remedy string, references ...string) Control {
		return Control{ID: id, Title: title, Severity: s, Rationale: why, Remedy: remedy, References: references, Key: "image", By: "scan"}
	}
	return []Control{
		row("HSE-IMG-001", "The image is pinned by its digest", finding.High, "A tag means another image as soon as somebody moves it.",
			"write the lock: hsectl lock", "CIS 5.28", "CIS 4.2", "dockle DKL-DI-0006", "hadolint DL3006", "NIST SP 800-190 4.2.2"),
		row("HSE-IMG-004", "No file gives privileges", finding.Medium, "A setuid program or a file capability turns any user into root where new privileges are not refused.",
			"take the bits away in the build: find / -xdev -perm /6000 -type f -exec chmod a-s {} +", "CIS 4.8", "dockle CIS-DI-0008", "OWASP Docker rule 4"),
		row("HSE-IMG-006", "No shell, package manager or compiler", finding.Low, "What is not there cannot be used by an intruder.",
			"copy the program into a distroless or empty base", "CIS 4.3", "dockle DKL-LI-0003", "NIST SP 800-190 4.1.2"),
		row("HSE-IMG-007", "Size and number of layers are within the budget", finding.Low, "What an image does not need is what nobody updates.",
			"leave build tools in an earlier stage", "CIS 4.3", "CIS 6.1"),
		row("HSE-IMG-008", "The image is young enough, and its base still gets updates", finding.Medium, "An image that is not rebuilt has no fixes since.",
			"rebuild on a supported base: hsectl build --pull --no-cache", "CIS 4.4", "NIST SP 800-190 4.2.2"),
		row("HSE-IMG-009", "The image comes from an allowed registry", finding.Medium, "Anybody may push to a public registry.",
			"use an image of an allowed registry, or add the registry to supply_chain.registries", "CIS 4.2", "hadolint DL3026", "NIST SP 800-190 4.1.5"),
		row("HSE-IMG-010", "No vulnerability at or above the threshold", finding.High, "Known holes are tried first.",
			"update what has a fix, then rebuild; hsectl scan shows each", "CIS 4.4", "OWASP Docker rule 9", "NIST SP 800-190 4.1.1"),
		row("HSE-IMG-011", "The image is signed by the key of its registry", finding.Medium, "A signature says who built it, wherever it was pulled from.",
			"sign when building, and name the key under supply_chain.signatures", "CIS 4.5", "CIS 4.12", "NIST SP 800-190 4.1.5"),
		{ID: "HSE-IMG-013", Title: "The Dockerfile keeps good habits", Severity: finding.Low, Key: "build", By: "build, by hsectl lint, by hsectl review",
			Rationale:  "What is downloaded without a checksum, updated in a layer of its own, or written twice is another image on another day.",
			References: []string{"CIS 4.7", "CIS 4.9", "dockle CIS-DI-0007", "trivy DS-0017", "hadolint DL3008", "BuildKit checks"},
			Remedy:     "see what each rule says: hsectl build --check"},
		row("HSE-IMG-016", "Accounts are sane", finding.Medium, "An account with an empty password, or a second root, is a way in.",
			"give each account its own uid, and lock its password", "dockle DKL-LI-0001", "dockle DKL-LI-0002"),
		row("HSE-IMG-017", "Nothing is writable for everybody", finding.Low, "A file that everybody may change is changed by whoever breaks in.",
			"chmod o-w in the build, or set the sticky bit on directories", "NIST SP 800-190 4.1.2"),
	}
}
