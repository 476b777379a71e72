package signature_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/testing/ca"
	"github.com/sigstore/sigstore-go/pkg/tlog"
	"github.com/sigstore/sigstore/pkg/cryptoutils"

	"github.com/hsectl/hsectl/internal/image/signature"
)

const (
	workflow   = "https://github.com/example/app/.github/workflows/release.yml@refs/heads/main"
	issuer     = "https://token.actions.githubusercontent.com"
	provenance = "https://slsa.dev/provenance/v1"
)

// fakeRegistry is a registry in memory that holds one image.
type fakeRegistry struct {
	t         *testing.T
	reference string
	digest    string
	subject   v1.Image
}

func newFakeRegistry(t *testing.T, referrers bool) fakeRegistry {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(referrers)))
	t.Cleanup(server.Close)
	img, err := random.Image(100, 1)
	if err != nil {
		t.Fatal(err)
	}
	s := fakeRegistry{t: t, reference: strings.TrimPrefix(server.URL, "http://") + "/example/app:1", subject: img}
	ref, err := name.ParseReference(s.reference)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img); err != nil {
		t.Fatal(err)
	}
	d, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	s.digest = d.String()
	return s
}

func (s fakeRegistry) verify(rule signature.Rule) (signature.Proof, error) {
	return signature.Verify(context.Background(), s.reference, s.digest, rule)
}

// tag adds a layer to the tag next to the image, as cosign does.
func (s fakeRegistry) tag(suffix string, data []byte, mediaType string, annotations map[string]string) {
	s.t.Helper()
	repository, _, _ := strings.Cut(s.reference, "/app:")
	tag, err := name.NewTag(repository + "/app:" + strings.Replace(s.digest, ":", "-", 1) + suffix)
	if err != nil {
		s.t.Fatal(err)
	}
	base, err := remote.Image(tag)
	if err != nil {
		base = empty.Image
	}
	img, err := mutate.Append(base, mutate.Addendum{Layer: static.NewLayer(data, types.MediaType(mediaType)), Annotations: annotations})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := remote.Write(tag, img); err != nil {
		s.t.Fatal(err)
	}
}

// refer attaches a bundle as a referrer.
func (s fakeRegistry) refer(data []byte) {
	s.t.Helper()
	const mediaType = "application/vnd.dev.sigstore.bundle.v0.3+json"
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), mediaType) // stands for the artifact's type, too
	img, err := mutate.Append(img, mutate.Addendum{Layer: static.NewLayer(data, mediaType)})
	if err != nil {
		s.t.Fatal(err)
	}
	manifest, err := s.subject.Manifest()
	if err != nil {
		s.t.Fatal(err)
	}
	size, err := s.subject.Size()
	if err != nil {
		s.t.Fatal(err)
	}
	hash, err := v1.NewHash(s.digest)
	if err != nil {
		s.t.Fatal(err)
	}
	signed := mutate.Subject(img, v1.Descriptor{MediaType: manifest.MediaType, Size: size, Digest: hash}).(v1.Image)
	sum, err := signed.Digest()
	if err != nil {
		s.t.Fatal(err)
	}
	repository := strings.TrimSuffix(s.reference, ":1")
	ref, err := name.NewDigest(repository + "@" + sum.String())
	if err != nil {
		s.t.Fatal(err)
	}
	if err := remote.Write(ref, signed); err != nil {
		s.t.Fatal(err)
	}
}

func statementOf(digest, predicate string) []byte {
	return fmt.Appendf(nil, `{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"app","digest":{"sha256":%q}}],"predicateType":%q,"predicate":{"builder":"ci"}}`,
		strings.TrimPrefix(digest, "sha256:"), predicate)
}

func payloadOf(digest string) []byte {
	return fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":""},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`, digest)
}

// authority is a certificate authority with a transparency log, and its trusted root.
func authority(t *testing.T) (*ca.VirtualSigstore, []byte) {
	t.Helper()
	v, err := ca.NewVirtualSigstore()
	if err != nil {
		t.Fatal(err)
	}
	return v, rootOf(t, v, nil)
}

