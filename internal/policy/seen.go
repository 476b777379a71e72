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

// Recognise returns the name of the preset that knows an image by its repository, or nothing.
func Recognise(reference string) string {
	name, _ := lookUp(reference, "")
	return name
}
