package image

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Resolved is what a reference stands for in its registry.
type Resolved struct {
	Digest     string // of the index or, without one, of the manifest
	Platforms  []PlatformDigests
	BaseName   string
	BaseDigest string
}

// PlatformDigests are the digests of one platform's image.
type PlatformDigests struct{ Platform, Manifest, Config string }

// Annotations by which an image names its base: github.com/opencontainers/image-spec, annotations.md.
const (
	annotationBaseName   = "org.opencontainers.image.base.name"
	annotationBaseDigest = "org.opencontainers.image.base.digest"
)

// maxPlatforms bounds the questions that one index costs.
const maxPlatforms = 64

// Resolve asks a registry what a reference stands for, on every platform.
func Resolve(ctx context.Context, reference string) (Resolved, error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return Resolved{}, fmt.Errorf("image %q is not a reference: %w", reference, err)
	}
	d, err := remote.Get(ref, RemoteOptions(ctx)...)
	if err != nil {
		return Resolved{}, fmt.Errorf("asking the registry for %s: %w", reference, err)
	}
	out := Resolved{Digest: d.Digest.String()}
	if !d.MediaType.IsIndex() {
		img, err := d.Image()
		if err != nil {
			return Resolved{}, fmt.Errorf("reading the manifest of %s: %w", reference, err)
		}
		err = out.add(reference, img, nil)
		return out, err
	}
	err = out.addAll(reference, d)
	return out, err
}

func (r *Resolved) addAll(reference string, d *remote.Descriptor) error {
	index, err := d.ImageIndex()
	if err != nil {
		return fmt.Errorf("reading the index of %s: %w", reference, err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return fmt.Errorf("reading the index of %s: %w", reference, err)
	}
	if len(manifest.Manifests) > maxPlatforms {
		return fmt.Errorf("reading the index of %s: it has %d entries", reference, len(manifest.Manifests))
	}
	for _, m := range manifest.Manifests {
		if !m.MediaType.IsImage() || m.Platform != nil && m.Platform.OS == "unknown" {
			continue // attestations
		}
		img, err := index.Image(m.Digest)
		if err != nil {
			return fmt.Errorf("reading the manifest of %s: %w", reference, err)
		}
		if err := r.add(reference, img, m.Platform); err != nil {
			return err
		}
	}
	return nil
}

func (r *Resolved) add(reference string, img v1.Image, p *v1.Platform) error {
	manifest, err := img.Manifest()
	if err != nil {
		return fmt.Errorf("reading the manifest of %s: %w", reference, err)
	}
	digest, err := img.Digest()
	if err != nil {
		return fmt.Errorf("reading the manifest of %s: %w", reference, err)
	}
	if p == nil || r.BaseName == "" {
		config, err := img.ConfigFile()
		if err != nil {
			return fmt.Errorf("reading the configuration of %s: %w", reference, err)
		}
		if p == nil {
			p = config.Platform()
		}
		for _, from := range []map[string]string{config.Config.Labels, manifest.Annotations} {
			if from[annotationBaseName] != "" {
				r.BaseName, r.BaseDigest = from[annotationBaseName], from[annotationBaseDigest]
			}
		}
	}
	platform := ""
	if p != nil {
		platform = p.String()
	}
	r.Platforms = append(r.Platforms, PlatformDigests{Platform: platform, Manifest: digest.String(), Config: manifest.Config.Digest.String()})
	return nil
}

// Mirrored returns the reference at the mirror that stands in for its registry. The longest rule wins; without one
// the reference stays as it is.
func Mirrored(reference string, mirrors map[string]string) (string, error) {
	repository, err := Repository(reference)
	if err != nil {
		return "", err
	}
	best := ""
	for from := range mirrors {
		from := strings.TrimSuffix(from, "/")
		if (repository == from || strings.HasPrefix(repository, from+"/")) && len(from) > len(best) {
			best = from
		}
	}
	if best == "" {
		return reference, nil
	}
	ref, err := name.ParseReference(reference)
	if err != nil {
		return "", fmt.Errorf("image %q is not a reference: %w", reference, err)
	}
	separator := ":"
	if _, ok := ref.(name.Digest); ok {
		separator = "@"
	}
	return strings.TrimSuffix(mirrors[best], "/") + strings.TrimPrefix(repository, best) + separator + ref.Identifier(), nil
}

// Repository returns registry and repository of a reference in full, such as index.docker.io/library/redis. Docker's
// own name for its registry is docker.io, which is what people write in rules.
func Repository(reference string) (string, error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return "", fmt.Errorf("image %q is not a reference: %w", reference, err)
	}
	registry := ref.Context().RegistryStr()
	if registry == name.DefaultRegistry {
		registry = "docker.io"
	}
	return registry + "/" + ref.Context().RepositoryStr(), nil
}

// Full returns a reference in full: two that are written otherwise and mean the same are equal.
func Full(reference string) (string, error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return "", fmt.Errorf("image %q is not a reference: %w", reference, err)
	}
	return ref.Name(), nil
}

// Registry returns the registry of a reference, as Docker names it: docker.io where none is said.
func Registry(reference string) (string, error) {
	repository, err := Repository(reference)
	registry, _, _ := strings.Cut(repository, "/")
	return registry, err
}
