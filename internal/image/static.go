// Package image knows images by their registry names and contents: it checks references and makes the one-file
// images that hsectl runs on an engine for itself. It owns go-containerregistry.
package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Check reports whether a reference is well formed.
func Check(reference string) error {
	if _, err := name.ParseReference(reference); err != nil {
		return fmt.Errorf("image %q is not a reference: %w", reference, err)
	}
	return nil
}

// Static is an image of one statically linked program. Only writing it makes it: an engine mostly has it already.
type Static struct {
	Reference string // named after the content, so that the same program is loaded once

	repository, os, arch string
	program              []byte
}

// NewStatic describes an image whose only file is /program. Repository names it; os and arch are the engine's.
func NewStatic(repository, os, arch string, program []byte) Static {
	sum := sha256.Sum256(program)
	return Static{Reference: repository + ":" + hex.EncodeToString(sum[:6]), repository: repository, os: os, arch: arch, program: program}
}

func (s Static) image() (v1.Image, error) {
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	// /proc must exist for the engine to mount it when the root is read-only.
	for _, dir := range []string{"proc/", "sys/", "dev/", "etc/"} {
		if err := w.WriteHeader(&tar.Header{Name: dir, Typeflag: tar.TypeDir, Mode: 0o755}); err != nil {
			return nil, err
		}
	}
	if err := w.WriteHeader(&tar.Header{Name: "program", Mode: 0o755, Size: int64(len(s.program))}); err != nil {
		return nil, err
	}
	if _, err := w.Write(s.program); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	content := layer.Bytes()
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
		tarball.WithCompressionLevel(1)) // it only crosses a socket
	if err != nil {
		return nil, err
	}
	img, err := mutate.AppendLayers(empty.Image, l)
	if err != nil {
		return nil, err
	}
	return mutate.ConfigFile(img, &v1.ConfigFile{OS: s.os, Architecture: s.arch,
		RootFS: mustRootFS(img), Config: v1.Config{Entrypoint: []string{"/program"}}})
}

// mustRootFS returns the layers of an image built in memory, which cannot fail to be read.
func mustRootFS(img v1.Image) v1.RootFS {
	config, err := img.ConfigFile()
	if err != nil {
		return v1.RootFS{Type: "layers"}
	}
	return config.RootFS
}

// Layers are the digests of the uncompressed layers of the image, which follow from its content and by which every engine tells them.
// Its ids do not: an engine that keeps manifests writes its own, in its own words.
func (s Static) Layers() ([]string, error) {
	img, err := s.image()
	if err != nil {
		return nil, fmt.Errorf("making image %s: %w", s.repository, err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading image %s: %w", s.repository, err)
	}
	var out []string
	for _, layer := range config.RootFS.DiffIDs {
		out = append(out, layer.String())
	}
	return out, nil
}

// Write writes the image in the form that an engine loads.
func (s Static) Write(w io.Writer) error {
	tag, err := name.NewTag(s.Reference)
	if err != nil {
		return fmt.Errorf("naming image %s: %w", s.Reference, err)
	}
	img, err := s.image()
	if err != nil {
		return fmt.Errorf("making image %s: %w", s.repository, err)
	}
	if err := tarball.Write(tag, img, w); err != nil {
		return fmt.Errorf("writing image %s: %w", s.Reference, err)
	}
	return nil
}
