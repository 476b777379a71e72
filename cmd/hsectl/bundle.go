package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/image/audit"
	"github.com/hsectl/hsectl/internal/image/bundle"
	"github.com/hsectl/hsectl/internal/image/cache"
	"github.com/hsectl/hsectl/internal/image/lock"
	"github.com/hsectl/hsectl/internal/image/sbom"
	"github.com/hsectl/hsectl/internal/image/scan"
)

func newBundle(g *globals, s streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bundle",
		Short: "Carry a stack to where there is no network",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var out string
	write := &cobra.Command{
		Use:     "write",
		Short:   "Write the profile, its lock, the rendered stack, bills of materials and all images to one file",
		Long:    `Write takes the images that the engine has. Each entry of the file has its checksum in the first one.`,
		Example: `  hsectl bundle write --out shop.bundle.tar`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runBundleWrite(cmd.Context(), g, s, out) },
	}
	write.Flags().StringVarP(&out, "out", "o", "stack.bundle.tar", "file to write")
	var dir string
	load := &cobra.Command{
		Use:     "load FILE",
		Short:   "Load a bundle's images into the engine and write its files",
		Example: `  hsectl bundle load shop.bundle.tar --out shop/`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runBundleLoad(cmd.Context(), g, s, args[0], dir)
		},
	}
	load.Flags().StringVarP(&dir, "out", "o", ".", "directory for the files")
	cmd.AddCommand(write, load)
	return cmd
}

func runBundleWrite(ctx context.Context, g *globals, s streams, out string) (err error) {
	l, err := load(g.file)
	if err != nil {
		return err
	}
	dir, err := cacheDir("")
	if err != nil {
		return err
	}
	kept, err := cache.OpenRecords(filepath.Join(dir, "layers"), layerBytes)
	if err != nil {
		return err
	}
	images, err := kept.Scratch()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, images.Close()) }()
	var references []string
	for _, service := range l.stack.Services {
		references = append(references, service.Image)
	}
	slices.Sort(references)
	references = slices.Compact(references)
	engine, err := g.connect(ctx)
	if err != nil {
		return err
	}
	defer engine.Close()
	for _, ref := range references {
		if _, err := engine.ImageFacts(ctx, ref); err != nil {
			return &usageError{err, "build or pull it first"}
		}
	}
	s.say("saving %s", count(len(references), "image"))
	if err := engine.Save(ctx, references, images); err != nil {
		return err
	}
	files, err := bundleFiles(l, out)
	if err != nil {
		return err
	}
	for _, ref := range references {
		data, err := billOf(ctx, kept, images.Name(), ref)
		if err != nil {
			return err
		}
		name := strings.NewReplacer("/", "_", ":", "_", "@", "_").Replace(ref)
		files = append(files, bundle.File{Path: "sbom/" + name + ".cdx.json", Data: data})
	}
	manifest := bundle.Manifest{Stack: l.stack.Name, Version: version(), Created: time.Now().UTC().Truncate(time.Second), Images: references}
	if _, err := images.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("reading the images: %w", err)
	}
	if err := host.WriteStream(out, func(w io.Writer) error { return bundle.Write(w, manifest, files, images) }); err != nil {
		return err
	}
	fmt.Fprintln(s.Out, out)
	return nil
}

// bundleFiles are the profile, what it was merged with, its lock and the rendered stack.
func bundleFiles(l loaded, out string) ([]bundle.File, error) {
	files := []bundle.File{{Path: "profile/" + filepath.Base(l.path), Data: l.data}}
	locked, err := readLock(l)
	if err != nil {
		return nil, err
	}
	if len(locked.Images) > 0 {
		data, err := locked.Marshal()
		if err != nil {
			return nil, err
		}
		files = append(files, bundle.File{Path: "profile/" + lock.Name, Data: data})
	}
	rendered, err := render(l, filepath.Dir(out))
	if err != nil {
		return nil, err
	}
	for _, f := range rendered {
		files = append(files, bundle.File{Path: "stack/" + filepath.ToSlash(f.Path), Data: f.Data})
	}
	return files, nil
}

// billOf lists what is in one of the saved images. No advisories are asked for: a bill says what there is.
func billOf(ctx context.Context, kept cache.Records, file, ref string) ([]byte, error) {
	img, err := image.FromTarTagged(file, ref)
	if err != nil {
		return nil, err
	}
	scanner, err := scan.New(scan.DefaultLimits(), func() (scan.Scratch, error) { return kept.Scratch() })
	if err != nil {
		return nil, err
	}
	layers, _, err := scanner.Layers(ctx, sourcesOf(img), kept)
	if err != nil {
		return nil, fmt.Errorf("reading image %s: %w", ref, err)
	}
	var b bytes.Buffer
	err = sbom.CycloneDX(&b, audit.New(img, layers, scan.Merge(layers)))
	return b.Bytes(), err
}

func runBundleLoad(ctx context.Context, g *globals, s streams, path, dir string) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return &usageError{fmt.Errorf("opening the bundle: %w", err), ""}
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	engine, err := g.connect(ctx)
	if err != nil {
		return err
	}
	defer engine.Close()
	m, files, err := bundle.Read(f, func(r io.Reader) error { return engine.Load(ctx, r) })
	if err != nil {
		return fmt.Errorf("reading the bundle %s: %w", path, err)
	}
	var out []generate.File
	for _, file := range files {
		out = append(out, generate.File{Path: file.Path, Data: file.Data})
	}
	if err := host.WriteTree(dir, out); err != nil {
		return err
	}
	for _, ref := range m.Images {
		fmt.Fprintln(s.Out, ref)
	}
	s.say("loaded %s of %s, written by hsectl %s on %s for %s", count(len(m.Images), "image"), m.Stack, m.Version, m.Created.Format(time.DateOnly), runtime.GOOS)
	return nil
}
