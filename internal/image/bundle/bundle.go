// Package bundle is one archive of everything that a stack needs where there is no network: images, the rendered
// files, the lock and bills of materials. It only reads and writes streams. The first entry lists the checksums of
// all others, so that a bundle that was cut or changed is refused.
package bundle

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Names of entries.
const (
	ManifestName = "bundle.json"
	ImagesName   = "images.tar"
)

// maxFile bounds every entry but the images.
const maxFile = 64 << 20

// apiVersion of the format.
const apiVersion = "hsectl/v1"

// Manifest says what is in a bundle.
type Manifest struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Stack      string            `json:"stack"`
	Version    string            `json:"version"` // of the program that wrote it
	Created    time.Time         `json:"created"`
	Images     []Image           `json:"images"` // in images.tar
	Profile    Profile           `json:"profile"`
	Sums       map[string]string `json:"sums"` // sha256 of every other entry
}

// Image is an image in images.tar. An engine knows it by the digest of its configuration, or of a manifest.
type Image struct {
	Reference string `json:"reference"`
	ID        string `json:"id"`     // of the engine that it was saved from
	Config    string `json:"config"` // digest of the configuration, which is the same on every engine
}

// Profile says how the profile was read, so that it is read the same way again. Files are entries of the bundle.
type Profile struct {
	Files       []string `json:"files"` // the profile, and what is laid over it
	Environment string   `json:"environment,omitempty"`
	Set         []string `json:"set,omitempty"`
}

// File is a small entry.
type File struct {
	Path string
	Data []byte
}

// ErrDamaged is a bundle whose entries are not those that its manifest lists.
var ErrDamaged = errors.New("the bundle is damaged")

// Sum returns the checksum of a stream, as the manifest has it.
func Sum(r io.Reader) (string, error) {
	sum := sha256.New()
	if _, err := io.Copy(sum, r); err != nil {
		return "", fmt.Errorf("reading what goes into the bundle: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// Write writes a bundle. Images is read twice, so that its checksum stands before it.
func Write(w io.Writer, m Manifest, files []File, images io.ReadSeeker) error {
	m.APIVersion, m.Kind, m.Sums = apiVersion, "Bundle", map[string]string{}
	for _, f := range files {
		sum, err := Sum(bytes.NewReader(f.Data))
		if err != nil {
			return err
		}
		m.Sums[f.Path] = sum
	}
	sum, err := Sum(images)
	if err != nil {
		return err
	}
	m.Sums[ImagesName] = sum
	size, err := images.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = images.Seek(0, io.SeekStart)
	}
	if err != nil {
		return fmt.Errorf("reading the images: %w", err)
	}
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the manifest: %w", err)
	}
	t := tar.NewWriter(w)
	for _, f := range slices.Concat([]File{{ManifestName, data}}, files) {
		if err := add(t, f.Path, int64(len(f.Data)), m.Created, bytes.NewReader(f.Data)); err != nil {
			return err
		}
	}
	if err := add(t, ImagesName, size, m.Created, images); err != nil {
		return err
	}
	if err := t.Close(); err != nil {
		return fmt.Errorf("writing the bundle: %w", err)
	}
	return nil
}

func add(t *tar.Writer, name string, size int64, at time.Time, r io.Reader) error {
	err := t.WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o644, ModTime: at, Typeflag: tar.TypeReg})
	if err == nil {
		_, err = io.Copy(t, r)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

// Read reads a bundle and hands the images to load as they come. Files are returned after everything has been
// compared with the manifest. Load may have been called when an error is returned: images that nothing refers to do
// no harm, but nothing else may be used then.
func Read(r io.Reader, load func(io.Reader) error) (Manifest, []File, error) {
	t := tar.NewReader(r)
	m, err := readManifest(t)
	if err != nil {
		return Manifest{}, nil, err
	}
	var files []File
	seen := map[string]bool{}
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Manifest{}, nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		want, listed := m.Sums[h.Name]
		if !listed || seen[h.Name] || h.Typeflag != tar.TypeReg || !local(h.Name) {
			return Manifest{}, nil, fmt.Errorf("%w: its manifest does not list %q", ErrDamaged, h.Name)
		}
		seen[h.Name] = true
		f, err := readEntry(t, h, want, load)
		if err != nil {
			return Manifest{}, nil, err
		}
		if h.Name != ImagesName {
			files = append(files, f)
		}
	}
	if len(seen) != len(m.Sums) {
		return Manifest{}, nil, fmt.Errorf("%w: %d of its %d entries are there", ErrDamaged, len(seen), len(m.Sums))
	}
	return m, files, nil
}

func readManifest(t *tar.Reader) (Manifest, error) {
	h, err := t.Next()
	if err != nil || h.Name != ManifestName {
		return Manifest{}, fmt.Errorf("%w: it does not begin with %s", ErrDamaged, ManifestName)
	}
	var m Manifest
	if err := json.NewDecoder(io.LimitReader(t, maxFile)).Decode(&m); err != nil {
		return Manifest{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if m.APIVersion != apiVersion || m.Kind != "Bundle" {
		return Manifest{}, fmt.Errorf("%w: it is %s %s, not %s Bundle", ErrDamaged, m.APIVersion, m.Kind, apiVersion)
	}
	return m, nil
}

func readEntry(t io.Reader, h *tar.Header, want string, load func(io.Reader) error) (File, error) {
	sum := sha256.New()
	tee := io.TeeReader(t, sum)
	var data []byte
	var err error
	switch {
	case h.Name == ImagesName:
		if err = load(tee); err == nil {
			_, err = io.Copy(io.Discard, tee)
		}
	case h.Size > maxFile:
		err = fmt.Errorf("%w: %s is too large", ErrDamaged, h.Name)
	default:
		data, err = io.ReadAll(tee)
	}
	if err != nil {
		return File{}, fmt.Errorf("reading %s: %w", h.Name, err)
	}
	if hex.EncodeToString(sum.Sum(nil)) != want {
		return File{}, fmt.Errorf("%w: %s is not what the manifest lists", ErrDamaged, h.Name)
	}
	return File{h.Name, data}, nil
}

// local tells whether a name stays within the directory that the bundle is unpacked to.
func local(name string) bool {
	if name == "" || strings.HasPrefix(name, "/") || strings.ContainsAny(name, "\\:\x00") {
		return false
	}
	return !slices.ContainsFunc(strings.Split(name, "/"), func(part string) bool { return part == "" || part == "." || part == ".." })
}
