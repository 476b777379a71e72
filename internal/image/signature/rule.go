// Package signature says who signed an image: it finds signatures and attestations in the image's registry, in every
// form that cosign and sigstore's tools put them there, has sigstore's library verify them, and signs with a key. What
// it proves, it proves of one digest: a true signature of another image proves nothing about this one.
package signature

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"time"
)

// Rule is what the signatures of an image must show. It names a key, or an identity that a certificate authority
// vouches for, never both.
type Rule struct {
	Key      []byte   // public key in PEM form
	Identity Identity // of the certificate, for keyless signatures
	Root     []byte   // trusted_root.json of sigstore: authorities and transparency logs, so that no network is needed
	Logged   bool     // a signature by key must be in a transparency log too; one by certificate always must
	// Predicates are the types of statements that must be signed, such as https://slsa.dev/provenance/v1. None means
	// Signed: that the image is signed at all.
	Predicates []string
}

// Identity is who a certificate was issued to, and by whose word.
type Identity struct {
	Issuer  string // of the OpenID token, such as https://token.actions.githubusercontent.com
	Subject string // e-mail address or workflow
	Pattern string // regular expression for the subject, instead
}

// Signed is the predicate of a plain signature; cosign gives its bundles this type.
const Signed = "https://sigstore.dev/cosign/sign/v1"

// Proof is what was verified about one digest.
type Proof struct {
	Digest     string
	By         string   // the signer: an identity, or the checksum of the key
	Predicates []string // types of the statements that were verified
	Form       string   // where the signatures were: bundle or tag
	Logged     time.Time
}

// String says it in one line.
func (p Proof) String() string {
	text := "signed by " + p.By
	if !p.Logged.IsZero() {
		text += ", logged " + p.Logged.UTC().Format(time.DateOnly)
	}
	return text + " (" + p.Form + ")"
}

// ErrUnsigned is an image without a signature.
var ErrUnsigned = errors.New("no signature found")

// RefusedError is an image whose signatures do not show what the rule asks for.
type RefusedError struct {
	Missing []string // predicates without a signature of the rule's signer
	Why     []error  // what is wrong with the signatures that are there
}

// Error implements error.
func (e *RefusedError) Error() string {
	var missing []string
	for _, m := range e.Missing {
		if m == Signed {
			m = "a signature"
		}
		missing = append(missing, m)
	}
	text := fmt.Sprintf("none of the signatures is valid for %s", strings.Join(missing, " and "))
	const shown = 3
	for _, err := range e.Why[:min(shown, len(e.Why))] {
		text += "; " + err.Error()
	}
	if more := len(e.Why) - shown; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

// Unwrap returns the causes.
func (e *RefusedError) Unwrap() []error { return e.Why }

// Covers tells whether a pattern such as ghcr.io/example, ghcr.io/*/app or * is about a repository. Segments are
// compared whole; a pattern is about everything below it, too.
func Covers(pattern, repository string) bool {
	if pattern == "*" {
		return true
	}
	want, have := strings.Split(strings.TrimSuffix(pattern, "/"), "/"), strings.Split(repository, "/")
	if len(want) > len(have) {
		return false
	}
	for i, w := range want {
		if ok, err := path.Match(w, have[i]); err != nil || !ok {
			return false
		}
	}
	return true
}

// Closer orders two patterns that cover the same repository: the one with more segments is closer, then the one with
// fewer wildcards. It is negative when a is closer.
func Closer(a, b string) int {
	if n := strings.Count(b, "/") - strings.Count(a, "/"); n != 0 {
		return n
	}
	return strings.Count(a, "*") - strings.Count(b, "*")
}
