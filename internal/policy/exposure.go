package policy

import (
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
)

func exposure() []Control {
	return []Control{
		{ID: "HSE-SEC-005", Title: "No secret reaches a service that does not declare it", Severity: finding.Low, Key: "secrets",
			Rationale:  "Each reader more is one more place from which it leaks.",
			References: []string{"NIST SP 800-190 4.1.4"},
			Remedy:     "name the secret under secrets: of the service, or take it away",
			judge: func(f Facts, in Intent) Verdict {
				if !f.Secrets.Known() {
					return unknown(f.Secrets, "the secret files")
				}
				for _, s := range f.Secrets.Value {
					if !slices.Contains(in.Secrets, s.Name) {
						return fail(f.Secrets.Tier, "%s is there but not declared", s.Name)
					}
				}
				return pass(f.Secrets.Tier, "%d secrets, all declared", len(f.Secrets.Value))
			}},
		{ID: "HSE-SEC-006", Title: "No program puts a secret into its own environment", Severity: finding.Info, Key: "secrets", Runtime: true,
			Rationale:  "Entry points of some images read the secret's file into a variable, and every child process and crash report inherits it.",
			References: []string{"OWASP Docker rule 12"},
			Remedy:     "use an image whose program reads the file itself, or an entry point that unsets the variable",
			judge: func(f Facts, _ Intent) Verdict {
				if !f.Exposed.Known() {
					return unknown(f.Exposed, "the environment of the processes")
				}
				for _, name := range f.Exposed.Value {
					if strings.Contains(name, ": variable ") {
						return fail(f.Exposed.Tier, "%s looks like a secret", name)
					}
				}
				return pass(f.Exposed.Tier, "none looks like a secret")
			}},
		{ID: "HSE-IMG-003", Title: "The image does not start as root by itself", Severity: finding.Info, Key: "user", Runtime: true,
			Rationale:  "Whoever starts the image without the profile gets root.",
			References: []string{"CIS 4.1", "dockle CIS-DI-0001", "hadolint DL3002"},
			Remedy:     "write USER 65532:65532 in the Dockerfile; the container's user is judged by HSE-USR-001",
			judge: func(f Facts, _ Intent) Verdict {
				if !f.Origin.Known() {
					return unknown(f.Origin, "the image")
				}
				user, _, _ := strings.Cut(f.Origin.Value.User, ":")
				if user == "" || user == "root" || user == "0" {
					return fail(f.Origin.Tier, "the image's user is root")
				}
				return pass(f.Origin.Tier, "the image's user is %s", user)
			}},
		{ID: "HSE-IMG-005", Title: "No secret is baked into the image", Severity: finding.Critical, Key: "image", Runtime: true,
			Rationale:  "Whoever can pull the image can read them, also those of a layer that was deleted later.",
			References: []string{"CIS 4.10", "dockle CIS-DI-0010", "NIST SP 800-190 4.1.4"},
			Remedy:     "use RUN --mount=type=secret, and change the secret",
			judge: func(f Facts, _ Intent) Verdict {
				switch {
				case !f.Origin.Known():
					return unknown(f.Origin, "the image")
				case len(f.Origin.Value.Secrets) > 0:
					return fail(f.Origin.Tier, "%s looks like a secret", strings.Join(f.Origin.Value.Secrets, ", "))
				}
				return pass(f.Origin.Tier, "none looks like a secret")
			}},
		{ID: "HSE-IMG-014", Title: "Nothing turns off the check of certificates", Severity: finding.High, Key: "environment",
			Rationale:  "Without the check, TLS protects against nobody.",
			References: []string{"checkov CKV2_DOCKER_2"},
			Remedy:     "remove the variable; add the missing authority to the image instead",
			judge:      certificateChecks},
		{ID: "HSE-IMG-015", Title: "The image asks for no odd ports or volumes", Severity: finding.Low, Key: "image", Runtime: true,
			Rationale:  "An image that exposes a remote shell, or keeps system directories in volumes, was made for something else.",
			References: []string{"trivy DS-0004", "dockle DKL-DI-0002"},
			Remedy:     "take EXPOSE or VOLUME out of the Dockerfile",
			judge:      oddImage},
	}
}

func certificateChecks(f Facts, _ Intent) Verdict {
	if !f.Environment.Known() {
		return unknown(f.Environment, "the environment")
	}
	off := map[string][]string{"NODE_TLS_REJECT_UNAUTHORIZED": {"0"}, "PYTHONHTTPSVERIFY": {"0"}, "GIT_SSL_NO_VERIFY": {"1", "true"},
		"CURL_INSECURE": {"1", "true"}, "NPM_CONFIG_STRICT_SSL": {"false"}, "GOINSECURE": {"*"}}
	for _, v := range f.Environment.Value {
		if slices.Contains(off[strings.ToUpper(v.Name)], strings.ToLower(v.Value)) {
			return fail(f.Environment.Tier, "%s turns it off", v.Name)
		}
	}
	return pass(f.Environment.Tier, "no variable turns it off")
}

func oddImage(f Facts, _ Intent) Verdict {
	if !f.Origin.Known() {
		return unknown(f.Origin, "the image")
	}
	for _, port := range f.Origin.Value.Exposed {
		if slices.Contains([]int{22, 23, 3389, 5900}, port) {
			return fail(f.Origin.Tier, "the image exposes port %d", port)
		}
	}
	for _, v := range f.Origin.Value.Volumes {
		if slices.Contains([]string{"/", "/etc", "/usr", "/bin", "/sbin", "/lib", "/dev", "/proc", "/sys"}, v) {
			return fail(f.Origin.Tier, "the image has a volume at %s", v)
		}
	}
	return pass(f.Origin.Tier, "none")
}
