// Package bundle carries a stack with all its images to hosts without a network, in one file.
package bundle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/app/supply"
	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/image/audit"
	"github.com/hsectl/hsectl/internal/image/bundle"
	"github.com/hsectl/hsectl/internal/image/cache"
	"github.com/hsectl/hsectl/internal/image/lock"
	"github.com/hsectl/hsectl/internal/image/sbom"
	"github.com/hsectl/hsectl/internal/image/scan"
)

// Write writes the profile, its lock, the rendered stack, bills of materials and all images to one file.
func Write(ctx context.Context, g *app.Settings, s app.Streams, out string) (err error) {
	l, err := app.Load(g.File)
	if err != nil {
		return err
	}
	if l.Locked, err = app.ReadLock(l); err != nil {
		return err
	}
	wanted, err := l.Wanted()
	if err != nil {
		return err
	}
	if stale := l.Locked.Stale(wanted); len(l.Locked.Images) > 0 && len(stale) > 0 {
		return &app.UsageError{Err: fmt.Errorf("%s does not match %s: %s", lock.Name, l.Path, stale[0]), Hint: "update it with: hsectl lock"}
	}
	dir, err := supply.CacheDir("")
	if err != nil {
		return err
	}
	kept, err := cache.OpenRecords(filepath.Join(dir, "layers"), supply.LayerBytes)
	if err != nil {
		return err
	}
	images, err := kept.Scratch()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, images.Close()) }()
	engine, err := g.Connect(ctx)
	if err != nil {
		return err
	}
	defer engine.Close()
	list, err := imagesOf(ctx, engine, l.Locked, wanted)
	if err != nil {
		return err
	}
	var references []string
	for _, i := range list {
		references = append(references, i.Reference)
	}
	s.Say("saving %s", display.Count(len(references), "image"))
	if err := engine.Save(ctx, references, images); err != nil {
		return err
	}
	manifest := bundle.Manifest{Stack: l.Stack.Name, Version: app.Version(), Created: time.Now().UTC().Truncate(time.Second)}
	files, err := bundleFiles(l, out)
	if err != nil {
		return err
	}
	sources, err := profileFiles(l, g.File, &manifest.Profile)
	if err != nil {
		return err
	}
	evidence, err := bundleEvidence(ctx, g, l, wanted)
	if err != nil {
		return err
	}
	files = slices.Concat(files, sources, evidence)
	for i, ref := range references {
		data, config, err := billOf(ctx, kept, images.Name(), ref)
		if err != nil {
			return err
		}
		list[i].Config = config
		name := strings.NewReplacer("/", "_", ":", "_", "@", "_").Replace(ref)
		files = append(files, bundle.File{Path: "sbom/" + name + ".cdx.json", Data: data})
	}
	manifest.Images = list
	if _, err := images.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("reading the images: %w", err)
	}
	if err := host.WriteStream(out, func(w io.Writer) error { return bundle.Write(w, manifest, files, images) }); err != nil {
		return err
	}
	fmt.Fprintln(s.Out, out)
	return nil
}

// imagesOf are the images that the engine has, each once. One that is not the locked one is refused: it would be
// refused again where the bundle is deployed.
func imagesOf(ctx context.Context, engine *docker.Engine, locked lock.File, wanted []lock.Wanted) ([]bundle.Image, error) {
	var out []bundle.Image
	for _, w := range wanted {
		facts, err := engine.ImageFacts(ctx, w.Reference)
		if err != nil {
			return nil, &app.UsageError{Err: err, Hint: "build or pull it first"}
		}
		if e, ok := locked.Entry(w.Service); ok && !e.Recognises(facts.ID, facts.RepoDigests) {
			return nil, &app.UsageError{Err: fmt.Errorf("the engine's %s is not the one that is locked", w.Reference), Hint: "pull or build it again, or lock the current image: hsectl lock --update " + w.Service}
		}
		if !slices.ContainsFunc(out, func(i bundle.Image) bool { return i.Reference == w.Reference }) {
			out = append(out, bundle.Image{Reference: w.Reference, ID: facts.ID})
		}
	}
	return out, nil
}

// bundleFiles are the lock and the rendered stack, for people who look into a bundle.
func bundleFiles(l app.Loaded, out string) ([]bundle.File, error) {
	rendered, err := app.Render(l, filepath.Dir(out))
	if err != nil {
		return nil, err
	}
	var files []bundle.File
	for _, f := range rendered {
		files = append(files, bundle.File{Path: "stack/" + filepath.ToSlash(f.Path), Data: f.Data})
	}
	return files, nil
}

// billOf lists what is in one of the saved images. No advisories are asked for: a bill says what there is.
// The digest of the image's configuration is returned as well.
func billOf(ctx context.Context, kept cache.Records, file, ref string) ([]byte, string, error) {
	img, err := image.FromTarTagged(file, ref)
	if err != nil {
		return nil, "", err
	}
	scanner, err := scan.New(scan.DefaultLimits(), func() (scan.Scratch, error) { return kept.Scratch() })
	if err != nil {
		return nil, "", err
	}
	layers, _, err := scanner.Layers(ctx, supply.Sources(img), kept)
	if err != nil {
		return nil, "", fmt.Errorf("reading image %s: %w", ref, err)
	}
	var b bytes.Buffer
	err = sbom.CycloneDX(&b, audit.New(img, layers, scan.Merge(layers)))
	return b.Bytes(), img.Digest, err
}
