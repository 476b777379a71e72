package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/hsectl/hsectl/internal/image"
)

// Bounds on images.tar. Members are counted at the size that they have when they are unpacked.
const (
	maxMembers  = 1 << 17
	maxUnpacked = 64 << 30 // of all images
	maxSmall    = 4 << 20  // of a member that describes images
	maxSmalls   = 256 << 20
)

// Members that say which images there are: those of docker save, of OCI layouts, and of engines before both.
const (
	savedName  = "manifest.json"
	layoutName = "index.json"
	legacyName = "repositories"
	blobsDir   = "blobs/sha256/"
)

// archive is what is known of images.tar after it was read to its end.
type archive struct {
	listed []Image
	seen   map[string]bool
	small  map[string][]byte // members that may describe images, by name
	held   int64             // bytes of them
	ids    map[string]bool   // digests of manifests and configurations that were found to be those of a listed image, by reference and digest
	size   int64             // bytes of all members, unpacked
}

// checkImages reads images.tar to its end. It refuses what an engine would load in addition to the listed images, or in the
// place of one: another tag, another configuration, a member under a name that is not what it seems.
func checkImages(r io.Reader, listed []Image) error {
	a := archive{listed: listed, seen: map[string]bool{}, small: map[string][]byte{}, ids: map[string]bool{}}
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrDamaged, ImagesName, err)
		}
		if err := a.member(h, t); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrDamaged, ImagesName, err)
		}
	}
	if err := a.judge(); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrDamaged, ImagesName, err)
	}
	return nil
}

// member takes in one entry.
func (a *archive) member(h *tar.Header, content io.Reader) error {
	name := strings.TrimSuffix(strings.TrimPrefix(h.Name, "./"), "/")
	if name == "" || name == "." {
		return nil
	}
	directory := h.Typeflag == tar.TypeDir
	switch {
	case !local(name), a.seen[name] && !directory:
		return fmt.Errorf("it has %q twice, or in a place outside", h.Name)
	case len(a.seen) == maxMembers:
		return fmt.Errorf("it has more than %d members", maxMembers)
	case directory:
		a.seen[name] = true
		return nil
	case h.Typeflag == tar.TypeSymlink && path.Base(name) == "layer.tar": // engines before 25 save a layer once
		a.seen[name] = true
		return nil
	case h.Typeflag != tar.TypeReg || sparse(h):
		return fmt.Errorf("%q is no plain file", h.Name)
	}
	a.seen[name] = true
	beginning := make([]byte, 512)
	n, err := io.ReadFull(content, beginning)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	whole := io.MultiReader(bytes.NewReader(beginning[:n]), content)
	text := bytes.TrimLeft(beginning[:n], " \t\r\n")
	switch {
	case h.Size <= maxSmall && len(text) > 0 && (text[0] == '{' || text[0] == '['):
		if a.held += h.Size; a.held > maxSmalls {
			return errors.New("it describes too many images")
		}
		data, err := io.ReadAll(whole)
		a.small[name] = data
		return errors.Join(err, a.count(h.Size))
	case n >= 2 && beginning[0] == 0x1f && beginning[1] == 0x8b:
		unpacked, err := gzip.NewReader(whole)
		if err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		return a.layer(name, unpacked)
	case n >= 4 && string(beginning[:4]) == "\x28\xb5\x2f\xfd":
		unpacked, err := zstd.NewReader(whole, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		defer unpacked.Close()
		return a.layer(name, unpacked)
	case n == 512 && string(beginning[257:262]) == "ustar":
		return a.layer(name, whole)
	}
	return a.count(h.Size)
}

// layer counts the files of a layer at their full size: a hole takes no room in an archive, and all of it on an engine.
func (a *archive) layer(name string, r io.Reader) error {
	bounded := &io.LimitedReader{R: r, N: maxUnpacked - a.size + 1}
	t := tar.NewReader(bounded)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) || errors.Is(err, tar.ErrHeader) { // what is no layer has no files
			break
		}
		if err == nil {
			err = a.count(h.Size)
		}
		if bounded.N <= 0 {
			err = errTooLarge
		}
		if err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
	}
	if _, err := io.Copy(io.Discard, bounded); err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	if bounded.N <= 0 {
		return fmt.Errorf("%q: %w", name, errTooLarge)
	}
	return nil
}

var errTooLarge = fmt.Errorf("unpacked it is larger than %d GiB", maxUnpacked>>30)

func (a *archive) count(size int64) error {
	if size < 0 || size > maxUnpacked-a.size {
		return errTooLarge
	}
	a.size += size
	return nil
}

