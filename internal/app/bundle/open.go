package bundle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/engine/images"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/image/bundle"
	"github.com/hsectl/hsectl/internal/sanitize"
)

// Load loads the images of a bundle into the engine, and writes its files.
func Load(ctx context.Context, g *app.Settings, s app.Streams, path, dir string) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return &app.UsageError{Err: fmt.Errorf("opening the bundle: %w", err)}
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	engine, err := g.Connect(ctx)
	if err != nil {
		return err
	}
	defer engine.Close()
	m, files, err := bundle.Read(f)
	if err != nil {
		return fmt.Errorf("reading the bundle %s: %w; nothing was changed", path, err)
	}
	if err := bring(ctx, &app.Bundle{File: f, Manifest: m}, engine); err != nil {
		return err
	}
	var out []generate.File
	for _, file := range files {
		out = append(out, generate.File{Path: file.Path, Data: file.Data})
	}
	if err := host.WriteTree(dir, out); err != nil {
		return err
	}
	for _, i := range m.Images {
		fmt.Fprintln(s.Out, i.Reference)
	}
	s.Say("loaded %s of %s, written by hsectl %s on %s for %s", display.Count(len(m.Images), "image"), sanitize.Line(m.Stack), sanitize.Line(m.Version), m.Created.Format(time.DateOnly), runtime.GOOS)
	return nil
}

// Open reads a bundle to its end before anything is believed, and the profile in it as it was read when the
// bundle was written. The profile is laid into a directory of its own, which goes with the function that is returned.
func Open(name string) (l app.Loaded, done func(), err error) {
	fail := func(err error) (app.Loaded, func(), error) { return app.Loaded{}, nil, err }
	f, err := os.Open(name)
	if err != nil {
		return fail(&app.UsageError{Err: fmt.Errorf("opening the bundle: %w", err), Hint: "write one with: hsectl bundle write"})
	}
	b := &app.Bundle{File: f, Dir: filepath.Dir(name), Files: map[string][]byte{}}
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
	m, files, err := bundle.Read(f)
	if err != nil {
		return fail(&app.UsageError{Err: fmt.Errorf("reading the bundle %s: %w", name, err), Hint: "nothing was changed; copy the file again"})
	}
	b.Manifest = m
	var profile []generate.File
	for _, file := range files {
		b.Files[file.Path] = file.Data
		profile = append(profile, generate.File{Path: file.Path, Data: file.Data})
	}
	if err := host.WriteTree(dir, profile); err != nil {
		return fail(err)
	}
	from := app.Selection{Environment: m.Profile.Environment, Set: m.Profile.Set}
	for _, file := range m.Profile.Files {
		if _, ok := b.Files[file]; !ok {
			return fail(&app.UsageError{Err: fmt.Errorf("reading the bundle %s: %w: it has no profile %q", name, bundle.ErrDamaged, file)})
		}
		from.Files = append(from.Files, filepath.Join(dir, filepath.FromSlash(file)))
	}
	if len(from.Files) == 0 {
		return fail(&app.UsageError{Err: fmt.Errorf("reading the bundle %s: %w: it names no profile", name, bundle.ErrDamaged)})
	}
	if l, err = app.Load(from); err != nil {
		return fail(err)
	}
	l.Bundle = b
	return l, release, nil
}

// Bring loads the images, unless the engine has all of them, and sees that each name means the image of the bundle.
// Names stay without digests: an engine that loads an image knows none of a registry.
func Bring(ctx context.Context, b *app.Bundle, s app.Streams, engine *docker.Engine) error {
	wrong, err := differing(ctx, b, engine)
	if err != nil || len(wrong) == 0 {
		return err
	}
	s.Say("loading %s", display.Count(len(b.Manifest.Images), "image"))
	return bring(ctx, b, engine)
}

// bring loads the images of a bundle that was found whole.
func bring(ctx context.Context, b *app.Bundle, engine *docker.Engine) error {
	if _, err := b.File.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("reading the bundle again: %w", err)
	}
	if err := bundle.LoadImages(b.File, b.Manifest, func(r io.Reader) error { return engine.Load(ctx, r) }); err != nil {
		return fmt.Errorf("loading the bundle: %w", err)
	}
	wrong, err := differing(ctx, b, engine)
	if err != nil || len(wrong) == 0 {
		return err
	}
	return fmt.Errorf("loading the bundle: %w: the engine's %s is not the image that the manifest lists", bundle.ErrDamaged, wrong[0])
}

// differing are the references that do not mean the images of the bundle on the engine. The id of an image depends on
// how an engine stores it; the digest of its configuration does not, and is looked up when the ids differ.
func differing(ctx context.Context, b *app.Bundle, engine *docker.Engine) ([]string, error) {
	var out []string
	for _, i := range b.Manifest.Images {
		facts, err := engine.ImageFacts(ctx, i.Reference)
		if err == nil && (facts.ID == i.ID || facts.ID == i.Config) {
			continue
		}
		if errors.Is(err, images.ErrNoImage) {
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
			return nil, fmt.Errorf("inspecting %s: %w", i.Reference, err)
		}
		if img.Digest != i.Config {
			out = append(out, i.Reference)
		}
	}
	return out, nil
}
