package controls

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/images"
)

func sources(f policy.Facts, in policy.Intent) policy.Verdict {
	if !f.Sources.Known() {
		return policy.Unknown(f.Sources, "the files of the secrets")
	}
	var wrong []string
	for _, s := range f.Sources.Value {
		switch {
		case s.Missing:
			return policy.Undetermined(fmt.Sprintf("%s is not on this machine", s.Path))
		case s.Mode&0o077 != 0:
			wrong = append(wrong, fmt.Sprintf("%s has mode %04o", s.Path, s.Mode))
		case s.Owner != 0 && s.Owner != s.Reader && s.Owner != in.UID:
			wrong = append(wrong, fmt.Sprintf("%s belongs to uid %d", s.Path, s.Owner))
		case s.Kept:
			wrong = append(wrong, fmt.Sprintf("%s is not ignored by git", s.Path))
		}
	}
	switch {
	case len(wrong) > 0:
		return policy.Fail(f.Sources.Tier, "%s", strings.Join(wrong, "; "))
	case len(f.Sources.Value) == 0:
		return policy.NotApplicable(f.Sources.Tier, "no secret comes from a file of this machine")
	}
	return policy.Pass(f.Sources.Tier, "%d files, for their owner only", len(f.Sources.Value))
}

func environmentSecrets(f policy.Facts, _ policy.Intent) policy.Verdict {
	if !f.Environment.Known() {
		return policy.Unknown(f.Environment, "the environment")
	}
	var names []string
	for _, v := range f.Environment.Value {
		if policy.LooksSecret(v) {
			names = append(names, v.Name)
		}
	}
	if len(names) > 0 {
		return policy.Fail(f.Environment.Tier, "%s looks like a secret", strings.Join(names, ", "))
	}
	return policy.Pass(f.Environment.Tier, "%d variables, none looks like a secret", len(f.Environment.Value))
}

func secretFiles(f policy.Facts, in policy.Intent) policy.Verdict {
	if len(in.Secrets) == 0 {
		return policy.NotApplicable(finding.Declared, "the service reads no secret")
	}
	if !f.Secrets.Known() {
		return policy.Unknown(f.Secrets, "the secret files")
	}
	var wrong []string
	for _, name := range in.Secrets {
		i := slices.IndexFunc(f.Secrets.Value, func(s policy.Secret) bool { return s.Name == name })
		switch {
		case i < 0:
			wrong = append(wrong, name+" is missing")
		case !f.Secrets.Value[i].Readable:
			wrong = append(wrong, name+" cannot be read by the service's user")
		case f.Secrets.Value[i].Others:
			wrong = append(wrong, name+" can be read by others")
		case f.Secrets.Value[i].Writable:
			wrong = append(wrong, name+" can be changed by the service")
		}
	}
	for _, s := range f.Secrets.Value {
		if !slices.Contains(in.Secrets, s.Name) {
			wrong = append(wrong, s.Name+" exists but is not declared")
		}
	}
	if len(wrong) > 0 {
		return policy.Fail(f.Secrets.Tier, "%s", strings.Join(wrong, "; "))
	}
	return policy.Pass(f.Secrets.Tier, "%d files under /run/secrets", len(in.Secrets))
}

func argumentSecrets(f policy.Facts, _ policy.Intent) policy.Verdict {
	if !f.Arguments.Known() {
		return policy.Unknown(f.Arguments, "the command line")
	}
	if bad := policy.SecretArguments(f.Arguments.Value); len(bad) > 0 {
		if name, _, ok := strings.Cut(f.Arguments.Value[bad[0]-1], "="); ok && !policy.LooksSecret(policy.Variable{Value: name}) && !strings.Contains(name, "://") {
			return policy.Fail(f.Arguments.Tier, "argument %d (%s) looks like a secret", bad[0], strings.TrimLeft(name, "-"))
		}
		return policy.Fail(f.Arguments.Tier, "argument %d looks like a secret", bad[0])
	}
	if name := images.PasswordInTest(f.Health.Value.Test); f.Health.Known() && name != "" {
		return policy.Fail(f.Health.Tier, "the health test holds a password (%s)", name)
	}
	for _, name := range f.Exposed.Value {
		if strings.Contains(name, "argument") {
			return policy.Fail(f.Exposed.Tier, "%s looks like a secret", name)
		}
	}
	return policy.Pass(max(f.Arguments.Tier, f.Exposed.Tier), "%d words, none looks like a secret", len(f.Arguments.Value))
}

