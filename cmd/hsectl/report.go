package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/report"
)

// maxReportBytes bounds an earlier report that is read again.
const maxReportBytes = 64 << 20

// reportOptions say how findings are written.
type reportOptions struct {
	format string
	all    bool
	since  string
}

func (o *reportOptions) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.format, "format", "text", strings.Join(report.Formats(), ", "))
	cmd.Flags().BoolVarP(&o.all, "all", "a", false, "list every control, also those that hold")
	cmd.Flags().StringVar(&o.since, "since", "", "an earlier report in JSON, to show what changed")
}

// check finds a wrong format before anything is done.
func (o *reportOptions) check() error {
	if !slices.Contains(report.Formats(), o.format) {
		return &usageError{fmt.Errorf("there is no format %q", o.format), "write --format with one of: " + strings.Join(report.Formats(), ", ")}
	}
	return nil
}

// write completes the document and writes it. Findings that are not proven end the verb with errFindings.
func (o *reportOptions) write(s streams, d report.Document) error {
	d.Tool, d.Rules = version(), rules()
	if o.since != "" {
		before, err := earlier(o.since)
		if err != nil {
			return err
		}
		d.Before = before
	}
	if err := report.Write(s.Out, o.format, d, report.TextOptions{All: o.all, Colour: colour(s.Out)}); err != nil {
		return err
	}
	if !finding.Proven(d.Findings) {
		return errFindings
	}
	return nil
}

func earlier(path string) (*report.Snapshot, error) {
	data, err := host.ReadFile(path, maxReportBytes)
	if err != nil {
		return nil, &usageError{fmt.Errorf("reading the earlier report: %w", err), "write one with: hsectl verify --format json"}
	}
	d, err := report.Read(data)
	if err != nil {
		return nil, &usageError{fmt.Errorf("%s: %w", path, err), "write one with: hsectl verify --format json"}
	}
	return &report.Snapshot{Made: d.Made, Findings: d.Findings}, nil
}

// rules are the controls in the words of a report.
func rules() []report.Rule {
	var out []report.Rule
	for _, c := range policy.Catalogue() {
		out = append(out, report.Rule{ID: c.ID, Title: c.Title, Severity: c.Severity, Rationale: c.Rationale, Remedy: c.Remedy, References: c.References})
	}
	return out
}
