package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Image is an image whose content can be read, wherever it is.
type Image struct {
	Name   string
	Digest string // of its manifest or, when there is none, its configuration
	Config Config
	Layers []Layer
	close  func() error
}

// Config is what an image says about itself.
type Config struct {
	Created      time.Time         `json:"created"`
	OS           string            `json:"os"`
	Architecture string            `json:"architecture"`
	User         string            `json:"user,omitempty"`
	Env          []string          `json:"env,omitempty"`
	Labels       map[string]string `json:"labels,omitempty"`
	Ports        []string          `json:"ports,omitempty"`
	Volumes      []string          `json:"volumes,omitempty"`
	History      []Step            `json:"history,omitempty"`
	DiffIDs      []string          `json:"diffIds"`
	Health       bool              `json:"health,omitempty"`
}

// Step is one step of the image's making.
type Step struct {
	CreatedBy string `json:"createdBy"`
	Layer     int    `json:"layer"` // index of the layer that it made, or -1
}

// Layer is one layer. Open returns it unpacked.
type Layer struct {
	DiffID string
	Open   func() (io.ReadCloser, error)
}

// Close releases what reading the image took.
func (i Image) Close() error {
	if i.close == nil {
		return nil
	}
	return i.close()
}

// WithClose returns the image with what is to be released after it was read.
func (i Image) WithClose(f func() error) Image {
	i.close = f
	return i
}

// Maker returns the step that made a layer, as its Dockerfile has it, or nothing.
func (c Config) Maker(layer int) string {
	for _, s := range c.History {
		if s.Layer == layer {
			return s.CreatedBy
		}
	}
	return ""
}

// ErrDigest is an image whose parts do not have the digests by which they are named.
var ErrDigest = errors.New("the content does not match its digest")

// Platform is what an image is for.
type Platform struct{ OS, Arch string }

func (p Platform) v1() v1.Platform { return v1.Platform{OS: p.OS, Architecture: p.Arch} }

// registryHeaderTime bounds how long a registry may take to begin an answer.
const registryHeaderTime = 30 * time.Second

// RemoteOptions ask a registry with the credentials of Docker's own configuration and helpers.
func RemoteOptions(ctx context.Context) []remote.Option {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = registryHeaderTime
	return []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain), remote.WithTransport(transport)}
}

// FromRegistry opens an image in its registry.
func FromRegistry(ctx context.Context, reference string, p Platform) (Image, error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return Image{}, fmt.Errorf("image %q is not a reference: %w", reference, err)
	}
	img, err := remote.Image(ref, append(RemoteOptions(ctx), remote.WithPlatform(p.v1()))...)
	if err != nil {
		return Image{}, fmt.Errorf("asking the registry for %s: %w", reference, err)
	}
	return newImage(reference, img)
}

// FromTar opens a tar file as docker save writes it.
func FromTar(path string) (Image, error) {
	img, err := tarball.ImageFromPath(path, nil)
	if err != nil {
		return Image{}, fmt.Errorf("opening image %s: %w", path, err)
	}
	return newSaved(filepath.Base(path), img)
}

// FromTarTagged opens one of several images in a tar file of docker save.
func FromTarTagged(path, reference string) (Image, error) {
	tag, err := name.NewTag(reference)
	if err != nil {
		return Image{}, fmt.Errorf("image %q has no tag: %w", reference, err)
	}
	img, err := tarball.ImageFromPath(path, &tag)
	if err != nil {
		return Image{}, fmt.Errorf("opening image %s: %w", reference, err)
	}
	return newSaved(reference, img)
}

// FromLayout opens a directory in the OCI layout.
func FromLayout(path string, p Platform) (Image, error) {
	index, err := layout.ImageIndexFromPath(path)
	if err != nil {
		return Image{}, fmt.Errorf("opening the OCI layout %s: %w", path, err)
	}
	img, err := choose(index, p, 0)
	if err != nil {
		return Image{}, fmt.Errorf("opening the OCI layout %s: %w", path, err)
	}
	return newImage(filepath.Base(path), img)
}

// maxNesting is more than any index of indexes needs.
const maxNesting = 4

