package image

import (
	"bytes"
	"context"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
)

// ErrUnsigned is an image without a signature by the key.
var ErrUnsigned = errors.New("no signature by this key")

// Bounds of what a registry may send as signatures.
const (
	maxSignatures   = 64
	maxPayloadBytes = 1 << 20
)

// annotationSignature is where cosign keeps the signature of a payload:
// https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md.
const annotationSignature = "dev.cosignproject.cosign/signature"

// VerifySignature checks that the content with a digest was signed with the key whose public half is given in PEM
// form. Signatures are looked for where cosign puts them, at a tag beside the image.
func VerifySignature(ctx context.Context, reference, digest string, key []byte) error {
	public, err := cryptoutils.UnmarshalPEMToPublicKey(key)
	if err != nil {
		return fmt.Errorf("reading the public key: %w", err)
	}
	verifier, err := signature.LoadVerifier(public, crypto.SHA256)
	if err != nil {
		return fmt.Errorf("reading the public key: %w", err)
	}
	ref, err := name.ParseReference(reference)
	if err != nil {
		return fmt.Errorf("image %q is not a reference: %w", reference, err)
	}
	img, err := remote.Image(ref.Context().Tag(strings.Replace(digest, ":", "-", 1)+".sig"), remoteOptions(ctx)...)
	if err != nil {
		return fmt.Errorf("looking for signatures of %s: %w", reference, err)
	}
	manifest, err := img.Manifest()
	if err != nil {
		return fmt.Errorf("reading the signatures of %s: %w", reference, err)
	}
	for _, d := range manifest.Layers[:min(len(manifest.Layers), maxSignatures)] {
		payload, err := readPayload(img, d)
		if err != nil {
			return fmt.Errorf("reading the signatures of %s: %w", reference, err)
		}
		if signs(verifier, d.Annotations[annotationSignature], payload, digest) {
			return nil
		}
	}
	return fmt.Errorf("%s: %w", reference, ErrUnsigned)
}

func readPayload(img v1.Image, d v1.Descriptor) (data []byte, err error) {
	layer, err := img.LayerByDigest(d.Digest)
	if err != nil {
		return nil, err
	}
	r, err := layer.Compressed() // payloads are stored as they are; reading checks the digest
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return io.ReadAll(io.LimitReader(r, maxPayloadBytes))
}

// signs tells whether a signature is by the key, and about this very digest: a true signature of another image proves
// nothing about this one.
func signs(verifier signature.Verifier, encoded string, payload []byte, digest string) bool {
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(raw) == 0 {
		return false
	}
	if err := verifier.VerifySignature(bytes.NewReader(raw), bytes.NewReader(payload)); err != nil {
		return false
	}
	var simple struct {
		Critical struct {
			Type  string `json:"type"`
			Image struct {
				Digest string `json:"docker-manifest-digest"`
			} `json:"image"`
		} `json:"critical"`
	}
	return json.Unmarshal(payload, &simple) == nil && simple.Critical.Image.Digest == digest && digest != ""
}
