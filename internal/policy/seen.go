package policy

import "github.com/hsectl/hsectl/internal/finding"

// LooksSecret reports whether a variable looks like a credential, by its name and its value.
func LooksSecret(v Variable) bool { return holdsSecret(v) }

// SecretArgument reports whether a command line seems to hold a credential.
func SecretArgument(words []string) bool {
	v := argumentSecrets(Facts{Arguments: Seen(words, finding.Declared)}, Intent{})
	return v.Status == finding.Fail
}

// Dangerous reports whether a capability leads to root on the host or past every file permission.
func Dangerous(name string) bool { return CapabilityMask(name)&dangerous() != 0 }