// choose returns the image of a platform, or the only one.
func choose(index v1.ImageIndex, p Platform, depth int) (v1.Image, error) {
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	if depth > maxNesting {
		return nil, errors.New("its indexes are nested too deeply")
	}
	var images []v1.Descriptor
	for _, d := range manifest.Manifests {
		switch {
		case d.MediaType.IsIndex():
			inner, err := index.ImageIndex(d.Digest)
			if err != nil {
				return nil, err
			}
			return choose(inner, p, depth+1)
		case d.Platform != nil && d.Platform.Satisfies(p.v1()):
			return index.Image(d.Digest)
		case d.MediaType.IsImage() && (d.Platform == nil || d.Platform.OS != "unknown"):
			images = append(images, d)
		}
	}
	if len(images) != 1 {
		return nil, fmt.Errorf("it has %d images, none of them for %s/%s", len(images), p.OS, p.Arch)
	}
	return index.Image(images[0].Digest)
}

// newImage opens an image that has a manifest, and checks that its configuration is the one that it names.
func newImage(named string, img v1.Image) (Image, error) {
	raw, err := img.RawConfigFile()
	if err != nil {
		return Image{}, fmt.Errorf("reading the configuration of %s: %w", named, err)
	}
	manifest, err := img.Manifest()
	if err != nil {
		return Image{}, fmt.Errorf("reading the manifest of %s: %w", named, err)
	}
	if sum, _, err := v1.SHA256(bytes.NewReader(raw)); err != nil || sum != manifest.Config.Digest {
		return Image{}, fmt.Errorf("reading the configuration of %s: %w", named, ErrDigest)
	}
	digest, err := img.Digest()
	if err != nil {
		return Image{}, fmt.Errorf("reading the manifest of %s: %w", named, err)
	}
	return withLayers(named, digest, img)
}

// newSaved opens an image of docker save. It has no manifest of its own, and making one would compress every layer:
// its name is the digest of its configuration, as it is for graph drivers.
func newSaved(named string, img v1.Image) (Image, error) {
	digest, err := img.ConfigName()
	if err != nil {
		return Image{}, fmt.Errorf("reading the configuration of %s: %w", named, err)
	}
	return withLayers(named, digest, img)
}

func withLayers(named string, digest v1.Hash, img v1.Image) (Image, error) {
	file, err := img.ConfigFile()
	if err != nil {
		return Image{}, fmt.Errorf("reading the configuration of %s: %w", named, err)
	}
	layers, err := img.Layers()
	if err != nil {
		return Image{}, fmt.Errorf("reading the layers of %s: %w", named, err)
	}
	out := Image{Name: named, Digest: digest.String(), Config: newConfig(file)}
	if len(layers) != len(out.Config.DiffIDs) {
		return Image{}, fmt.Errorf("reading %s: it has %d layers, its configuration %d", named, len(layers), len(out.Config.DiffIDs))
	}
	for i, l := range layers {
		out.Layers = append(out.Layers, Layer{DiffID: out.Config.DiffIDs[i], Open: l.Uncompressed})
	}
	return out, nil
}

func newConfig(f *v1.ConfigFile) Config {
	out := Config{Created: f.Created.Time, OS: f.OS, Architecture: f.Architecture, User: f.Config.User, Env: f.Config.Env,
		Labels: f.Config.Labels, Health: f.Config.Healthcheck != nil}
	for port := range f.Config.ExposedPorts {
		out.Ports = append(out.Ports, port)
	}
	for volume := range f.Config.Volumes {
		out.Volumes = append(out.Volumes, volume)
	}
	for _, d := range f.RootFS.DiffIDs {
		out.DiffIDs = append(out.DiffIDs, d.String())
	}
	layer := 0
	for _, h := range f.History {
		step := Step{CreatedBy: h.CreatedBy, Layer: -1}
		if !h.EmptyLayer && layer < len(out.DiffIDs) {
			step.Layer = layer
			layer++
		}
		out.History = append(out.History, step)
	}
	return out
}

// Known returns an image whose layers need not be read again.
func Known(named, digest string, c Config) Image {
	out := Image{Name: named, Digest: digest, Config: c}
	for _, id := range c.DiffIDs {
		out.Layers = append(out.Layers, Layer{DiffID: id, Open: func() (io.ReadCloser, error) {
			return nil, fmt.Errorf("layer %s is no longer cached; scan again", id)
		}})
	}
	return out
}
