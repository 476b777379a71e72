package image_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/sigstore/sigstore/pkg/cryptoutils"

	"github.com/hsectl/hsectl/internal/image"
)

func newKey(t *testing.T) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := cryptoutils.MarshalPublicKeyToPEM(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	return private, public
}

// sign does what cosign does with a key.
func sign(t *testing.T, repository, digest, claims string, key *ecdsa.PrivateKey) {
	t.Helper()
	payload := fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":""},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`, claims)
	sum := sha256.Sum256(payload)
	raw, err := key.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.Append(empty.Image, mutate.Addendum{Layer: static.NewLayer(payload, types.MediaType("application/vnd.dev.cosign.simplesigning.v1+json")),
		Annotations: map[string]string{"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(raw)}})
	if err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(repository + ":" + strings.Replace(digest, ":", "-", 1) + ".sig")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, img); err != nil {
		t.Fatal(err)
	}
}

func TestVerifySignature(t *testing.T) {
	at, index, _ := hub(t)
	d, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	digest, other := d.String(), "sha256:"+strings.Repeat("0", 64)
	mine, public := newKey(t)
	theirs, _ := newKey(t)
	check := func() error { return image.VerifySignature(context.Background(), at+"/app:1", digest, public) }
	if check() == nil {
		t.Error("an image without signatures is verified")
	}
	sign(t, at+"/app", digest, digest, theirs)
	if check() == nil {
		t.Error("a signature by another key is taken")
	}
	sign(t, at+"/app", digest, other, mine)
	if check() == nil {
		t.Error("a signature of another image is taken")
	}
	sign(t, at+"/app", digest, digest, mine)
	if err := check(); err != nil {
		t.Error(err)
	}
	if err := image.VerifySignature(context.Background(), at+"/app:1", digest, bytes.Repeat([]byte("x"), 99)); err == nil {
		t.Error("nonsense is taken as a key")
	}
}
