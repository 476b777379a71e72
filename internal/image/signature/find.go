package signature

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/hsectl/hsectl/internal/image"
)

// Bounds of what a registry may send as signatures.
const (
	maxSignatures   = 64
	maxPayloadBytes = 32 << 20 // attested bills of materials are large
)

// Media types of artifacts: sigstore's bundle (github.com/sigstore/cosign/blob/main/specs/BUNDLE_SPEC.md), and the
// older form that cosign also attaches as a referrer.
const (
	bundlePrefix   = "application/vnd.dev.sigstore.bundle"
	simpleSigning  = "application/vnd.dev.cosign.simplesigning.v1+json"
	cosignArtifact = "application/vnd.dev.cosign.artifact.sig.v1+json"
	envelopeType   = "application/vnd.dsse.envelope.v1+json"
	emptyType      = "application/vnd.oci.empty.v1+json"
)

// Forms in which signatures are kept.
const (
	formBundle = "bundle"
	formTag    = "tag"
)

// candidate is something that claims to be a signature or an attestation.
type candidate struct {
	form        string
	data        []byte // bundle, payload or envelope
	annotations map[string]string
	attestation bool // of the tag form: the data is an envelope
}

// carried is a candidate as it travels to where there is no registry.
type carried struct {
	Form        string            `json:"form"`
	Data        []byte            `json:"data"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Attestation bool              `json:"attestation,omitempty"`
}

// Collect returns all that is attached to an image in its registry, for VerifyCollected. Nothing of it is trusted yet.
func Collect(ctx context.Context, reference, digest string) ([]byte, error) {
	at, err := newPlace(ctx, reference, digest)
	if err != nil {
		return nil, err
	}
	found, problems := at.find()
	if len(found) == 0 {
		return nil, fmt.Errorf("looking for signatures of %s: %w", at.digest, errors.Join(append(problems, ErrUnsigned)...))
	}
	var out []carried
	for _, c := range found {
		out = append(out, carried{c.form, c.data, c.annotations, c.attestation})
	}
	data, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("writing the signatures of %s: %w", at.digest, err)
	}
	return data, nil
}

// place is one image in its registry.
type place struct {
	digest  name.Digest
	options []remote.Option
}

func newPlace(ctx context.Context, reference, digest string) (place, error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return place{}, fmt.Errorf("image %q is not a reference: %w", reference, err)
	}
	at, err := name.NewDigest(ref.Context().Name() + "@" + digest)
	if err != nil {
		return place{}, fmt.Errorf("%q is not a digest: %w", digest, err)
	}
	return place{digest: at, options: image.RemoteOptions(ctx)}, nil
}

// find collects what is attached to an image: referrers, and the tags next to it. What cannot be read is returned as
// well; it hides nothing that can.
func (p place) find() ([]candidate, []error) {
	var out []candidate
	var problems []error
	for _, look := range []func() ([]candidate, error){
		p.referrers,
		func() ([]candidate, error) { return p.tagged(".sig", false) },
		func() ([]candidate, error) { return p.tagged(".att", true) },
	} {
		found, err := look()
		out = append(out, found...)
		if err != nil {
			problems = append(problems, err)
		}
	}
	return out[:min(len(out), maxSignatures)], problems
}

// referrers returns what names the image as its subject: https://github.com/opencontainers/distribution-spec.
func (p place) referrers() ([]candidate, error) {
	index, err := remote.Referrers(p.digest, p.options...)
	if err != nil {
		return nil, fmt.Errorf("asking %s for what refers to the image: %w", p.digest.RegistryStr(), err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("asking %s for what refers to the image: %w", p.digest.RegistryStr(), err)
	}
	var out []candidate
	var problems []error
	for _, d := range manifest.Manifests {
		if !mayBeSignature(d.ArtifactType) || len(out) >= maxSignatures {
			continue
		}
		img, err := remote.Image(p.digest.Context().Digest(d.Digest.String()), p.options...)
		if err != nil {
			problems = append(problems, fmt.Errorf("reading signature %s: %w", d.Digest, err))
			continue
		}
		found, err := layers(img, false)
		out = append(out, found...)
		problems = append(problems, err)
	}
	return out, errors.Join(problems...)
}

// mayBeSignature leaves out what is certain to be something else. Registries from before OCI 1.1 give the type of the
// configuration instead, or nothing.
func mayBeSignature(artifactType string) bool {
	return strings.HasPrefix(artifactType, bundlePrefix) || artifactType == cosignArtifact || artifactType == emptyType || artifactType == ""
}

// tagged returns what cosign keeps at a tag that is named after the digest:
// https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md.
func (p place) tagged(suffix string, attestation bool) ([]candidate, error) {
	tag := p.digest.Context().Tag(strings.Replace(p.digest.DigestStr(), ":", "-", 1) + suffix)
	img, err := remote.Image(tag, p.options...)
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("asking for tag %s: %w", tag.TagStr(), err)
	}
	return layers(img, attestation)
}

func absent(err error) bool {
	var answer *transport.Error
	return errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound
}

// layers returns each layer of an artifact that is a signature as a candidate.
func layers(img v1.Image, attestation bool) ([]candidate, error) {
	manifest, err := img.Manifest()
	if err != nil {
		return nil, fmt.Errorf("reading a signature's manifest: %w", err)
	}
	var out []candidate
	for _, d := range manifest.Layers[:min(len(manifest.Layers), maxSignatures)] {
		c := candidate{form: formTag, annotations: d.Annotations, attestation: attestation}
		switch kind := string(d.MediaType); {
		case strings.HasPrefix(kind, bundlePrefix):
			c.form = formBundle
		case kind != simpleSigning && kind != envelopeType:
			continue
		}
		if c.data, err = read(img, d); err != nil {
			return out, fmt.Errorf("reading a signature: %w", err)
		}
		out = append(out, c)
	}
	return out, nil
}

func read(img v1.Image, d v1.Descriptor) (data []byte, err error) {
	if d.Size > maxPayloadBytes {
		return nil, fmt.Errorf("%s has %d bytes; %d are read", d.Digest, d.Size, maxPayloadBytes)
	}
	layer, err := img.LayerByDigest(d.Digest)
	if err != nil {
		return nil, err
	}
	r, err := layer.Compressed() // payloads are stored as they are; reading checks size and digest
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return io.ReadAll(io.LimitReader(r, maxPayloadBytes+1))
}
