package policy

import (
	"regexp"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
)

var (
	// secretName finds the words that name a credential, as whole words of a variable's name.
	secretName = regexp.MustCompile(`(?i)(^|[_.])(pass|passwd|pwd|(?:pg)?password|requirepass|passphrase|secret|token|api_?key|private_?key|access_?key|credentials?|auth|masterauth|dsn)([_.]|$)`)
	// harmless ends a name that speaks about a credential without being one.
	harmless = regexp.MustCompile(`(?i)(_file|_path|_dir|_id|_name|_length|_method|_ttl|_expiry|_expires_in|_enabled|_url|_type|_encryption|_public)$`)
	// userinfo finds a password inside an address, with or without a user before it.
	userinfo = regexp.MustCompile(`://[^/\s:@]*:[^/\s@]+@`)
	// fromFile is a value that a shell reads from a file: what the command line shows is the path.
	fromFile = regexp.MustCompile(`^"?\$\((cat |<) *[^)]+\)`)
	// tokens of well-known services have fixed beginnings.
	token = regexp.MustCompile(`(^|[^A-Za-z0-9])(ghp_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{40,}|xox[baprs]-[A-Za-z0-9-]{10,}|AKIA[0-9A-Z]{16}|glpat-[A-Za-z0-9_-]{20}|sk_live_[A-Za-z0-9]{20,}|-----BEGIN [A-Z ]*PRIVATE KEY-----)`)
)

func secrets() []Control {
	return []Control{
		{ID: "HSE-SEC-001", Title: "No secret in the environment", Severity: finding.High, Key: "environment",
			Rationale:  "The environment is shown by docker inspect, copied to child processes and written to crash reports.",
			References: []string{"CIS 4.10", "OWASP Docker rule 12", "NIST SP 800-190 4.1.4"},
			Remedy:     "move it to secrets: and read the file, as with NAME_FILE",
			judge:      environmentSecrets},
		{ID: "HSE-SEC-002", Title: "Secrets are read-only files of the service's user", Severity: finding.Medium, Key: "secrets",
			Rationale:  "A secret that others can read, or that the service can change, is not under control.",
			References: []string{"OWASP Docker rule 12"},
			Remedy:     "deploy delivers them so; deploy again",
			judge:      secretFiles},
		{ID: "HSE-SEC-004", Title: "No secret in the command line or labels", Severity: finding.High, Key: "command",
			Rationale:  "Command lines are readable by every user of the host.",
			References: []string{"CIS 4.10", "OWASP Docker rule 12"},
			Remedy:     "pass the path of a secret file instead of its value",
			judge:      argumentSecrets},
	}
}

// holdsSecret reports whether a variable looks like a credential. It never returns the value.
func holdsSecret(v Variable) bool {
	if v.Value == "" {
		return false
	}
	if token.MatchString(v.Value) || userinfo.MatchString(v.Value) {
		return true
	}
	if !secretName.MatchString(v.Name) || harmless.MatchString(v.Name) {
		return false
	}
	switch strings.ToLower(v.Value) {
	case "true", "false", "yes", "no", "on", "off", "0", "1", "none":
		return false
	}
	return !strings.HasPrefix(v.Value, "/") // a path of a file
}

func environmentSecrets(f Facts, _ Intent) Verdict {
	if !f.Environment.Known() {
		return unknown(f.Environment, "the environment")
	}
	var names []string
	for _, v := range f.Environment.Value {
		if holdsSecret(v) {
			names = append(names, v.Name)
		}
	}
	if len(names) > 0 {
		return fail(f.Environment.Tier, "%s looks like a secret", strings.Join(names, ", "))
	}
	return pass(f.Environment.Tier, "%d variables, none looks like a secret", len(f.Environment.Value))
}

func secretFiles(f Facts, in Intent) Verdict {
	if len(in.Secrets) == 0 {
		return notApplicable(finding.Declared, "the service reads no secret")
	}
	if !f.Secrets.Known() {
		return unknown(f.Secrets, "the secret files")
	}
	var wrong []string
	for _, name := range in.Secrets {
		i := slices.IndexFunc(f.Secrets.Value, func(s Secret) bool { return s.Name == name })
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
			wrong = append(wrong, s.Name+" is there but not declared")
		}
	}
	if len(wrong) > 0 {
		return fail(f.Secrets.Tier, "%s", strings.Join(wrong, "; "))
	}
	return pass(f.Secrets.Tier, "%d files under /run/secrets", len(in.Secrets))
}

func argumentSecrets(f Facts, _ Intent) Verdict {
	if !f.Arguments.Known() {
		return unknown(f.Arguments, "the command line")
	}
	if bad := SecretArguments(f.Arguments.Value); len(bad) > 0 {
		if name, _, ok := strings.Cut(f.Arguments.Value[bad[0]-1], "="); ok && !token.MatchString(name) && !strings.Contains(name, "://") {
			return fail(f.Arguments.Tier, "argument %d (%s) looks like a secret", bad[0], strings.TrimLeft(name, "-"))
		}
		return fail(f.Arguments.Tier, "argument %d looks like a secret", bad[0])
	}
	for _, name := range f.Exposed.Value {
		if strings.Contains(name, "argument") {
			return fail(f.Exposed.Tier, "%s looks like a secret", name)
		}
	}
	return pass(max(f.Arguments.Tier, f.Exposed.Tier), "%d words, none looks like a secret", len(f.Arguments.Value))
}

// argumentHoldsSecret looks at one word, and at the option before it.
func argumentHoldsSecret(words []string, i int) bool {
	named := func(option, value string) bool {
		return holdsSecret(Variable{strings.ReplaceAll(strings.TrimLeft(option, "-"), "-", "_"), value})
	}
	if token.MatchString(words[i]) || userinfo.MatchString(words[i]) {
		return true
	}
	if name, value, ok := strings.Cut(words[i], "="); ok && !fromFile.MatchString(value) && named(name, value) {
		return true
	}
	return i > 0 && strings.HasPrefix(words[i-1], "--") && !strings.Contains(words[i-1], "=") && !strings.HasPrefix(words[i], "-") && named(words[i-1], words[i])
}
