package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/image/audit"
	"github.com/hsectl/hsectl/internal/image/cache"
	"github.com/hsectl/hsectl/internal/image/sbom"
	"github.com/hsectl/hsectl/internal/image/scan"
)

type scanOptions struct {
	failOn, newSince, format, db, cache, platform string
	onlyFixed, offline, all                       bool
	maxDBAge                                      time.Duration
	vex                                           []string
	kev, epss, from                               string
	images                                        []string
}

func newScan(g *app.Settings, s app.Streams) *cobra.Command {
	var o scanOptions
	cmd := &cobra.Command{
		Use:   "scan [IMAGE...]",
		Short: "Find vulnerabilities, secrets and weak settings in images",
		Long: `Scan reads images layer by layer and needs no other program. An image is the engine's unless written otherwise:
registry:REFERENCE asks its registry, and a path means a tar file of docker save or a directory in the OCI layout.
Without an image, those of the profile are scanned, and the result is kept for the checklist.

Advisories come from OSV's databases, which are kept on this machine. When there is none, or it is too old, scan
fails: nothing found in nothing is no answer. SPDX says only what is in the image, and needs no database.`,
		Example: `  hsectl scan                                  # the images of the profile
  hsectl scan registry:redis:8 --fail-on critical
  hsectl scan app.tar --format cyclonedx       # a bill of materials
  hsectl scan app:new --new-since app:old      # only what this build brought
  hsectl scan --from trivy.json --only-fixed   # judge what Trivy or Grype found by the same rules`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.images = args
			return runScan(cmd.Context(), g, s, cmd.Flags().Changed, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.failOn, "fail-on", "high", "lowest severity that fails: low, medium, high or critical")
	f.BoolVar(&o.onlyFixed, "only-fixed", false, "count only what has a fix")
	f.StringVar(&o.newSince, "new-since", "", "count only what this image does not have")
	f.StringVar(&o.format, "format", "text", "text, json, cyclonedx or spdx")
	f.BoolVar(&o.all, "all", false, "list every vulnerability and every control")
	f.StringVar(&o.db, "db", cache.DefaultURL, "address or directory of the OSV databases")
	f.BoolVar(&o.offline, "offline", false, "use the databases on this machine only")
	f.DurationVar(&o.maxDBAge, "max-db-age", 7*24*time.Hour, "age from which a database proves nothing")
	f.StringArrayVar(&o.vex, "vex", nil, "OpenVEX document")
	f.StringVar(&o.kev, "kev", "", "CISA's catalogue of exploited vulnerabilities (JSON); what is in it counts whatever its severity")
	f.StringVar(&o.epss, "epss", "", "scores of the Exploit Prediction Scoring System (CSV, also compressed)")
	f.StringVar(&o.from, "from", "", "judge a report of Trivy or Grype (JSON) instead of scanning")
	f.StringVar(&o.cache, "cache-dir", "", "directory of databases and layer records; the user's cache unless written")
	f.StringVar(&o.platform, "platform", "linux/"+runtime.GOARCH, "platform of images with several")
	return cmd
}

func runScan(ctx context.Context, g *app.Settings, s app.Streams, changed func(string) bool, o scanOptions) error {
	if o.from != "" {
		return runFrom(g, s, changed, o)
	}
	sc, err := newImageScanner(g, o)
	if err != nil {
		return err
	}
	defer sc.close()
	p, err := supplyChainOf(g, changed("file") || len(o.images) == 0)
	if err != nil {
		return err
	}
	whole := len(o.images) == 0
	if whole {
		o.images = p.images
	}
	policy, err := p.policy(o, changed)
	if err != nil {
		return err
	}
	var base []audit.Vulnerability
	if o.newSince != "" {
		old, err := sc.report(ctx, o.newSince, policy, nil)
		if err != nil {
			return err
		}
		base = old.Vulnerabilities
	}
	good, reports := true, map[string]audit.Report{}
	for _, ref := range o.images {
		started := time.Now()
		r, err := sc.report(ctx, ref, policy, base)
		if err != nil {
			return err
		}
		if err := writeScan(s, r, policy, o); err != nil {
			return err
		}
		s.Say("scanned %s in %s", ref, time.Since(started).Round(10*time.Millisecond))
		good, reports[ref] = good && passes(r), r
	}
	if whole && !sc.contents {
		keepScan(s, p, reports, changed)
	}
	if !good && o.format != "cyclonedx" && o.format != "spdx" {
		return app.ErrFindings
	}
	return nil
}

// passes tells whether nothing of high severity failed or could not be seen.
func passes(r audit.Report) bool {
	for _, f := range r.Findings {
		if !f.Proven() && f.Severity >= finding.High && f.Control != "HSE-IMG-001" {
			return false
		}
	}
	return true
}

func writeScan(s app.Streams, r audit.Report, p audit.Policy, o scanOptions) error {
	switch o.format {
	case "text":
		return audit.Text(s.Out, r, p, o.all)
	case "json":
		return audit.JSON(s.Out, r)
	case "cyclonedx":
		return sbom.CycloneDX(s.Out, r)
	case "spdx":
		return sbom.SPDX(s.Out, r)
	}
	return &app.UsageError{Err: fmt.Errorf("there is no format %q", o.format), Hint: "write text, json, cyclonedx or spdx"}
}

// imageScanner is what a scan needs, opened once.
type imageScanner struct {
	g        *app.Settings
	scanner  *scan.Scanner
	kept     cache.Records
	database cache.Database
	platform image.Platform
	contents bool           // only what is in the image is asked, and no database
	engine   *docker.Engine // opened when the first image needs it
}

// layerBytes bounds the records of layers on disk; one of a 300 MB image takes about half a megabyte.
const layerBytes = 256 << 20

// refresh is the age from which a newer database is asked for.
const refresh = 12 * time.Hour

func newImageScanner(g *app.Settings, o scanOptions) (*imageScanner, error) {
	osName, arch, ok := strings.Cut(o.platform, "/")
	if !ok {
		return nil, &app.UsageError{Err: fmt.Errorf("%q is not a platform", o.platform), Hint: "write linux/amd64 or linux/arm64"}
	}
	dir, err := cacheDir(o.cache)
	if err != nil {
		return nil, err
	}
	kept, err := cache.OpenRecords(filepath.Join(dir, "layers"), layerBytes)
	if err != nil {
		return nil, err
	}
	source, err := cache.NewSource(o.db)
	if err != nil {
		return nil, &app.UsageError{Err: err, Hint: "give --db an address or a directory with ECOSYSTEM/all.zip files"}
	}
	scanner, err := scan.New(scan.DefaultLimits(), func() (scan.Scratch, error) { return kept.Scratch() })
	if err != nil {
		return nil, err
	}
	return &imageScanner{g: g, scanner: scanner, kept: kept, platform: image.Platform{OS: osName, Arch: arch}, contents: o.format == "spdx",
		database: cache.Database{Dir: filepath.Join(dir, "osv"), Source: source,
			Policy: cache.Policy{Offline: o.offline, Refresh: refresh, MaxAge: o.maxDBAge, Now: time.Now()}}}, nil
}

// cacheDir is where databases and records are: what was named, or the user's own cache.
func cacheDir(named string) (string, error) {
	if named != "" {
		return named, nil
	}
	user, err := os.UserCacheDir()
	if err != nil {
		return "", &app.UsageError{Err: fmt.Errorf("finding the user's cache: %w", err), Hint: "name a directory with --cache-dir, or set XDG_CACHE_HOME"}
	}
	return filepath.Join(user, "hsectl"), nil
}

func (sc *imageScanner) close() {
	if sc.engine != nil {
		sc.engine.Close()
	}
}

// report scans one image.
func (sc *imageScanner) report(ctx context.Context, ref string, p audit.Policy, base []audit.Vulnerability) (r audit.Report, err error) {
	img, err := sc.open(ctx, ref)
	if err != nil {
		return audit.Report{}, err
	}
	defer func() { err = errors.Join(err, img.Close()) }()
	layers, _, err := sc.scanner.Layers(ctx, sourcesOf(img), sc.kept)
	if err != nil {
		return audit.Report{}, fmt.Errorf("scanning %s: %w", ref, err)
	}
	contents := scan.Merge(layers)
	r = audit.New(img, layers, contents)
	if sc.contents {
		return r, nil
	}
	if err := r.Match(ctx, sc.database); err != nil {
		return audit.Report{}, fmt.Errorf("scanning %s: %w", ref, err)
	}
	r.Weigh(p, base)
	r.Findings = audit.Judge(audit.Subject{Reference: img.Name, Config: img.Config, Contents: contents, Report: r, Matched: true}, p)
	return r, nil
}

func sourcesOf(img image.Image) []scan.Source {
	sources := make([]scan.Source, len(img.Layers))
	for i, l := range img.Layers {
		sources[i] = scan.Source{DiffID: l.DiffID, Open: l.Open}
	}
	return sources
}

// open finds an image. One of the engine is saved to a file, unless everything about it is known.
func (sc *imageScanner) open(ctx context.Context, ref string) (image.Image, error) {
	if rest, ok := strings.CutPrefix(ref, "registry:"); ok {
		return image.FromRegistry(ctx, rest, sc.platform)
	}
	if info, err := os.Stat(ref); err == nil {
		if info.IsDir() {
			return image.FromLayout(ref, sc.platform)
		}
		return image.FromTar(ref)
	}
	if strings.HasPrefix(ref, ".") || strings.HasPrefix(ref, "/") || strings.HasSuffix(ref, ".tar") {
		return image.Image{}, &app.UsageError{Err: fmt.Errorf("there is no file or directory %s", ref), Hint: "write docker:REFERENCE for an image of the engine, registry:REFERENCE for one of a registry"}
	}
	ref = strings.TrimPrefix(ref, "docker:")
	if sc.engine == nil {
		engine, err := sc.g.Connect(ctx)
		if err != nil {
			return image.Image{}, err
		}
		sc.engine = engine
	}
	facts, err := sc.engine.ImageFacts(ctx, ref)
	if err != nil {
		return image.Image{}, err
	}
	name := cache.Key("config", scan.Version, facts.ID)
	var config image.Config
	if sc.kept.Get(name, &config) && sc.knows(config) {
		return image.Known(ref, facts.ID, config), nil
	}
	img, err := sc.engine.OpenImage(ctx, ref, "")
	if err != nil {
		return image.Image{}, err
	}
	img.Digest = facts.ID
	return img, sc.kept.Put(name, img.Config)
}

// knows tells whether every layer of an image has been read before.
func (sc *imageScanner) knows(c image.Config) bool {
	for _, id := range c.DiffIDs {
		if !sc.kept.Has(scan.Key(id)) {
			return false
		}
	}
	return len(c.DiffIDs) > 0
}