func secrets() []policy.Control {
	return []policy.Control{
		{ID: "HSE-SEC-001", Title: "No secret in the environment", Severity: finding.High, Key: "environment",
			Rationale:  "The environment is shown by docker inspect, copied to child processes and written to crash reports.",
			References: []string{"CIS 4.10", "OWASP Docker rule 12", "NIST SP 800-190 4.1.4"},
			Remedy:     "move it to secrets:, and let the program read the file in the way that its image knows: hsectl presets NAME",
			Predicate:  environmentSecrets},
		{ID: "HSE-SEC-002", Title: "Secrets are read-only files of the service's user", Severity: finding.Medium, Key: "secrets",
			Rationale:  "A secret that others can read, or that the service can change, is not under control.",
			References: []string{"OWASP Docker rule 12"},
			Remedy:     "deploy delivers them so; deploy again",
			Predicate:  secretFiles},
		{ID: "HSE-SEC-003", Title: "Secret files are readable by their owner only, and ignored by git", Severity: finding.High, Key: "secrets",
			Rationale:  "A secret is only as safe as its least protected copy.",
			References: []string{"NIST SP 800-190 4.5.5"},
			Remedy:     "chmod 0400 the file, and name it in .gitignore; or keep it encrypted with age:",
			Applies:    func(f policy.Facts) bool { return f.Sources.Known() || f.Sources.Why != "" },
			Predicate:  sources},
		{ID: "HSE-SEC-004", Title: "No secret in the command line, health test or labels", Severity: finding.High, Key: "command",
			Rationale:  "Command lines are readable by every user of the host.",
			References: []string{"CIS 4.10", "OWASP Docker rule 12"},
			Remedy:     "pass the path of a secret file instead of its value",
			Predicate:  argumentSecrets},
		{ID: "HSE-SEC-005", Title: "No secret reaches a service that does not declare it", Severity: finding.Low, Key: "secrets",
			Rationale:  "Each additional reader is one more place from which it can leak.",
			References: []string{"NIST SP 800-190 4.1.4"},
			Remedy:     "name the secret under secrets: of the service, or remove it",
			Predicate: func(f policy.Facts, in policy.Intent) policy.Verdict {
				if !f.Secrets.Known() {
					return policy.Unknown(f.Secrets, "the secret files")
				}
				for _, s := range f.Secrets.Value {
					if !slices.Contains(in.Secrets, s.Name) {
						return policy.Fail(f.Secrets.Tier, "%s exists but is not declared", s.Name)
					}
				}
				return policy.Pass(f.Secrets.Tier, "%d secrets, all declared", len(f.Secrets.Value))
			}},
		{ID: "HSE-SEC-006", Title: "No program puts a secret into its own environment", Severity: finding.Info, Key: "secrets", Runtime: true,
			Rationale:  "Entry points of some images read the secret's file into a variable, and every child process and crash report inherits it.",
			References: []string{"OWASP Docker rule 12"},
			Remedy:     "use an image whose program reads the file itself, or an entry point that unsets the variable",
			Predicate: func(f policy.Facts, _ policy.Intent) policy.Verdict {
				if !f.Exposed.Known() {
					return policy.Unknown(f.Exposed, "the environment of the processes")
				}
				for _, name := range f.Exposed.Value {
					if strings.Contains(name, ": variable ") {
						return policy.Fail(f.Exposed.Tier, "%s looks like a secret", name)
					}
				}
				return policy.Pass(f.Exposed.Tier, "none looks like a secret")
			}},
	}
}
