package review

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
)

// JSON writes the reviews with their version, for machines.
func JSON(w io.Writer, reviews []Review) error {
	summary := map[string]int{}
	for _, r := range reviews {
		for d, n := range r.Tally() {
			summary[d.String()] += n
		}
	}
	out := struct {
		APIVersion string         `json:"apiVersion"`
		Kind       string         `json:"kind"`
		Summary    map[string]int `json:"summary"`
		Reviews    []Review       `json:"reviews"`
	}{"hsectl/v1", "Review", summary, reviews}
	if out.Reviews == nil {
		out.Reviews = []Review{}
	}
	for i, r := range out.Reviews {
		if r.Changes == nil {
			out.Reviews[i].Changes = []Change{}
		}
	}
	return encode(w, out)
}

func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("writing the review: %w", err)
	}
	return nil
}

// The part of SARIF 2.1.0 that code scanning reads.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}

	sarifRun struct {
		Tool    sarifTool     `json:"tool"`
		Results []sarifResult `json:"results"`
	}

	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}

	sarifDriver struct {
		Name  string      `json:"name"`
		Rules []sarifRule `json:"rules"`
	}

	sarifRule struct {
		ID               string    `json:"id"`
		ShortDescription sarifText `json:"shortDescription"`
	}

	sarifText struct {
		Text string `json:"text"`
	}

	sarifResult struct {
		RuleID     string            `json:"ruleId"`
		Level      string            `json:"level"`
		Message    sarifText         `json:"message"`
		Locations  []sarifLocation   `json:"locations,omitempty"`
		Properties map[string]string `json:"properties,omitempty"`
	}

	sarifLocation struct {
		Physical sarifPhysical `json:"physicalLocation"`
	}

	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}

	sarifArtifact struct {
		URI string `json:"uri"`
	}

	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn,omitempty"`
	}
)

// SARIF writes what deserves attention on the lines of the profile, for code scanning.
func SARIF(w io.Writer, reviews []Review) error {
	run := sarifRun{Tool: sarifTool{sarifDriver{Name: "hsectl"}}, Results: []sarifResult{}}
	for _, id := range slices.Sorted(maps.Keys(Rules())) {
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{id, sarifText{Rules()[id]}})
	}
	for _, r := range reviews {
		for _, c := range r.Changes {
			if c.Counts() {
				run.Results = append(run.Results, newSARIFResult(c))
			}
		}
	}
	return encode(w, sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}})
}

func newSARIFResult(c Change) sarifResult {
	out := sarifResult{RuleID: c.Rule, Level: level(c.Severity), Message: sarifText{fmt.Sprintf("%s: %s: %s. %s", title(c.Service), c.What, values(c), c.Reason)}}
	out.Properties = map[string]string{}
	if c.Control != "" {
		out.Properties["control"] = c.Control
	}
	if c.Owner != "" { // code scanning shows the message only
		out.Properties["owner"] = c.Owner
		out.Message.Text += ". Owner: " + c.Owner
	}
	if file, line, column := splitPlace(c.Where); file != "" {
		l := sarifLocation{sarifPhysical{Artifact: sarifArtifact{file}}}
		if line > 0 {
			l.Physical.Region = &sarifRegion{line, column}
		}
		out.Locations = []sarifLocation{l}
	}
	return out
}

func level(s finding.Severity) string {
	switch {
	case s >= finding.High:
		return "error"
	case s == finding.Medium:
		return "warning"
	}
	return "note"
}

// splitPlace reads file:line:column; a file name may hold colons itself.
func splitPlace(where string) (file string, line, column int) {
	parts := strings.Split(where, ":")
	var numbers []int
	for len(parts) > 1 && len(numbers) < 2 {
		n, err := strconv.Atoi(parts[len(parts)-1])
		if err != nil {
			break
		}
		numbers = append([]int{n}, numbers...)
		parts = parts[:len(parts)-1]
	}
	file = strings.Join(parts, ":")
	if len(numbers) > 0 {
		line = numbers[0]
	}
	if len(numbers) > 1 {
		column = numbers[1]
	}
	return file, line, column
}
