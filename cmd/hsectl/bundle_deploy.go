package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/image/bundle"
)

// age is how old something may be.
type age = time.Duration

// bundled is a bundle that was found whole.
type bundled struct {
	file     *os.File
	dir      string // where the bundle is: files of secrets are looked for beside it
	manifest bundle.Manifest
	files    map[string][]byte
}

// openBundle reads a bundle to its end before anything is believed, and the profile in it as it was read when the
// bundle was written. The profile is laid into a directory of its own, which goes with the function that is returned.
func openBundle(name string) (l loaded, done func(), err error) {
	fail := func(err error) (loaded, func(), error) { return loaded{}, nil, err }
	f, err := os.Open(name)
	if err != nil {
		return fail(&usageError{fmt.Errorf("opening the bundle: %w", err), "write one with: hsectl bundle write"})
	}
	b := &bundled{file: f, dir: filepath.Dir(name), files: map[string][]byte{}}
	dir, err := os.MkdirTemp("", "hsectl-bundle-*")
	if err != nil {
		return fail(errors.Join(fmt.Errorf("making a directory for the bundle's profile: %w", err), f.Close()))
	}
	release := func() { _ = errors.Join(f.Close(), os.RemoveAll(dir)) }
	defer func() {
		if err != nil {
			release()
		}
	}()
	drain := func(r io.Reader) error { _, err := io.Copy(io.Discard, r); return err }
	m, files, err := bundle.Read(f, drain)
	if err != nil {
		return fail(&usageError{fmt.Errorf("reading the bundle %s: %w", name, err), "nothing was changed; carry the file over again"})
	}
	b.manifest = m
	var profile []generate.File
	for _, file := range files {
		b.files[file.Path] = file.Data
		profile = append(profile, generate.File{Path: file.Path, Data: file.Data})
	}
	if err := host.WriteTree(dir, profile); err != nil {
		return fail(err)
	}
	from := selection{environment: m.Profile.Environment, set: m.Profile.Set}
	for _, file := range m.Profile.Files {
		if _, ok := b.files[file]; !ok {
			return fail(&usageError{fmt.Errorf("reading the bundle %s: %w: it has no profile %q", name, bundle.ErrDamaged, file), ""})
		}
		from.files = append(from.files, filepath.Join(dir, filepath.FromSlash(file)))
	}
	if len(from.files) == 0 {
		return fail(&usageError{fmt.Errorf("reading the bundle %s: %w: it names no profile", name, bundle.ErrDamaged), ""})
	}
	if l, err = load(from); err != nil {
		return fail(err)
	}
	l.bundled = b
	return l, release, nil
}

// image returns what the manifest says of a reference.
func (b *bundled) image(reference string) bundle.Image {
	i := slices.IndexFunc(b.manifest.Images, func(i bundle.Image) bool { return i.Reference == reference })
	if i < 0 {
		return bundle.Image{}
	}
	return b.manifest.Images[i]
}

// bring loads the images, unless the engine has all of them, and sees that each name means the image of the bundle.
// Names stay without digests: an engine that loads an image knows none of a registry.
func (b *bundled) bring(ctx context.Context, s streams, engine *docker.Engine) error {
	wrong, err := b.differing(ctx, engine)
	if err != nil || len(wrong) == 0 {
		return err
	}
	if _, err := b.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("reading the bundle again: %w", err)
	}
	s.say("loading %s", count(len(b.manifest.Images), "image"))
	if _, _, err := bundle.Read(b.file, func(r io.Reader) error { return engine.Load(ctx, r) }); err != nil {
		return fmt.Errorf("loading the bundle: %w", err)
	}
	if wrong, err = b.differing(ctx, engine); err != nil || len(wrong) == 0 {
		return err
	}
	return fmt.Errorf("loading the bundle: %w: the engine's %s is another image than the one that the manifest lists", bundle.ErrDamaged, wrong[0])
}

// differing are the references that do not mean the images of the bundle on the engine. The id of an image depends on
// how an engine stores it; the digest of its configuration does not, and is looked up when the ids differ.
func (b *bundled) differing(ctx context.Context, engine *docker.Engine) ([]string, error) {
	var out []string
	for _, i := range b.manifest.Images {
		facts, err := engine.ImageFacts(ctx, i.Reference)
		if err == nil && (facts.ID == i.ID || facts.ID == i.Config) {
			continue
		}
		if errors.Is(err, docker.ErrNoImage) {
			out = append(out, i.Reference)
			continue
		}
		if err != nil {
			return nil, err
		}
		img, err := engine.OpenImage(ctx, i.Reference, "")
		if err != nil {
			return nil, err
		}
		if err := img.Close(); err != nil {
			return nil, fmt.Errorf("looking at %s: %w", i.Reference, err)
		}
		if img.Digest != i.Config {
			out = append(out, i.Reference)
		}
	}
	return out, nil
}
