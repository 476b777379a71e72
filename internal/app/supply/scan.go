package supply

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/image/audit"
	"github.com/hsectl/hsectl/internal/image/cache"
	"github.com/hsectl/hsectl/internal/image/sbom"
	"github.com/hsectl/hsectl/internal/image/scan"
)

// ScanOptions say what is scanned, and what counts.
type ScanOptions struct {
	FailOn, NewSince, Format, DB, Cache, Platform string
	OnlyFixed, Offline, All                       bool
	MaxDBAge                                      time.Duration
	VEX                                           []string
	KEV, EPSS, From                               string
	Images                                        []string
}

// Scan judges what is in images. changed tells whether a flag was typed, and so wins over the profile.
func Scan(ctx context.Context, g *app.Settings, s app.Streams, changed func(string) bool, o ScanOptions) error {
	if formats := []string{"text", "json", "sarif", "cyclonedx", "spdx"}; !slices.Contains(formats, o.Format) {
		return &app.UsageError{Err: fmt.Errorf("unknown format %q", o.Format), Hint: "write --format with one of: " + strings.Join(formats, ", ")}
	}
	if o.From != "" {
		return runFrom(g, s, changed, o)
	}
	sc, err := NewScanner(g, o)
	if err != nil {
		return err
	}
	defer sc.Close()
	p, err := RulesOf(g, changed("file") || len(o.Images) == 0)
	if err != nil {
		return err
	}
	whole := len(o.Images) == 0
	if whole {
		o.Images = p.images
	}
	policy, err := p.Policy(o, changed)
	if err != nil {
		return err
	}
	var base []audit.Vulnerability
	if o.NewSince != "" {
		old, err := sc.Report(ctx, o.NewSince, policy, nil)
		if err != nil {
			return err
		}
		base = old.Vulnerabilities
	}
	good, reports := true, map[string]audit.Report{}
	var all []audit.Report
	for _, ref := range o.Images {
		started := time.Now()
		r, err := sc.Report(ctx, ref, policy, base)
		if err != nil {
			return err
		}
		all = append(all, r)
		if o.Format != "sarif" { // one run has the results of all images
			if err := writeScan(s, r, policy, o); err != nil {
				return err
			}
		}
		s.Say("scanned %s in %s", ref, time.Since(started).Round(10*time.Millisecond))
		good, reports[ref] = good && passes(r), r
	}
	if o.Format == "sarif" {
		if err := writeSARIF(s, p, all, policy); err != nil {
			return err
		}
	}
	if whole && !sc.contents {
		keepScan(s, p, reports, changed)
	}
	if !good && o.Format != "cyclonedx" && o.Format != "spdx" {
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

func writeScan(s app.Streams, r audit.Report, p audit.Policy, o ScanOptions) error {
	switch o.Format {
	case "text":
		return audit.Text(s.Out, r, p, o.All)
	case "json":
		return audit.JSON(s.Out, r)
	case "cyclonedx":
		return sbom.CycloneDX(s.Out, r)
	case "spdx":
		return sbom.SPDX(s.Out, r)
	case "sarif":
		return writeSARIF(s, Rules{}, []audit.Report{r}, p)
	}
	return fmt.Errorf("unknown format %q", o.Format)
}

// Scanner is what a scan needs, opened once.
type Scanner struct {
	g        *app.Settings
	scanner  *scan.Scanner
	kept     cache.Records
	database cache.Database
	platform image.Platform
	contents bool           // only what is in the image is asked, and no database
	engine   *docker.Engine // opened when the first image needs it
}

// LayerBytes bounds the records of layers on disk; one of a 300 MB image takes about half a megabyte.
const LayerBytes = 256 << 20

// refresh is the age from which a newer database is asked for.
const refresh = 12 * time.Hour

// NewScanner opens what a scan needs.
func NewScanner(g *app.Settings, o ScanOptions) (*Scanner, error) {
	osName, arch, ok := strings.Cut(o.Platform, "/")
	if !ok {
		return nil, &app.UsageError{Err: fmt.Errorf("%q is not a platform", o.Platform), Hint: "write linux/amd64 or linux/arm64"}
	}
	dir, err := CacheDir(o.Cache)
	if err != nil {
		return nil, err
	}
	kept, err := cache.OpenRecords(filepath.Join(dir, "layers"), LayerBytes)
	if err != nil {
		return nil, err
	}
	source, err := cache.NewSource(o.DB)
	if err != nil {
		return nil, &app.UsageError{Err: err, Hint: "give --db an address or a directory with ECOSYSTEM/all.zip files"}
	}
	scanner, err := scan.New(scan.DefaultLimits(), func() (scan.Scratch, error) { return kept.Scratch() })
	if err != nil {
		return nil, err
	}
	return &Scanner{g: g, scanner: scanner, kept: kept, platform: image.Platform{OS: osName, Arch: arch}, contents: o.Format == "spdx",
		database: cache.Database{Dir: filepath.Join(dir, "osv"), Source: source,
			Policy: cache.Policy{Offline: o.Offline, Refresh: refresh, MaxAge: o.MaxDBAge, Now: time.Now()}}}, nil
}

// CacheDir is where databases and records are: what was named, or the user's own cache.
func CacheDir(named string) (string, error) {
	if named != "" {
		return named, nil
	}
	user, err := os.UserCacheDir()
	if err != nil {
		return "", &app.UsageError{Err: fmt.Errorf("finding the user's cache: %w", err), Hint: "name a directory with --cache-dir, or set XDG_CACHE_HOME"}
	}
	return filepath.Join(user, "hsectl"), nil
}

// Close closes the engine, where one was needed.
func (sc *Scanner) Close() {
	if sc.engine != nil {
		sc.engine.Close()
	}
}

// Report scans one image.
func (sc *Scanner) Report(ctx context.Context, ref string, p audit.Policy, base []audit.Vulnerability) (r audit.Report, err error) {
	img, err := sc.open(ctx, ref)
	if err != nil {
		return audit.Report{}, err
	}
	defer func() { err = errors.Join(err, img.Close()) }()
	layers, _, err := sc.scanner.Layers(ctx, Sources(img), sc.kept)
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
	r.Cover(contents.Release, p.Lives)
	r.Weigh(p, base)
	r.Findings = audit.Judge(audit.Subject{Reference: img.Name, Config: img.Config, Contents: contents, Report: r, Matched: true}, p)
	return r, nil
}

// Sources are the layers of an image as a scan reads them.
func Sources(img image.Image) []scan.Source {
	sources := make([]scan.Source, len(img.Layers))
	for i, l := range img.Layers {
		sources[i] = scan.Source{DiffID: l.DiffID, Open: l.Open}
	}
	return sources
}

// open finds an image. One of the engine is saved to a file, unless everything about it is known.
func (sc *Scanner) open(ctx context.Context, ref string) (image.Image, error) {
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
		return image.Image{}, &app.UsageError{Err: fmt.Errorf("file or directory %s not found", ref), Hint: "write docker:REFERENCE for an image of the engine, registry:REFERENCE for one of a registry"}
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
func (sc *Scanner) knows(c image.Config) bool {
	for _, id := range c.DiffIDs {
		if !sc.kept.Has(scan.Key(id)) {
			return false
		}
	}
	return len(c.DiffIDs) > 0
}
