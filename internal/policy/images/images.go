// Package images holds the controls of the image of a service: what it brings, and the mistakes that break well-known images.
package images

import (
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

func certificateChecks(f policy.Facts, _ policy.Intent) policy.Verdict {
	if !f.Environment.Known() {
		return policy.Unknown(f.Environment, "the environment")
	}
	off := map[string][]string{"NODE_TLS_REJECT_UNAUTHORIZED": {"0"}, "PYTHONHTTPSVERIFY": {"0"}, "GIT_SSL_NO_VERIFY": {"1", "true"},
		"CURL_INSECURE": {"1", "true"}, "NPM_CONFIG_STRICT_SSL": {"false"}, "GOINSECURE": {"*"}}
	for _, v := range f.Environment.Value {
		if slices.Contains(off[strings.ToUpper(v.Name)], strings.ToLower(v.Value)) {
			return policy.Fail(f.Environment.Tier, "%s turns it off", v.Name)
		}
	}
	return policy.Pass(f.Environment.Tier, "no variable turns it off")
}

func oddImage(f policy.Facts, _ policy.Intent) policy.Verdict {
	if !f.Origin.Known() {
		return policy.Unknown(f.Origin, "the image")
	}
	for _, port := range f.Origin.Value.Exposed {
		if slices.Contains([]int{22, 23, 3389, 5900}, port) {
			return policy.Fail(f.Origin.Tier, "the image exposes port %d", port)
		}
	}
	for _, v := range f.Origin.Value.Volumes {
		if slices.Contains([]string{"/", "/etc", "/usr", "/bin", "/sbin", "/lib", "/dev", "/proc", "/sys"}, v) {
			return policy.Fail(f.Origin.Tier, "the image has a volume at %s", v)
		}
	}
	return policy.Pass(f.Origin.Tier, "none")
}

func images() []policy.Control {
	return []policy.Control{
		{ID: "HSE-IMG-002", Title: "The container runs the declared image", Severity: finding.High, Key: "image", Runtime: true,
			Rationale:  "A container made from another image is not what was reviewed.",
			References: []string{"CIS 5.28", "NIST SP 800-190 4.1.5"},
			Remedy:     "deploy again",
			Predicate: func(f policy.Facts, in policy.Intent) policy.Verdict {
				switch {
				case !f.Image.Known():
					return policy.Unknown(f.Image, "the image")
				case f.Image.Value.Reference != in.Image:
					return policy.Fail(f.Image.Tier, "runs %s, not %s", f.Image.Value.Reference, in.Image)
				}
				return policy.Pass(f.Image.Tier, "%s", f.Image.Value.Reference)
			}},
		{ID: "HSE-IMG-003", Title: "The image does not start as root by itself", Severity: finding.Info, Key: "user", Runtime: true,
			Rationale:  "Without the profile, the image starts as root.",
			References: []string{"CIS 4.1", "dockle CIS-DI-0001", "hadolint DL3002"},
			Remedy:     "write USER 65532:65532 in the Dockerfile; the container's user is judged by HSE-USR-001",
			Predicate: func(f policy.Facts, _ policy.Intent) policy.Verdict {
				if !f.Origin.Known() {
					return policy.Unknown(f.Origin, "the image")
				}
				user, _, _ := strings.Cut(f.Origin.Value.User, ":")
				if user == "" || user == "root" || user == "0" {
					return policy.Fail(f.Origin.Tier, "the image's user is root")
				}
				return policy.Pass(f.Origin.Tier, "the image's user is %s", user)
			}},
		{ID: "HSE-IMG-005", Title: "No secret is baked into the image", Severity: finding.Critical, Key: "image", Runtime: true,
			Rationale:  "Pull access is enough to read them, including those that a later layer deletes.",
			References: []string{"CIS 4.10", "dockle CIS-DI-0010", "NIST SP 800-190 4.1.4"},
			Remedy:     "use RUN --mount=type=secret, and change the secret",
			Predicate: func(f policy.Facts, _ policy.Intent) policy.Verdict {
				switch {
				case !f.Origin.Known():
					return policy.Unknown(f.Origin, "the image")
				case len(f.Origin.Value.Secrets) > 0:
					return policy.Fail(f.Origin.Tier, "%s looks like a secret", strings.Join(f.Origin.Value.Secrets, ", "))
				}
				return policy.Pass(f.Origin.Tier, "none looks like a secret")
			}},
		{ID: "HSE-IMG-012", Title: "The image brings a health test, or the service has its own", Severity: finding.Info, Key: "health", Runtime: true,
			Rationale:  "Without the profile, such an image runs untested.",
			References: []string{"CIS 4.6", "dockle CIS-DI-0006", "trivy DS-0026"},
			Remedy:     "write HEALTHCHECK in the Dockerfile; the service's own test is judged by HSE-HLT-001",
			Predicate: func(f policy.Facts, _ policy.Intent) policy.Verdict {
				switch {
				case !f.Origin.Known():
					return policy.Unknown(f.Origin, "the image")
				case f.Origin.Value.Tested:
					return policy.Pass(f.Origin.Tier, "the image has one")
				case f.Health.Known() && len(f.Health.Value.Test) > 0:
					return policy.NotApplicable(f.Health.Tier, "the service has its own test")
				}
				return policy.Fail(f.Origin.Tier, "neither the image nor the service has a health test")
			}},
		{ID: "HSE-IMG-014", Title: "Certificate verification is not disabled", Severity: finding.High, Key: "environment",
			Rationale:  "Without certificate verification, TLS does not protect against an active attacker.",
			References: []string{"checkov CKV2_DOCKER_2"},
			Remedy:     "remove the variable; add the missing authority to the image instead",
			Predicate:  certificateChecks},
		{ID: "HSE-IMG-015", Title: "The image declares no unusual ports or volumes", Severity: finding.Low, Key: "image", Runtime: true,
			Rationale:  "An image that exposes a remote shell, or keeps system directories in volumes, was made for something else.",
			References: []string{"trivy DS-0004", "dockle DKL-DI-0002"},
			Remedy:     "take EXPOSE or VOLUME out of the Dockerfile",
			Predicate:  oddImage},
		{ID: "HSE-IMG-018", Title: "Images are pulled only when missing, or by digest", Severity: finding.Low, Key: "image", Static: true,
			Rationale:  "An image that is pulled at every start changes as soon as a new one is pushed.",
			References: []string{"CIS 5.28"},
			Remedy:     "leave pull_policy out, pin the digest with hsectl lock, and pull by deploying",
			Predicate: func(f policy.Facts, _ policy.Intent) policy.Verdict {
				switch p := f.Declaration.Value.Pull; {
				case !f.Declaration.Known():
					return policy.Unknown(f.Declaration, "what is written")
				case p == "" || p == "missing" || p == "never" || p == "if_not_present":
					return policy.Pass(f.Declaration.Tier, "pulled when it is missing, or never")
				case strings.Contains(f.Image.Value.Reference, "@sha256:"):
					return policy.Pass(f.Declaration.Tier, "pull_policy is %s, and the digest is pinned", p)
				default:
					return policy.Fail(f.Declaration.Tier, "pull_policy is %s", p)
				}
			}},
	}
}

// Scanned are the controls that hsectl scan, lock and the gate of deploy judge on the content of images.
func Scanned() []policy.Control {
	row := func(id, title string, s finding.Severity, why, remedy string, references ...string) policy.Control {
		return policy.Control{ID: id, Title: title, Severity: s, Rationale: why, Remedy: remedy, References: references, Key: "image", By: "scan"}
	}
	return []policy.Control{
		row("HSE-IMG-001", "The image is pinned by its digest", finding.High, "A tag can be moved to a different image at any time.",
			"write the lock: hsectl lock", "CIS 5.28", "CIS 4.2", "dockle DKL-DI-0006", "hadolint DL3006", "NIST SP 800-190 4.2.2"),
		row("HSE-IMG-004", "No file grants privileges", finding.Medium, "A setuid program or a file capability turns any user into root where new privileges are not refused.",
			"take the bits away in the build: find / -xdev -perm /6000 -type f -exec chmod a-s {} +", "CIS 4.8", "dockle CIS-DI-0008", "OWASP Docker rule 4"),
		row("HSE-IMG-006", "No shell, package manager or compiler", finding.Low, "What is not there cannot be used by an intruder.",
			"copy the program into a distroless or empty base", "CIS 4.3", "dockle DKL-LI-0003", "NIST SP 800-190 4.1.2"),
		row("HSE-IMG-007", "Size and number of layers are within the budget", finding.Low, "Unneeded files in an image are rarely updated.",
			"leave build tools in an earlier stage", "CIS 4.3", "CIS 6.1"),
		row("HSE-IMG-008", "The image is recent, and its base still gets updates", finding.Medium, "An image that is not rebuilt has no fixes since.",
			"rebuild on a supported base: hsectl build --pull --no-cache", "CIS 4.4", "NIST SP 800-190 4.2.2"),
		row("HSE-IMG-009", "The image comes from an allowed registry", finding.Medium, "Anyone can push to a public registry.",
			"use an image of an allowed registry, or add the registry to supply_chain.registries", "CIS 4.2", "hadolint DL3026", "NIST SP 800-190 4.1.5"),
		row("HSE-IMG-010", "No vulnerability at or above the threshold", finding.High, "Attackers try known vulnerabilities first.",
			"update what has a fix, then rebuild; hsectl scan shows each", "CIS 4.4", "OWASP Docker rule 9", "NIST SP 800-190 4.1.1"),
		row("HSE-IMG-011", "The image is signed by the key of its registry", finding.Medium, "A signature proves the origin of an image, wherever it is pulled from.",
			"sign when building, and name the key under supply_chain.signatures", "CIS 4.5", "CIS 4.12", "NIST SP 800-190 4.1.5"),
		{ID: "HSE-IMG-013", Title: "The Dockerfile follows best practices", Severity: finding.Low, Key: "build", By: "build, by hsectl lint, by hsectl review",
			Rationale:  "Downloads without a checksum, package updates in a separate layer and duplicate instructions make builds unpredictable.",
			References: []string{"CIS 4.7", "CIS 4.9", "dockle CIS-DI-0007", "trivy DS-0017", "hadolint DL3008", "BuildKit checks"},
			Remedy:     "see what each rule says: hsectl build --check"},
		row("HSE-IMG-016", "Accounts have their own uid and no empty password", finding.Medium, "An account with an empty password, or a second root, is a way in.",
			"give each account its own uid, and lock its password", "dockle DKL-LI-0001", "dockle DKL-LI-0002"),
		row("HSE-IMG-017", "No file is world-writable", finding.Low, "An intruder can change every world-writable file.",
			"chmod o-w in the build, or set the sticky bit on directories", "NIST SP 800-190 4.1.2"),
	}
}

// Controls are the controls of the image of a service, and of the mistakes that break well-known images.
func Controls() []policy.Control { return slices.Concat(images(), presets()) }
