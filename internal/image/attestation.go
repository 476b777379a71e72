package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Attested is one statement about the image of one platform that lies next to it in its index, as BuildKit keeps them
// (github.com/moby/buildkit, docs/attestations/attestation-storage.md). It is not signed: it tells what the builder
// said, to who trusts the index.
type Attested struct {
	Manifest  string // digest of the manifest that it is about
	Predicate string // such as https://spdx.dev/Document
	Packages  int    // in a bill of materials, without the image itself
}

// SBOM tells whether the statement is a bill of materials.
func (a Attested) SBOM() bool { return strings.HasPrefix(a.Predicate, "https://spdx.dev/Document") }

// Provenance tells whether the statement says how the image was built.
func (a Attested) Provenance() bool {
	return strings.HasPrefix(a.Predicate, "https://slsa.dev/provenance/")
}

const (
	attestationType    = "vnd.docker.reference.type"
	attestationSubject = "vnd.docker.reference.digest"
	attestationMedia   = "application/vnd.in-toto+json"
	maxStatement       = 64 << 20
)

// ErrSubject is a statement that is kept with an image and is about something else.
var ErrSubject = errors.New("the statement is about another image")

// Attestations reads what an index in a registry says about its images. An image without an index has none.
func Attestations(ctx context.Context, reference string) ([]Attested, error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return nil, fmt.Errorf("image %q is not a reference: %w", reference, err)
	}
	d, err := remote.Get(ref, RemoteOptions(ctx)...)
	if err != nil {
		return nil, fmt.Errorf("asking the registry for %s: %w", reference, err)
	}
	if !d.MediaType.IsIndex() {
		return nil, nil
	}
	index, err := d.ImageIndex()
	if err != nil {
		return nil, fmt.Errorf("reading the index of %s: %w", reference, err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("reading the index of %s: %w", reference, err)
	}
	if len(manifest.Manifests) > 2*maxPlatforms {
		return nil, fmt.Errorf("reading the index of %s: it has %d entries", reference, len(manifest.Manifests))
	}
	var out []Attested
	for _, m := range manifest.Manifests {
		if m.Annotations[attestationType] != "attestation-manifest" {
			continue
		}
		found, err := statements(index, m)
		if err != nil {
			return nil, fmt.Errorf("reading the attestations of %s: %w", reference, err)
		}
		out = append(out, found...)
	}
	return out, nil
}

// statements reads one manifest of attestations.
func statements(index v1.ImageIndex, m v1.Descriptor) ([]Attested, error) {
	img, err := index.Image(m.Digest)
	if err != nil {
		return nil, err
	}
	layers, err := img.Layers()
	if err != nil {
		return nil, err
	}
	var out []Attested
	for _, l := range layers {
		if media, err := l.MediaType(); err != nil || media != attestationMedia {
			continue
		}
		a, err := statement(l, m.Annotations[attestationSubject])
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

// statement reads an in-toto statement about the image with that digest
// (https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md).
func statement(l v1.Layer, subject string) (a Attested, err error) {
	r, err := l.Compressed() // it is not: the layer is the statement
	if err != nil {
		return Attested{}, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	var s struct {
		Predicate string `json:"predicateType"`
		Subject   []struct {
			Digest map[string]string `json:"digest"`
		} `json:"subject"`
		Content struct {
			Packages []struct {
				Purpose string `json:"primaryPackagePurpose"`
			} `json:"packages"`
		} `json:"predicate"`
	}
	if err := json.NewDecoder(io.LimitReader(r, maxStatement)).Decode(&s); err != nil {
		return Attested{}, fmt.Errorf("reading a statement: %w", err)
	}
	a = Attested{Manifest: subject, Predicate: s.Predicate}
	for _, p := range s.Content.Packages {
		if p.Purpose != "CONTAINER" {
			a.Packages++
		}
	}
	for _, about := range s.Subject {
		if "sha256:"+about.Digest["sha256"] != subject {
			return Attested{}, fmt.Errorf("%w: %s, and not %s", ErrSubject, about.Digest["sha256"], subject)
		}
	}
	if len(s.Subject) == 0 {
		return Attested{}, fmt.Errorf("%w: it names none", ErrSubject)
	}
	return a, nil
}
