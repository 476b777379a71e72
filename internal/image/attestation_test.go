package image_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"

	"github.com/hsectl/hsectl/internal/image"
)

// attested pushes the index of the registry again, with statements about its first image.
func attested(t *testing.T, at string, index v1.ImageIndex, about v1.Image, statements ...string) string {
	t.Helper()
	statement := empty.Image
	var err error
	for _, s := range statements {
		if statement, err = mutate.Append(statement, mutate.Addendum{Layer: static.NewLayer([]byte(s), "application/vnd.in-toto+json")}); err != nil {
			t.Fatal(err)
		}
	}
	digest, err := about.Digest()
	if err != nil {
		t.Fatal(err)
	}
	index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: statement, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "unknown", Architecture: "unknown"},
		Annotations: map[string]string{"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": digest.String()}}})
	ref, err := name.ParseReference(at + "/app:attested")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(ref, index); err != nil {
		t.Fatal(err)
	}
	return ref.String()
}

func TestAttestationsOfAnIndex(t *testing.T) {
	at, index, images := hub(t)
	digest, err := images[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	subject := `"subject":[{"name":"a","digest":{"sha256":"` + digest.Hex + `"}}]`
	sbom := `{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://spdx.dev/Document",` + subject +
		`,"predicate":{"packages":[{"name":"image","primaryPackagePurpose":"CONTAINER"},{"name":"a"},{"name":"b"}]}}`
	provenance := `{"predicateType":"https://slsa.dev/provenance/v1",` + subject + `,"predicate":{"buildDefinition":{}}}`
	got, err := image.Attestations(context.Background(), attested(t, at, index, images[0], sbom, provenance))
	if err != nil || len(got) != 2 || !got[0].SBOM() || got[0].Packages != 2 || !got[1].Provenance() || got[1].Manifest != digest.String() {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := image.Attestations(context.Background(), at+"/app:1"); err != nil || len(got) != 0 {
		t.Errorf("an index without any: %+v, %v", got, err)
	}
	resolved, err := image.Resolve(context.Background(), at+"/app:attested")
	if err != nil || len(resolved.Platforms) != 2 {
		t.Errorf("attestations are no platforms: %+v, %v", resolved, err)
	}

	for about, statement := range map[string]string{
		"another":  strings.ReplaceAll(sbom, digest.Hex, strings.Repeat("0", 64)),
		"nothing":  `{"predicateType":"https://spdx.dev/Document","subject":[],"predicate":{}}`,
		"no image": `{"predicateType":"https://spdx.dev/Document","subject":[{"name":"x"}],"predicate":{}}`,
	} {
		if got, err := image.Attestations(context.Background(), attested(t, at, index, images[0], statement)); !errors.Is(err, image.ErrSubject) {
			t.Errorf("a statement about %s: %+v, %v", about, got, err)
		}
	}
	if _, err := image.Attestations(context.Background(), attested(t, at, index, images[0], "{")); err == nil {
		t.Error("a statement that is cut is read")
	}
}