func rootOf(t *testing.T, v *ca.VirtualSigstore, logs map[string]*root.TransparencyLog) []byte {
	t.Helper()
	rekor := v.RekorLogs()
	for id, log := range rekor { // the simulation keeps the name as text, real roots as bytes
		raw, err := hex.DecodeString(id)
		if err != nil {
			t.Fatal(err)
		}
		log.ID = raw
	}
	r, err := root.NewTrustedRoot(root.TrustedRootMediaType01, v.FulcioCertificateAuthorities(), logs, v.TimestampingAuthorities(), rekor)
	if err != nil {
		t.Fatal(err)
	}
	data, err := r.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// attested is a bundle as GitHub's and cosign's tools write it.
func attested(t *testing.T, v *ca.VirtualSigstore, subject, by string, data []byte) []byte {
	t.Helper()
	entity, err := v.AttestAtTime(subject, by, data, time.Now().Add(5*time.Minute), true)
	if err != nil {
		t.Fatal(err)
	}
	content, err := entity.VerificationContent()
	if err != nil {
		t.Fatal(err)
	}
	signed, err := entity.SignatureContent()
	if err != nil {
		t.Fatal(err)
	}
	e := signed.EnvelopeContent().RawEnvelope()
	raw, err := base64.StdEncoding.DecodeString(e.Signatures[0].Sig)
	if err != nil {
		t.Fatal(err)
	}
	body, err := base64.StdEncoding.DecodeString(e.Payload)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := entity.TlogEntries()
	if err != nil {
		t.Fatal(err)
	}
	entry := entries[0].TransparencyLogEntry()
	entry.KindVersion = kindOf(t, entry.GetCanonicalizedBody())
	b := &bundle.Bundle{Bundle: &protobundle.Bundle{MediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
		VerificationMaterial: &protobundle.VerificationMaterial{Content: &protobundle.VerificationMaterial_Certificate{Certificate: &protocommon.X509Certificate{RawBytes: content.Certificate().Raw}}},
		Content:              &protobundle.Bundle_DsseEnvelope{DsseEnvelope: &protodsse.Envelope{Payload: body, PayloadType: e.PayloadType, Signatures: []*protodsse.Signature{{Sig: raw}}}}}}
	stamps, err := entity.Timestamps()
	if err != nil {
		t.Fatal(err)
	}
	b.VerificationMaterial.TimestampVerificationData = &protobundle.TimestampVerificationData{Rfc3161Timestamps: []*protocommon.RFC3161SignedTimestamp{{SignedTimestamp: stamps[0]}}}
	b.VerificationMaterial.TlogEntries = append(b.VerificationMaterial.TlogEntries, entry)
	out, err := b.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func kindOf(t *testing.T, body []byte) *protorekor.KindVersion {
	t.Helper()
	var kind struct{ APIVersion, Kind string }
	if err := json.Unmarshal(body, &kind); err != nil {
		t.Fatal(err)
	}
	return &protorekor.KindVersion{Kind: kind.Kind, Version: kind.APIVersion}
}

// keyless are the annotations of a signature at a tag that a certificate's key made.
func keyless(t *testing.T, v *ca.VirtualSigstore, subject, by string, payload []byte) map[string]string {
	t.Helper()
	entity, err := v.Sign(subject, by, payload)
	if err != nil {
		t.Fatal(err)
	}
	content, err := entity.VerificationContent()
	if err != nil {
		t.Fatal(err)
	}
	signed, err := entity.SignatureContent()
	if err != nil {
		t.Fatal(err)
	}
	entries, err := entity.TlogEntries()
	if err != nil {
		t.Fatal(err)
	}
	entry := entries[0].TransparencyLogEntry()
	id := hex.EncodeToString(entry.GetLogId().GetKeyId())
	body := base64.StdEncoding.EncodeToString(entry.GetCanonicalizedBody())
	promise, err := v.RekorSignPayload(tlog.RekorPayload{Body: body, IntegratedTime: entry.GetIntegratedTime(), LogIndex: entry.GetLogIndex(), LogID: id})
	if err != nil {
		t.Fatal(err)
	}
	log, err := json.Marshal(map[string]any{"SignedEntryTimestamp": promise,
		"Payload": map[string]any{"body": body, "integratedTime": entry.GetIntegratedTime(), "logIndex": entry.GetLogIndex(), "logID": id}})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(signed.Signature()),
		"dev.sigstore.cosign/certificate":    string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: content.Certificate().Raw})),
		"dev.sigstore.cosign/bundle":         string(log),
	}
}

const simple = "application/vnd.dev.cosign.simplesigning.v1+json"