// sparse tells a member with holes: of these an archive says less than what comes out of it.
func sparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// judge compares what an engine would load with what is listed. Which of the descriptions it reads depends on the engine, so all
// of them have to agree.
func (a *archive) judge() error {
	for _, name := range []string{savedName, layoutName, legacyName} {
		if _, read := a.small[name]; a.seen[name] && !read {
			return fmt.Errorf("%s cannot be read", name)
		}
	}
	tagged := map[string]bool{}
	if data, ok := a.small[savedName]; ok {
		if err := a.saved(data, tagged); err != nil {
			return err
		}
	}
	if data, ok := a.small[layoutName]; ok {
		if err := a.layout(data, tagged); err != nil {
			return err
		}
	}
	if data, ok := a.small[legacyName]; ok {
		if err := a.legacy(data); err != nil {
			return err
		}
	}
	for _, i := range a.listed {
		if !tagged[i.Reference] {
			return fmt.Errorf("it has no image %s", i.Reference)
		}
		if i.ID != i.Config && !a.ids[i.Reference+" "+i.ID] { // a lock is compared with it
			return fmt.Errorf("%s is not the image %s of the manifest of the bundle", i.Reference, i.ID)
		}
	}
	return nil
}

// saved reads the description of docker save.
func (a *archive) saved(data []byte, tagged map[string]bool) error {
	var entries []struct {
		Config   string
		RepoTags []string
	}
	if err := json.Unmarshal(data, &entries); err != nil {
		return fmt.Errorf("reading %s: %w", savedName, err)
	}
	for _, e := range entries {
		config, ok := a.small[strings.TrimPrefix(e.Config, "./")]
		if !ok {
			return fmt.Errorf("%s names a configuration %q that is not there", savedName, e.Config)
		}
		if err := a.tags(e.RepoTags, []string{digest(config)}, tagged); err != nil {
			return err
		}
	}
	return nil
}

// descriptor is one of the OCI image specification (descriptor.md), with the annotations by which engines name an image.
type descriptor struct {
	Digest      string            `json:"digest"`
	Annotations map[string]string `json:"annotations"`
}

// layout reads the description of an OCI layout.
func (a *archive) layout(data []byte, tagged map[string]bool) error {
	var index struct {
		Manifests []descriptor `json:"manifests"`
	}
	if err := json.Unmarshal(data, &index); err != nil {
		return fmt.Errorf("reading %s: %w", layoutName, err)
	}
	for _, d := range index.Manifests {
		var tags []string
		for _, key := range []string{"io.containerd.image.name", "org.opencontainers.image.ref.name"} {
			if name := d.Annotations[key]; name != "" {
				tags = []string{name}
				break
			}
		}
		configs, err := a.configs(d.Digest, 0)
		if err != nil {
			return err
		}
		if err := a.tags(tags, configs, tagged); err != nil {
			return err
		}
		for _, i := range a.listed {
			if slices.Contains(configs, i.Config) {
				a.ids[i.Reference+" "+d.Digest] = true
			}
		}
	}
	return nil
}

// maxNested is how deep indexes of images may be nested.
const maxNested = 4

// configs returns the digests of the configurations to which a descriptor leads. Of an index only the images of one platform
// may be there.
func (a *archive) configs(of string, depth int) ([]string, error) {
	name, ok := strings.CutPrefix(of, "sha256:")
	data, here := a.small[blobsDir+name]
	if !ok || !here {
		return nil, nil
	}
	if digest(data) != of {
		return nil, fmt.Errorf("the content of %s is another", of)
	}
	var m struct {
		Config    *descriptor  `json:"config"`
		Manifests []descriptor `json:"manifests"`
	}
	if err := json.Unmarshal(data, &m); err != nil || depth > maxNested {
		return nil, fmt.Errorf("%s is no manifest", of)
	}
	var out []string
	if m.Config != nil {
		out = append(out, m.Config.Digest)
	}
	for _, d := range m.Manifests {
		inner, err := a.configs(d.Digest, depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, inner...)
	}
	return out, nil
}

// legacy reads the description of engines before 1.10: repository, tag, id.
func (a *archive) legacy(data []byte) error {
	var repositories map[string]map[string]string
	if err := json.Unmarshal(data, &repositories); err != nil {
		return fmt.Errorf("reading %s: %w", legacyName, err)
	}
	for repository, tags := range repositories {
		for tag := range tags {
			if _, ok := a.find(repository + ":" + tag); !ok {
				return fmt.Errorf("%w %q", errUnlisted, repository+":"+tag)
			}
		}
	}
	return nil
}

var errUnlisted = errors.New("the manifest of the bundle does not list the image")

// tags refuses names and images that are not listed.
func (a *archive) tags(names, configs []string, tagged map[string]bool) error {
	for _, name := range names {
		i, ok := a.find(name)
		if !ok {
			return fmt.Errorf("%w %q", errUnlisted, name)
		}
		if !slices.Contains(configs, i.Config) {
			return fmt.Errorf("%s is another image than the one that the manifest of the bundle lists", i.Reference)
		}
		tagged[i.Reference] = true
	}
	known := slices.ContainsFunc(a.listed, func(i Image) bool { return slices.Contains(configs, i.Config) })
	if len(names) == 0 && !known {
		return fmt.Errorf("%w with the configurations %v", errUnlisted, configs)
	}
	return nil
}

// find returns the listed image of a name, however it is written.
func (a *archive) find(name string) (Image, bool) {
	full, err := image.Full(name)
	if err != nil {
		return Image{}, false
	}
	for _, i := range a.listed {
		if other, err := image.Full(i.Reference); err == nil && other == full {
			return i, true
		}
	}
	return Image{}, false
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}
