// Package bundle is one archive of everything that a stack needs where there is no network: images, the rendered
// files, the lock and bills of materials. It only reads and writes streams. The first entry lists the checksums of
// all others and the images, so that a bundle that was cut or changed, or that would bring other images, is refused.
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

// maxFile bounds every entry but the images, and maxFiles all of them together.
const (
	maxFile  = 64 << 20
	maxFiles = 1 << 30
)

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

// Read reads a bundle to its end and compares all of it with its manifest: every entry, and the images that an engine would
// load. It loads nothing, so that a bundle that is refused has changed nothing.
func Read(r io.Reader) (Manifest, []File, error) {
	t := tar.NewReader(r)
	m, err := readManifest(t)
	if err != nil {
		return Manifest{}, nil, err
	}
	var files []File
	seen, size := map[string]bool{}, int64(0)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Manifest{}, nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		want, listed := m.Sums[h.Name]
		if !listed || seen[h.Name] || h.Typeflag != tar.TypeReg || sparse(h) || !local(h.Name) {
			return Manifest{}, nil, fmt.Errorf("%w: its manifest does not list %q", ErrDamaged, h.Name)
		}
		seen[h.Name] = true
		if h.Name == ImagesName {
			check := func(r io.Reader) error { return checkImages(r, m.Images) }
			if err := readImages(t, want, check); err != nil {
				return Manifest{}, nil, err
			}
			continue
		}
		if size += h.Size; h.Size > maxFile || size > maxFiles {
			return Manifest{}, nil, fmt.Errorf("%w: %s is too large", ErrDamaged, h.Name)
		}
		data, err := io.ReadAll(t)
		if err != nil {
			return Manifest{}, nil, fmt.Errorf("%w: reading %s: %w", ErrDamaged, h.Name, err)
		}
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != want {
			return Manifest{}, nil, fmt.Errorf("%w: %s is not what the manifest lists", ErrDamaged, h.Name)
		}
		files = append(files, File{h.Name, data})
	}
	if len(seen) != len(m.Sums) || !seen[ImagesName] {
		return Manifest{}, nil, fmt.Errorf("%w: %d of its %d entries are there", ErrDamaged, len(seen), len(m.Sums))
	}
	return m, files, nil
}

// LoadImages hands the images of a bundle that Read has found whole to load. It fails when the file is another one by now.
func LoadImages(r io.Reader, m Manifest, load func(io.Reader) error) error {
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if err != nil {
			return fmt.Errorf("%w: looking for its images: %w", ErrDamaged, err)
		}
		if h.Name == ImagesName {
			return readImages(t, m.Sums[ImagesName], load)
		}
	}
}

// readImages lets use have images.tar, and compares all of it with its checksum.
func readImages(t io.Reader, want string, use func(io.Reader) error) error {
	sum := sha256.New()
	tee := io.TeeReader(t, sum)
	err := use(tee)
	if err == nil {
		_, err = io.Copy(io.Discard, tee)
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", ImagesName, err)
	}
	if hex.EncodeToString(sum.Sum(nil)) != want {
		return fmt.Errorf("%w: %s is not what the manifest lists", ErrDamaged, ImagesName)
	}
	return nil
}

func readManifest(t *tar.Reader) (Manifest, error) {
	h, err := t.Next()
	if err != nil || h.Name != ManifestName || h.Typeflag != tar.TypeReg || sparse(h) || h.Size > maxFile {
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

// local tells whether a name stays within the directory that the bundle is unpacked to.
func local(name string) bool {
	if name == "" || strings.HasPrefix(name, "/") || strings.ContainsAny(name, "\\:\x00") {
		return false
	}
	return !slices.ContainsFunc(strings.Split(name, "/"), func(part string) bool { return part == "" || part == "." || part == ".." })
}
