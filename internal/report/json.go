package report

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
)

// document is the form on disk. Its version changes when a field changes its meaning.
type document struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Stack      string            `json:"stack"`
	Made       time.Time         `json:"made,omitzero"`
	Tool       string            `json:"tool,omitempty"`
	Engine     string            `json:"engine,omitempty"`
	Proven     bool              `json:"proven"`
	Summary    map[string]int    `json:"summary"`
	Findings   []finding.Finding `json:"findings"`
	Charts     []Chart           `json:"charts,omitempty"`
}

// JSON writes the document with its version, for machines.
func JSON(w io.Writer, d Document) error {
	out := document{APIVersion: "hsectl/v1", Kind: d.Kind, Stack: d.Subject, Made: d.Made, Tool: d.Tool, Engine: d.Engine,
		Proven: finding.Proven(d.Findings), Summary: map[string]int{}, Findings: d.Findings, Charts: d.Charts}
	for status, n := range finding.Tally(d.Findings) {
		out.Summary[status.String()] = n
	}
	if out.Findings == nil {
		out.Findings = []finding.Finding{}
	}
	return encode(w, out, "report")
}

func encode(w io.Writer, v any, what string) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("writing the %s: %w", what, err)
	}
	return nil
}

// Read reads a document that JSON wrote.
func Read(data []byte) (Document, error) {
	var in document
	if err := json.Unmarshal(data, &in); err != nil {
		return Document{}, fmt.Errorf("reading the report: %w", err)
	}
	if in.APIVersion != "hsectl/v1" {
		return Document{}, fmt.Errorf("reading the report: apiVersion is %q, not hsectl/v1", in.APIVersion)
	}
	return Document{Kind: in.Kind, Subject: in.Stack, Findings: in.Findings, Made: in.Made, Tool: in.Tool, Engine: in.Engine, Charts: in.Charts}, nil
}
