package supply

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/image/audit"
	"github.com/hsectl/hsectl/internal/image/cache"
	"github.com/hsectl/hsectl/internal/image/sbom"
	"github.com/hsectl/hsectl/internal/image/scan"
)

// GenerateSBOM writes the document of each directory that BuildKit shows, into the one that it names.
func GenerateSBOM(ctx context.Context, s app.Streams) error {
	source, target := os.Getenv("BUILDKIT_SCAN_SOURCE"), os.Getenv("BUILDKIT_SCAN_DESTINATION")
	if source == "" || target == "" {
		return &app.UsageError{Err: errors.New("BUILDKIT_SCAN_SOURCE and BUILDKIT_SCAN_DESTINATION are not set"), Hint: "this verb is run by BuildKit, for: hsectl build --sbom"}
	}
	trees := []string{source}
	if extras := os.Getenv("BUILDKIT_SCAN_SOURCE_EXTRAS"); extras != "" {
		found, err := filepath.Glob(filepath.Join(extras, "*")) // of a directory that is not there, none
		if err != nil {
			return fmt.Errorf("listing further files: %w", err)
		}
		trees = append(trees, found...)
	}
	created, err := documentTime(time.Now())
	if err != nil {
		return err
	}
	var kept cache.Records
	scanner, err := scan.New(scan.DefaultLimits(), func() (scan.Scratch, error) { return kept.Scratch() })
	if err != nil {
		return err
	}
	for _, tree := range trees {
		if err := writeSBOM(ctx, s, scanner, tree, target, created); err != nil {
			return err
		}
	}
	return nil
}

// documentTime is the time that documents have: that of the sources where it is known.
func documentTime(now time.Time) (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		return now, nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return now, fmt.Errorf("reading SOURCE_DATE_EPOCH: %w", err)
	}
	return time.Unix(seconds, 0), nil
}

// writeSBOM writes the document of one directory, named after it.
func writeSBOM(ctx context.Context, s app.Streams, scanner *scan.Scanner, tree, target string, created time.Time) (err error) {
	root, err := os.OpenRoot(tree)
	if err != nil {
		return fmt.Errorf("opening what is to be read: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	layer, err := scanner.Tree(ctx, root.FS())
	if err != nil {
		return fmt.Errorf("reading %s: %w", tree, err)
	}
	layers := []scan.Layer{layer}
	report := audit.New(image.Image{Name: filepath.Base(tree), Config: image.Config{Created: created}}, layers, scan.Merge(layers))
	file, err := os.Create(filepath.Join(target, filepath.Base(tree)+".spdx.json"))
	if err != nil {
		return fmt.Errorf("writing the bill of materials: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	s.Say("%s: %s; files that could not be read: %d", filepath.Base(tree), display.Count(len(report.Packages), "package"), len(report.Problems))
	return sbom.Statement(file, report)
}
