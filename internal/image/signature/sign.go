package signature

import (
	"bytes"
	"context"
	"crypto"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	"github.com/sigstore/sigstore-go/pkg/sign"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
	"google.golang.org/protobuf/encoding/protojson"
)

// Key signs.
type Key struct {
	signer    signature.Signer
	public    crypto.PublicKey
	algorithm signature.AlgorithmDetails
}

// ErrPassword is a key that is encrypted, and no password or a wrong one.
var ErrPassword = errors.New("the key cannot be decrypted with this password")

// ParseKey reads a private key in PEM form, as cosign or openssl writes it. Password is asked for only when the key is
// encrypted.
func ParseKey(data []byte, password func() ([]byte, error)) (Key, error) {
	asked := false
	private, err := cryptoutils.UnmarshalPEMToPrivateKey(data, func(bool) ([]byte, error) {
		asked = true
		return password()
	})
	if err != nil && asked {
		return Key{}, fmt.Errorf("reading the private key: %w", ErrPassword) // the cause may quote what was decrypted
	}
	if err != nil {
		return Key{}, fmt.Errorf("reading the private key: %w", err)
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return Key{}, errors.New("reading the private key: it cannot sign")
	}
	out := Key{public: signer.Public()}
	if out.algorithm, err = signature.GetDefaultAlgorithmDetails(out.public); err != nil {
		return Key{}, fmt.Errorf("reading the private key: %w", err)
	}
	if out.signer, err = signature.LoadSignerFromAlgorithmDetails(private, out.algorithm); err != nil {
		return Key{}, fmt.Errorf("reading the private key: %w", err)
	}
	return out, nil
}

// NewKey makes a key pair in PEM form. The private half is encrypted as cosign does; an empty password leaves it open.
func NewKey(password []byte) (private, public []byte, err error) {
	if len(password) == 0 {
		password = nil
	}
	private, public, err = cryptoutils.GeneratePEMEncodedECDSAKeyPair(elliptic.P256(), func(bool) ([]byte, error) { return password, nil })
	if err != nil {
		return nil, nil, fmt.Errorf("making a key: %w", err)
	}
	return private, public, nil
}

// Public returns the public half in PEM form.
func (k Key) Public() ([]byte, error) { return cryptoutils.MarshalPublicKeyToPEM(k.public) }

// String names the key by the checksum of its public half.
func (k Key) String() string {
	sum, err := Checksum(k.public)
	if err != nil {
		return "key"
	}
	return "key " + sum
}

// Sign signs the content with a digest, and attaches the signature to it in its registry: a bundle that refers to the
// image, which needs nothing but the standard of registries.
func Sign(ctx context.Context, reference, digest string, key Key) error {
	return Attest(ctx, reference, digest, key, Statement{Predicate: Signed})
}

// Statement is what is attested of an image.
type Statement struct {
	Predicate string          // its type
	Content   json.RawMessage // an object; none is an empty one
}

// Attest signs a statement about the content with a digest, and attaches it.
func Attest(ctx context.Context, reference, digest string, key Key, s Statement) error {
	at, err := newPlace(ctx, reference, digest)
	if err != nil {
		return err
	}
	subject, err := remote.Head(at.digest, at.options...)
	if err != nil {
		return fmt.Errorf("looking for what is to be signed: %w", err)
	}
	data, err := statement(at.digest, s)
	if err != nil {
		return err
	}
	made, err := sign.Bundle(&sign.DSSEData{Data: data, PayloadType: "application/vnd.in-toto+json"}, key, sign.BundleOptions{Context: ctx})
	if err != nil {
		return fmt.Errorf("signing %s: %w", at.digest, err)
	}
	encoded, err := protojson.Marshal(made)
	if err != nil {
		return fmt.Errorf("writing the signature: %w", err)
	}
	signed, err := newArtifact(subject, made.GetMediaType(), encoded, map[string]string{
		"dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": s.Predicate})
	if err != nil {
		return err
	}
	sum, err := signed.Digest()
	if err == nil {
		err = remote.Write(at.digest.Context().Digest(sum.String()), signed, at.options...)
	}
	if err != nil {
		return fmt.Errorf("attaching the signature to %s: %w", at.digest, err)
	}
	return nil
}

// SignTag signs in cosign's older form, at a tag next to the image, for verifiers that do not know bundles.
func SignTag(ctx context.Context, reference, digest string, key Key) error {
	at, err := newPlace(ctx, reference, digest)
	if err != nil {
		return err
	}
	payload := fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":%q},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`,
		at.digest.Context().Name(), digest)
	raw, err := key.signer.SignMessage(bytes.NewReader(payload))
	if err != nil {
		return fmt.Errorf("signing %s: %w", at.digest, err)
	}
	tag := at.digest.Context().Tag(strings.Replace(digest, ":", "-", 1) + ".sig")
	base, err := remote.Image(tag, at.options...)
	if absent(err) {
		base, err = mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), nil
	}
	if err != nil {
		return fmt.Errorf("looking for earlier signatures: %w", err)
	}
	signed, err := mutate.Append(base, mutate.Addendum{Layer: static.NewLayer(payload, simpleSigning),
		Annotations: map[string]string{annotationSignature: base64.StdEncoding.EncodeToString(raw)}})
	if err == nil {
		err = remote.Write(tag, signed, at.options...)
	}
	if err != nil {
		return fmt.Errorf("attaching the signature to %s: %w", at.digest, err)
	}
	return nil
}

