package signature

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
)

// Verify checks that the content with a digest is signed as the rule asks. It asks the registry of the reference for
// signatures, and no other. The error is a RefusedError, ErrUnsigned, or says why the registry could not be asked.
func Verify(ctx context.Context, reference, digest string, rule Rule) (Proof, error) {
	judge, err := newJudge(rule)
	if err != nil {
		return Proof{}, err
	}
	at, err := newPlace(ctx, reference, digest)
	if err != nil {
		return Proof{}, err
	}
	found, problems := at.find()
	if err := ctx.Err(); err != nil {
		return Proof{}, err
	}
	if len(found) == 0 {
		return Proof{}, fmt.Errorf("looking for signatures of %s: %w", at.digest, errors.Join(append(problems, ErrUnsigned)...))
	}
	return judge.all(found, problems, at.digest.String(), digest)
}

// VerifyCollected verifies as Verify does, with what Collect has brought from the registry. No network is used.
func VerifyCollected(data []byte, digest string, rule Rule) (Proof, error) {
	judge, err := newJudge(rule)
	if err != nil {
		return Proof{}, err
	}
	var in []carried
	if err := json.Unmarshal(data, &in); err != nil {
		return Proof{}, fmt.Errorf("reading the signatures: %w", err)
	}
	var found []candidate
	for _, c := range in[:min(len(in), maxSignatures)] {
		found = append(found, candidate{c.Form, c.Data, c.Annotations, c.Attestation})
	}
	if len(found) == 0 {
		return Proof{}, ErrUnsigned
	}
	return judge.all(found, nil, digest, digest)
}

// all wants every predicate of the rule signed by one candidate or another.
func (j judge) all(found []candidate, problems []error, name, digest string) (Proof, error) {
	missing := slices.Clone(j.predicates)
	var proof Proof
	for _, c := range found {
		got, err := j.judge(c, digest)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if !slices.Contains(missing, got.Predicates[0]) {
			continue
		}
		missing = slices.DeleteFunc(missing, func(m string) bool { return m == got.Predicates[0] })
		got.Predicates = append(proof.Predicates, got.Predicates...)
		proof = got
	}
	if len(missing) > 0 {
		return Proof{}, fmt.Errorf("verifying %s: %w", name, &RefusedError{Missing: missing, Why: problems})
	}
	return proof, nil
}

// judge verifies candidates by one rule.
type judge struct {
	verifier   *verify.Verifier
	policy     verify.PolicyOption
	predicates []string
	key        string // checksum of the key, for people
}

func newJudge(rule Rule) (judge, error) {
	out := judge{predicates: rule.Predicates}
	if len(out.predicates) == 0 {
		out.predicates = []string{Signed}
	}
	var trusted root.TrustedMaterialCollection
	var options []verify.VerifierOption
	if len(rule.Root) > 0 {
		r, err := root.NewTrustedRootFromJSON(rule.Root)
		if err != nil {
			return judge{}, fmt.Errorf("reading the trusted root: %w", err)
		}
		trusted = append(trusted, r)
	}
	keyless := rule.Identity != Identity{}
	var err error
	switch {
	case keyless == (len(rule.Key) > 0):
		return judge{}, errors.New("a rule for signatures needs a key or an identity, and not both")
	case (keyless || rule.Logged) && len(trusted) == 0:
		return judge{}, errors.New("a signature that must be in a log needs a trusted root")
	case keyless:
		options = []verify.VerifierOption{verify.WithTransparencyLog(1), verify.WithObserverTimestamps(1)}
		if len(trusted.CTLogs()) > 0 { // a private authority may have none
			options = append(options, verify.WithSignedCertificateTimestamps(1))
		}
		out.policy, err = identity(rule.Identity)
	default:
		var key *root.TrustedPublicKeyMaterial
		if key, out.key, err = trustKey(rule.Key); err == nil {
			trusted = append(trusted, key)
		}
		options = []verify.VerifierOption{verify.WithNoObserverTimestamps()}
		if rule.Logged {
			options = []verify.VerifierOption{verify.WithTransparencyLog(1), verify.WithObserverTimestamps(1)}
		}
		out.policy = verify.WithKey()
	}
	if err != nil {
		return judge{}, err
	}
	if out.verifier, err = verify.NewVerifier(trusted, options...); err != nil {
		return judge{}, fmt.Errorf("preparing to verify signatures: %w", err)
	}
	return out, nil
}

func identity(i Identity) (verify.PolicyOption, error) {
	if i.Pattern != "" && (!strings.HasPrefix(i.Pattern, "^") || !strings.HasSuffix(i.Pattern, "$")) {
		return nil, fmt.Errorf("the pattern %q must begin with ^ and end with $: otherwise it matches within any other name", i.Pattern)
	}
	id, err := verify.NewShortCertificateIdentity(i.Issuer, "", i.Subject, i.Pattern)
	if err != nil {
		return nil, fmt.Errorf("reading the identity: %w", err)
	}
	return verify.WithCertificateIdentity(id), nil
}

// trustKey trusts one key, whatever a signature calls it.
func trustKey(data []byte) (*root.TrustedPublicKeyMaterial, string, error) {
	public, err := cryptoutils.UnmarshalPEMToPublicKey(data)
	if err != nil {
		return nil, "", fmt.Errorf("reading the public key: %w", err)
	}
	verifier, err := signature.LoadVerifier(public, crypto.SHA256)
	if err != nil {
		return nil, "", fmt.Errorf("reading the public key: %w", err)
	}
	sum, err := Checksum(public)
	if err != nil {
		return nil, "", err
	}
	key := root.NewExpiringKey(verifier, time.Time{}, time.Time{})
	return root.NewTrustedPublicKeyMaterial(func(string) (root.TimeConstrainedVerifier, error) { return key, nil }), "key " + sum, nil
}

// Checksum names a public key as people compare it.
func Checksum(public crypto.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", fmt.Errorf("reading the public key: %w", err)
	}
	sum := sha256.Sum256(der)
	return "sha256:" + hex.EncodeToString(sum[:])[:16], nil
}

// judge verifies one candidate and says what it proves of the digest.
func (j judge) judge(c candidate, digest string) (Proof, error) {
	entity, err := c.entity()
	if err != nil {
		return Proof{}, err
	}
	raw, err := hex.DecodeString(strings.TrimPrefix(digest, "sha256:"))
	if err != nil {
		return Proof{}, fmt.Errorf("%q is not a digest: %w", digest, err)
	}
	artifact := verify.WithArtifactDigest("sha256", raw)
	if c.form == formTag && !c.attestation {
		// The signature is of the payload, and the payload must be about this digest.
		artifact = verify.WithArtifact(bytes.NewReader(c.data))
		if got := about(c.data); got != digest || got == "" {
			return Proof{}, fmt.Errorf("a signature is about %q, another image", got)
		}
	}
	result, err := j.verifier.Verify(entity, verify.NewPolicy(artifact, j.policy))
	if err != nil {
		return Proof{}, err
	}
	proof := Proof{Digest: digest, By: j.key, Form: c.form, Predicates: []string{Signed}}
	if result.Statement != nil {
		proof.Predicates = []string{result.Statement.GetPredicateType()}
	}
	if s := result.Signature; s != nil && s.Certificate != nil {
		proof.By = s.Certificate.SubjectAlternativeName
	}
	if len(result.VerifiedTimestamps) > 0 {
		proof.Logged = result.VerifiedTimestamps[0].Timestamp
	}
	return proof, nil
}
