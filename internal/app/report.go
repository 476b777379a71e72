package app

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/policy/controls"
	"github.com/hsectl/hsectl/internal/report"
	"github.com/hsectl/hsectl/internal/verify/checklist"
)

// MaxReportBytes bounds an earlier report that is read again.
const MaxReportBytes = 64 << 20

// ReportOptions say how findings are written.
type ReportOptions struct {
	Format string
	All    bool
	Since  string
}

// Check finds a wrong format before anything is done.
func (o *ReportOptions) Check() error {
	if !slices.Contains(report.Formats(), o.Format) {
		return &UsageError{fmt.Errorf("unknown format %q", o.Format), "write --format with one of: " + strings.Join(report.Formats(), ", ")}
	}
	return nil
}

// Write completes the document and writes it. Findings that are not proven end the verb with ErrFindings.
func (o *ReportOptions) Write(s Streams, d report.Document) error {
	d.Tool, d.Rules, d.Sources = Version(), rules(), Sources()
	if o.Since != "" {
		before, err := earlier(o.Since)
		if err != nil {
			return err
		}
		d.Before = before
	}
	if err := report.Write(s.Out, o.Format, d, report.TextOptions{All: o.All, Colour: colour(s.Out)}); err != nil {
		return err
	}
	if !finding.Proven(d.Findings) {
		return ErrFindings
	}
	return nil
}

// Sources says where the files are that reports name: in the repository around the working directory.
func Sources() report.Sources {
	dir, err := filepath.Abs(".")
	if err != nil {
		return report.Sources{} // then paths stay as they were written
	}
	return report.Sources{Root: host.SourceRoot(dir), Dir: dir}
}

func earlier(path string) (*report.Snapshot, error) {
	data, err := host.ReadFile(path, MaxReportBytes)
	if err != nil {
		return nil, &UsageError{fmt.Errorf("reading the earlier report: %w", err), "write one with: hsectl verify --format json"}
	}
	d, err := report.Read(data)
	if err != nil {
		return nil, &UsageError{fmt.Errorf("%s: %w", path, err), "write one with: hsectl verify --format json"}
	}
	return &report.Snapshot{Made: d.Made, Findings: d.Findings}, nil
}

// rules are the controls in the words of a report.
func rules() []report.Rule {
	var out []report.Rule
	for _, c := range controls.Catalogue() {
		out = append(out, report.Rule{ID: c.ID, Title: c.Title, Severity: c.Severity, Rationale: c.Rationale, Remedy: c.Remedy, References: c.References})
	}
	return out
}

// Keep stores a result as the latest of its kind.
func Keep(doc report.Document, kind string) error {
	dir, err := host.StateDir()
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := report.JSON(&b, doc); err != nil {
		return err
	}
	return host.WriteTree(filepath.Join(dir, doc.Subject), []generate.File{{Path: kind + ".json", Data: b.Bytes()}})
}

// CheckFormat finds a wrong format before anything is done.
func CheckFormat(format string) error {
	if format != "text" && format != "json" {
		return &UsageError{fmt.Errorf("unknown format %q", format), "write --format text or --format json"}
	}
	return nil
}

// Located puts the place in the profile where the control named only a key of the service.
func Located(l Loaded, findings []finding.Finding) []finding.Finding {
	for i, f := range findings {
		path := l.Root + "services." + f.Subject
		if f.Where != "" {
			path += "." + f.Where
		}
		findings[i].Where = l.Profile.Written(path).String()
		if service, ok := l.Stack.Service(f.Subject); ok {
			findings[i].Owner = service.Owner
		}
	}
	return findings
}

// Kept reads the results of drills and scans that earlier runs have kept. What cannot be read is not known.
func Kept(stack string) map[string]checklist.Stored {
	out := map[string]checklist.Stored{}
	dir, err := host.StateDir()
	if err != nil {
		return out
	}
	for _, kind := range []string{"drill-shutdown", "scan"} {
		data, err := host.ReadFile(filepath.Join(dir, stack, kind+".json"), MaxReportBytes)
		if err != nil {
			continue
		}
		if d, err := report.Read(data); err == nil && d.Subject == stack {
			out[kind] = checklist.Stored{Made: d.Made, Findings: d.Findings}
		}
	}
	return out
}
