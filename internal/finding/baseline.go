package finding

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Baseline is a list of findings that are known and stand for now: only new ones count.
type Baseline struct {
	Findings []Known `json:"findings"`
}

// Known identifies a finding. Its detail is part of it: one more open port is a new finding.
type Known struct {
	Subject string `json:"subject"`
	Control string `json:"control"`
	Detail  string `json:"detail"`
}

// NewBaseline returns the findings that are not proven.
func NewBaseline(findings []Finding) Baseline {
	b := Baseline{Findings: []Known{}}
	for _, f := range findings {
		if k := f.known(); !f.Proven() && !slices.Contains(b.Findings, k) {
			b.Findings = append(b.Findings, k)
		}
	}
	return b
}

func (f Finding) known() Known { return Known{f.Subject, f.Control, f.Detail} }

// baselineFile is a baseline as it is written.
type baselineFile struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Baseline
}

// ParseBaseline reads what Baseline.Text wrote.
func ParseBaseline(data []byte) (Baseline, error) {
	var b baselineFile
	if err := json.Unmarshal(data, &b); err != nil {
		return Baseline{}, fmt.Errorf("reading the baseline: %w", err)
	}
	if b.APIVersion != "hsectl/v1" || b.Kind != "Baseline" {
		return Baseline{}, fmt.Errorf("reading the baseline: it is a %q of version %q, not a Baseline of hsectl/v1", b.Kind, b.APIVersion)
	}
	return b.Baseline, nil
}

// Text returns the baseline as it is written.
func (b Baseline) Text() ([]byte, error) {
	data, err := json.MarshalIndent(baselineFile{"hsectl/v1", "Baseline", b}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the baseline: %w", err)
	}
	return append(data, '\n'), nil
}

// Apart returns the findings that the baseline does not know, how many it knows, and how many of its entries are no
// findings any more.
func (b Baseline) Apart(findings []Finding) (fresh []Finding, known, stale int) {
	met := map[Known]bool{}
	for _, f := range findings {
		if k := f.known(); !f.Proven() && slices.Contains(b.Findings, k) {
			met[k] = true
			known++
			continue
		}
		fresh = append(fresh, f)
	}
	return fresh, known, len(b.Findings) - len(met)
}
