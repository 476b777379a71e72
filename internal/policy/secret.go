package policy

import (
	"regexp"
	"strings"
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

// LooksSecret reports whether a variable looks like a credential. It never returns the value.
func LooksSecret(v Variable) bool {
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

// argumentHoldsSecret looks at one word, and at the option before it.
func argumentHoldsSecret(words []string, i int) bool {
	named := func(option, value string) bool {
		return LooksSecret(Variable{strings.ReplaceAll(strings.TrimLeft(option, "-"), "-", "_"), value})
	}
	if token.MatchString(words[i]) || userinfo.MatchString(words[i]) {
		return true
	}
	if name, value, ok := strings.Cut(words[i], "="); ok && !fromFile.MatchString(value) && named(name, value) {
		return true
	}
	return i > 0 && strings.HasPrefix(words[i-1], "--") && !strings.Contains(words[i-1], "=") && !strings.HasPrefix(words[i], "-") && named(words[i-1], words[i])
}

// SecretArgument reports whether a command line seems to hold a credential.
func SecretArgument(words []string) bool { return len(SecretArguments(words)) > 0 }

// SecretArguments returns which words of a command line look like secrets, by number; the words themselves are not
// returned.
func SecretArguments(words []string) []int {
	var out []int
	for i := range words {
		if argumentHoldsSecret(words, i) {
			out = append(out, i+1)
		}
	}
	return out
}