func TestKeyless(t *testing.T) {
	mine, trusted := authority(t)
	theirs, _ := authority(t)
	other := "sha256:" + strings.Repeat("0", 64)
	rule := func(change func(*signature.Rule)) signature.Rule {
		r := signature.Rule{Identity: signature.Identity{Issuer: issuer, Subject: workflow}, Root: trusted}
		if change != nil {
			change(&r)
		}
		return r
	}
	plain := func(v *ca.VirtualSigstore, subject, by, digest string) func(fakeRegistry) {
		return func(s fakeRegistry) {
			if digest == "" {
				digest = s.digest
			}
			s.tag(".sig", payloadOf(digest), simple, keyless(s.t, v, subject, by, payloadOf(digest)))
		}
	}
	bundled := func(v *ca.VirtualSigstore, subject, by, predicate, digest string) func(fakeRegistry) {
		return func(s fakeRegistry) {
			if digest == "" {
				digest = s.digest
			}
			s.refer(attested(s.t, v, subject, by, statementOf(digest, predicate)))
		}
	}
	pattern := func(p string) func(*signature.Rule) {
		return func(r *signature.Rule) { r.Identity.Subject, r.Identity.Pattern = "", p }
	}
	asks := func(predicates ...string) func(*signature.Rule) {
		return func(r *signature.Rule) { r.Predicates = predicates }
	}
	for name, tt := range map[string]struct {
		put    []func(fakeRegistry)
		change func(*signature.Rule)
		fails  string // part of the message; empty is verified
	}{
		"at a tag":                    {put: []func(fakeRegistry){plain(mine, workflow, issuer, "")}},
		"in a bundle":                 {put: []func(fakeRegistry){bundled(mine, workflow, issuer, signature.Signed, "")}},
		"by a pattern":                {put: []func(fakeRegistry){plain(mine, workflow, issuer, "")}, change: pattern(`^https://github\.com/example/.*$`)},
		"after one that is not valid": {put: []func(fakeRegistry){plain(theirs, workflow, issuer, ""), plain(mine, workflow, issuer, "")}},
		"a tag and a bad bundle":      {put: []func(fakeRegistry){func(s fakeRegistry) { s.refer([]byte("{")) }, plain(mine, workflow, issuer, "")}},
		"attested":                    {put: []func(fakeRegistry){bundled(mine, workflow, issuer, provenance, "")}, change: asks(provenance)},
		"attested and signed": {put: []func(fakeRegistry){bundled(mine, workflow, issuer, provenance, ""), plain(mine, workflow, issuer, "")},
			change: asks(provenance, signature.Signed)},

		"nothing":                      {fails: "no signature found"},
		"another authority":            {put: []func(fakeRegistry){plain(theirs, workflow, issuer, "")}, fails: "none of the signatures is valid"},
		"another authority, bundle":    {put: []func(fakeRegistry){bundled(theirs, workflow, issuer, signature.Signed, "")}, fails: "none of the signatures is valid"},
		"another workflow":             {put: []func(fakeRegistry){plain(mine, workflow+"x", issuer, "")}, fails: "SAN"},
		"another issuer":               {put: []func(fakeRegistry){plain(mine, workflow, issuer+".evil.org", "")}, fails: "issuer"},
		"another image":                {put: []func(fakeRegistry){plain(mine, workflow, issuer, other)}, fails: "another image"},
		"another image, bundle":        {put: []func(fakeRegistry){bundled(mine, workflow, issuer, signature.Signed, other)}, fails: "none of the signatures"},
		"provenance is no signature":   {put: []func(fakeRegistry){bundled(mine, workflow, issuer, provenance, "")}, fails: "valid for a signature"},
		"a signature is no provenance": {put: []func(fakeRegistry){plain(mine, workflow, issuer, "")}, change: asks(provenance), fails: provenance},
		"provenance by another": {put: []func(fakeRegistry){bundled(theirs, workflow, issuer, provenance, ""), plain(mine, workflow, issuer, "")},
			change: asks(provenance, signature.Signed), fails: provenance},
		"an open pattern":   {put: []func(fakeRegistry){plain(mine, workflow, issuer, "")}, change: pattern(`https://github.com/example/`), fails: "must begin with ^"},
		"no root":           {put: []func(fakeRegistry){plain(mine, workflow, issuer, "")}, change: func(r *signature.Rule) { r.Root = nil }, fails: "needs a trusted root"},
		"nonsense for root": {change: func(r *signature.Rule) { r.Root = []byte("{}") }, fails: "trusted root"},
		"without the log": {put: []func(fakeRegistry){func(s fakeRegistry) {
			a := keyless(s.t, mine, workflow, issuer, payloadOf(s.digest))
			delete(a, "dev.sigstore.cosign/bundle")
			s.tag(".sig", payloadOf(s.digest), simple, a)
		}}, fails: "log"},
		"another's log entry": {put: []func(fakeRegistry){func(s fakeRegistry) {
			a, b := keyless(s.t, mine, workflow, issuer, payloadOf(s.digest)), keyless(s.t, mine, workflow, issuer, payloadOf(other))
			a["dev.sigstore.cosign/bundle"] = b["dev.sigstore.cosign/bundle"]
			s.tag(".sig", payloadOf(s.digest), simple, a)
		}}, fails: "transparency log"},
		"a log that ran before its entry was signed": {put: []func(fakeRegistry){func(s fakeRegistry) {
			a := keyless(s.t, mine, workflow, issuer, payloadOf(s.digest))
			a["dev.sigstore.cosign/bundle"] = strings.Replace(a["dev.sigstore.cosign/bundle"], `"integratedTime":1`, `"integratedTime":2`, 1)
			s.tag(".sig", payloadOf(s.digest), simple, a)
		}}, fails: "log inclusion"},
		"an authority whose certificates must be logged": {put: []func(fakeRegistry){plain(mine, workflow, issuer, "")},
			change: func(r *signature.Rule) { r.Root = rootOf(t, mine, mine.CTLogs()) }, fails: "signed certificate timestamp"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFakeRegistry(t, len(name)%2 == 0) // registries with and without the referrers API
			for _, put := range tt.put {
				put(s)
			}
			proof, err := s.verify(rule(tt.change))
			if tt.fails == "" {
				if err != nil || proof.Digest != s.digest || proof.By != workflow || proof.Logged.IsZero() {
					t.Fatalf("got %+v, %v", proof, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.fails) {
				t.Fatalf("got %+v, %v", proof, err)
			}
		})
	}
}

func newKey(t *testing.T, password string) (signature.Key, []byte) {
	t.Helper()
	private, public, err := signature.NewKey([]byte(password))
	if err != nil {
		t.Fatal(err)
	}
	k, err := signature.ParseKey(private, func() ([]byte, error) { return []byte(password), nil })
	if err != nil {
		t.Fatal(err)
	}
	return k, public
}

func TestSignAndVerifyWithAKey(t *testing.T) {
	ctx := context.Background()
	key, public := newKey(t, "correct horse")
	_, stranger := newKey(t, "")
	for form, sign := range map[string]func(context.Context, string, string, signature.Key) error{"bundle": signature.Sign, "tag": signature.SignTag} {
		for _, referrers := range []bool{true, false} {
			s := newFakeRegistry(t, referrers)
			if _, err := s.verify(signature.Rule{Key: public}); !errors.Is(err, signature.ErrUnsigned) {
				t.Errorf("%s: unsigned: %v", form, err)
			}
			for range 2 { // signing again does no harm
				if err := sign(ctx, s.reference, s.digest, key); err != nil {
					t.Fatal(err)
				}
			}
			proof, err := s.verify(signature.Rule{Key: public})
			if err != nil || proof.Form != form || proof.By != key.String() {
				t.Errorf("%s: got %+v, %v", form, proof, err)
			}
			var refused *signature.RefusedError
			if _, err := s.verify(signature.Rule{Key: stranger}); !errors.As(err, &refused) {
				t.Errorf("%s: another key: %v", form, err)
			}
			_, trusted := authority(t)
			if _, err := s.verify(signature.Rule{Key: public, Root: trusted, Logged: true}); !errors.As(err, &refused) {
				t.Errorf("%s: no log: %v", form, err)
			}
			if _, err := s.verify(signature.Rule{Key: public, Predicates: []string{provenance}}); !errors.As(err, &refused) || refused.Missing[0] != provenance {
				t.Errorf("%s: no provenance: %v", form, err)
			}
		}
	}
}

func TestSignaturesTravel(t *testing.T) {
	ctx := context.Background()
	key, public := newKey(t, "")
	_, stranger := newKey(t, "")
	s := newFakeRegistry(t, true)
	if _, err := signature.Collect(ctx, s.reference, s.digest); !errors.Is(err, signature.ErrUnsigned) {
		t.Errorf("unsigned: %v", err)
	}
	if err := signature.SignTag(ctx, s.reference, s.digest, key); err != nil {
		t.Fatal(err)
	}
	if err := signature.Attest(ctx, s.reference, s.digest, key, signature.Statement{Predicate: provenance}); err != nil {
		t.Fatal(err)
	}
	data, err := signature.Collect(ctx, s.reference, s.digest)
	if err != nil {
		t.Fatal(err)
	}
	both := []string{signature.Signed, provenance}
	if proof, err := signature.VerifyCollected(data, s.digest, signature.Rule{Key: public, Predicates: both}); err != nil || len(proof.Predicates) != 2 {
		t.Errorf("got %+v, %v", proof, err)
	}
	if _, err := signature.VerifyCollected(data, s.digest, signature.Rule{Key: stranger}); err == nil {
		t.Error("a stranger's signature is taken")
	}
	if _, err := signature.VerifyCollected(data, "sha256:"+strings.Repeat("0", 64), signature.Rule{Key: public}); err == nil {
		t.Error("another image's signature is taken")
	}
	for _, nonsense := range []string{"", "[]", "{}", `[{"form":"tag"}]`, `[{"form":"bundle","data":"AAAA"}]`} {
		if _, err := signature.VerifyCollected([]byte(nonsense), s.digest, signature.Rule{Key: public}); err == nil {
			t.Errorf("%q is taken", nonsense)
		}
	}
}

func TestAttest(t *testing.T) {
	key, public := newKey(t, "")
	s := newFakeRegistry(t, true)
	err := signature.Attest(context.Background(), s.reference, s.digest, key, signature.Statement{Predicate: provenance, Content: json.RawMessage(`{"a":1}`)})
	if err != nil {
		t.Fatal(err)
	}
	if proof, err := s.verify(signature.Rule{Key: public, Predicates: []string{provenance}}); err != nil || proof.Predicates[0] != provenance {
		t.Errorf("got %+v, %v", proof, err)
	}
	if _, err := s.verify(signature.Rule{Key: public}); err == nil {
		t.Error("an attestation counts as a signature")
	}
}

func TestNothingIsSignedThatIsNotThere(t *testing.T) {
	key, _ := newKey(t, "")
	s := newFakeRegistry(t, true)
	if err := signature.Sign(context.Background(), s.reference, "sha256:"+strings.Repeat("0", 64), key); err == nil {
		t.Error("content that the registry does not have is signed")
	}
}

func TestKeysOfOtherKinds(t *testing.T) {
	_, curve, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	numbers, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for kind, private := range map[string]any{"ed25519": curve, "rsa": numbers} {
		data, err := cryptoutils.MarshalPrivateKeyToPEM(private)
		if err != nil {
			t.Fatal(err)
		}
		key, err := signature.ParseKey(data, func() ([]byte, error) { t.Error("an open key asks for a password"); return nil, nil })
		if err != nil {
			t.Fatal(kind, err)
		}
		public, err := key.Public()
		if err != nil {
			t.Fatal(err)
		}
		for form, sign := range map[string]func(context.Context, string, string, signature.Key) error{"bundle": signature.Sign, "tag": signature.SignTag} {
			s := newFakeRegistry(t, true)
			if err := sign(context.Background(), s.reference, s.digest, key); err != nil {
				t.Fatal(kind, form, err)
			}
			if _, err := s.verify(signature.Rule{Key: public}); err != nil {
				t.Error(kind, form, err)
			}
		}
	}
}

func TestKeysThatDoNotOpen(t *testing.T) {
	private, _, err := signature.NewKey([]byte("right"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(private), "ENCRYPTED") {
		t.Error("a key with a password is not encrypted")
	}
	if _, err := signature.ParseKey(private, func() ([]byte, error) { return []byte("wrong"), nil }); !errors.Is(err, signature.ErrPassword) {
		t.Errorf("got %v", err)
	}
	for _, data := range []string{"", "x", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		if _, err := signature.ParseKey([]byte(data), nil); err == nil {
			t.Errorf("%q is taken as a key", data)
		}
	}
}

func TestPatterns(t *testing.T) {
	for pattern, want := range map[string][3]bool{ // of ghcr.io/example/app, ghcr.io/example.evil/app, docker.io/library/redis
		"*":                     {true, true, true},
		"ghcr.io":               {true, true, false},
		"ghcr.io/example":       {true, false, false},
		"ghcr.io/example/app":   {true, false, false},
		"ghcr.io/*/app":         {true, true, false},
		"ghcr.io/example/app/":  {true, false, false},
		"ghcr.io/example/app/x": {},
		"ghcr":                  {},
		"docker.io/library":     {false, false, true},
		"[":                     {},
	} {
		for i, repository := range []string{"ghcr.io/example/app", "ghcr.io/example.evil/app", "docker.io/library/redis"} {
			if got := signature.Covers(pattern, repository); got != want[i] {
				t.Errorf("%s covers %s: %v", pattern, repository, got)
			}
		}
	}
	if signature.Closer("ghcr.io/example/app", "ghcr.io") >= 0 || signature.Closer("ghcr.io/example", "ghcr.io/*") >= 0 {
		t.Error("the closer pattern is not first")
	}
}

func FuzzCandidates(f *testing.F) {
	f.Add([]byte("{}"), []byte("{}"), "x")
	f.Fuzz(func(t *testing.T, data, log []byte, certificate string) {
		signature.JudgeNonsense(t, data, log, certificate)
	})
}