// statement is an in-toto statement: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md.
func statement(at name.Digest, s Statement) ([]byte, error) {
	type subject struct {
		Name   string            `json:"name"`
		Digest map[string]string `json:"digest"`
	}
	if len(s.Content) == 0 {
		s.Content = json.RawMessage("{}")
	}
	data, err := json.Marshal(struct {
		Type      string          `json:"_type"`
		Subject   []subject       `json:"subject"`
		Predicate string          `json:"predicateType"`
		Content   json.RawMessage `json:"predicate"`
	}{"https://in-toto.io/Statement/v1", []subject{{at.Context().Name(), map[string]string{"sha256": strings.TrimPrefix(at.DigestStr(), "sha256:")}}}, s.Predicate, s.Content})
	if err != nil {
		return nil, fmt.Errorf("writing the statement: %w", err)
	}
	return data, nil
}

// artifact is an OCI artifact of one blob with a subject.
type artifact struct{ manifest, blob []byte }

const emptyConfig = "{}"

func newArtifact(subject *v1.Descriptor, mediaType string, blob []byte, annotations map[string]string) (v1.Image, error) {
	describe := func(mediaType types.MediaType, data []byte) v1.Descriptor {
		sum := sha256.Sum256(data)
		return v1.Descriptor{MediaType: mediaType, Size: int64(len(data)), Digest: v1.Hash{Algorithm: "sha256", Hex: fmt.Sprintf("%x", sum)}}
	}
	manifest, err := json.Marshal(v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: mediaType,
		Config:  describe(emptyType, []byte(emptyConfig)),
		Layers:  []v1.Descriptor{describe(types.MediaType(mediaType), blob)},
		Subject: &v1.Descriptor{MediaType: subject.MediaType, Size: subject.Size, Digest: subject.Digest}, Annotations: annotations})
	if err != nil {
		return nil, fmt.Errorf("writing the signature's manifest: %w", err)
	}
	return partial.CompressedToImage(artifact{manifest, blob})
}

// RawConfigFile implements partial.CompressedImageCore.
func (artifact) RawConfigFile() ([]byte, error) { return []byte(emptyConfig), nil }

// MediaType implements partial.CompressedImageCore.
func (artifact) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

// RawManifest implements partial.CompressedImageCore.
func (a artifact) RawManifest() ([]byte, error) { return a.manifest, nil }

// LayerByDigest implements partial.CompressedImageCore.
func (a artifact) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	for _, data := range [][]byte{a.blob, []byte(emptyConfig)} {
		layer := static.NewLayer(data, types.MediaType("application/octet-stream"))
		if sum, err := layer.Digest(); err == nil && sum == h {
			return layer, nil
		}
	}
	return nil, fmt.Errorf("the signature has no blob %s", h)
}

// GetHashAlgorithm implements sign.Keypair.
func (k Key) GetHashAlgorithm() protocommon.HashAlgorithm { return k.algorithm.GetProtoHashType() }

// GetSigningAlgorithm implements sign.Keypair.
func (k Key) GetSigningAlgorithm() protocommon.PublicKeyDetails {
	return k.algorithm.GetSignatureAlgorithm()
}

// GetHint implements sign.Keypair: the checksum of the public half, as other tools write it.
func (k Key) GetHint() []byte {
	der, err := x509.MarshalPKIXPublicKey(k.public)
	if err != nil {
		return nil
	}
	sum := sha256.Sum256(der)
	return []byte(base64.StdEncoding.EncodeToString(sum[:]))
}

// GetKeyAlgorithm implements sign.Keypair. Only certificate authorities ask for it.
func (k Key) GetKeyAlgorithm() string { return "" }

// GetPublicKey implements sign.Keypair.
func (k Key) GetPublicKey() crypto.PublicKey { return k.public }

// GetPublicKeyPem implements sign.Keypair.
func (k Key) GetPublicKeyPem() (string, error) {
	data, err := k.Public()
	return string(data), err
}

// SignData implements sign.Keypair. Ed25519 signs the data itself, the others its checksum.
func (k Key) SignData(_ context.Context, data []byte) ([]byte, []byte, error) {
	signed := data
	if hash := k.algorithm.GetHashType(); hash != crypto.Hash(0) {
		h := hash.New()
		h.Write(data)
		signed = h.Sum(nil)
	}
	raw, err := k.signer.SignMessage(bytes.NewReader(data))
	return raw, signed, err
}
