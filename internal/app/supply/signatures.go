package supply

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/image/audit"
	"github.com/hsectl/hsectl/internal/image/lock"
	"github.com/hsectl/hsectl/internal/image/signature"
	"github.com/hsectl/hsectl/internal/profile"
)

// signatureOf verifies the digest that is locked, and no other: what was verified is what runs. Nothing is returned
// when the profile says nothing about who signs the image.
func signatureOf(ctx context.Context, l app.Loaded, locked lock.File, c audit.Candidate) (*audit.Signature, error) {
	rule, ok, err := SignatureRule(l, c.Reference)
	if err != nil || !ok {
		return nil, err
	}
	e, ok := locked.Entry(c.Service)
	if !ok || e.Digest == "" {
		return &audit.Signature{Detail: "only an image that is locked to a registry's digest can be verified"}, nil
	}
	if l.Bundle != nil {
		proof, err := signature.VerifyCollected(l.Bundle.Files["signatures/"+c.Service+".json"], e.Digest, rule)
		if err != nil {
			return &audit.Signature{Detail: "in the bundle: " + err.Error()}, nil
		}
		return &audit.Signature{Verified: true, Detail: proof.String()}, nil
	}
	if e.Source == lock.Engine && !knownAs(c, e.Digest) {
		return &audit.Signature{Detail: "the engine does not have its image under the locked digest " + e.Digest}, nil
	}
	proof, err := signature.Verify(ctx, cmp.Or(e.Mirror, c.Reference), e.Digest, rule)
	if err != nil {
		return &audit.Signature{Detail: err.Error()}, ctx.Err()
	}
	return &audit.Signature{Verified: true, Detail: proof.String()}, nil
}

// knownAs tells whether the engine has an image under a digest of a registry.
func knownAs(c audit.Candidate, digest string) bool {
	return c.ID == digest || slices.ContainsFunc(c.RepoDigests, func(r string) bool { return strings.HasSuffix(r, "@"+digest) })
}

// SignatureRule returns what the profile asks of the signatures of an image: the entry whose pattern is closest.
func SignatureRule(l app.Loaded, reference string) (signature.Rule, bool, error) {
	if l.Profile.SupplyChain == nil {
		return signature.Rule{}, false, nil
	}
	repository, err := image.Repository(reference)
	if err != nil {
		return signature.Rule{}, false, err
	}
	var best *profile.Signature
	for i, e := range l.Profile.SupplyChain.Signatures {
		if signature.Covers(e.Images, repository) && (best == nil || signature.Closer(e.Images, best.Images) < 0) {
			best = &l.Profile.SupplyChain.Signatures[i]
		}
	}
	if best == nil {
		return signature.Rule{}, false, nil
	}
	rule := signature.Rule{Logged: best.Logged, Predicates: best.Attestations,
		Identity: signature.Identity{Issuer: best.Issuer, Subject: best.Identity, Pattern: best.Pattern}}
	for path, into := range map[string]*[]byte{best.Key: &rule.Key, best.Root: &rule.Root} {
		if path == "" {
			continue
		}
		if *into, err = host.ReadFile(filepath.Join(l.Dir(), path), app.MaxProfileBytes); err != nil {
			return signature.Rule{}, false, &app.UsageError{Err: fmt.Errorf("reading what verifies the signatures of %s: %w", best.Images, err),
				Hint: "name it in supply_chain.signatures, relative to the profile"}
		}
	}
	return rule, true, nil
}
