// Package report writes findings for people and machines. It judges nothing.
package report

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/hsectl/hsectl/internal/finding"
)

// Document is what is reported.
type Document struct {
	Kind     string // Evidence or Lint
	Subject  string // name of the stack
	Findings []finding.Finding
}

// JSON writes the document with its version, for machines.
func JSON(w io.Writer, d Document) error {
	summary := map[string]int{}
	for status, n := range finding.Tally(d.Findings) {
		summary[status.String()] = n
	}
	out := struct {
		APIVersion string            `json:"apiVersion"`
		Kind       string            `json:"kind"`
		Stack      string            `json:"stack"`
		Proven     bool              `json:"proven"`
		Summary    map[string]int    `json:"summary"`
		Findings   []finding.Finding `json:"findings"`
	}{"hsectl/v1", d.Kind, d.Subject, finding.Proven(d.Findings), summary, d.Findings}
	if out.Findings == nil {
		out.Findings = []finding.Finding{}
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(out); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}
