// Package report writes findings and reviews for people and machines: text, JSON, SARIF, JUnit, Markdown and HTML. It judges
// nothing, and reads no clock: one document gives the same bytes every time.
package report

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
)

// Document is what is reported.
type Document struct {
	Kind     string // Evidence, Lint, Drill or Checklist
	Subject  string // name of the stack
	Findings []finding.Finding
	Rules    []Rule    // what the controls mean; a finding without a rule explains itself
	Tool     string    // version of hsectl
	Profile  string    // path of the profile
	Sources  Sources   // where the files are that findings name
	Engine   string    // version of the engine, where one was asked
	Made     time.Time // zero when it does not matter
	Before   *Snapshot // an earlier report to compare with
	Charts   []Chart   // what drills measured
}

// Rule explains a control.
type Rule struct {
	ID         string
	Title      string
	Severity   finding.Severity
	Rationale  string
	Remedy     string
	References []string
}

// Snapshot is an earlier report.
type Snapshot struct {
	Made     time.Time         `json:"made"`
	Findings []finding.Finding `json:"findings"`
}

// Chart is one or more measured lines over time.
type Chart struct {
	Title string `json:"title"`
	Unit  string `json:"unit"`
	Lines []Line `json:"lines"`
	Limit Limit  `json:"limit,omitzero"`
	Marks []Mark `json:"marks,omitempty"`
}

// Mark is a moment at which something happened, at a value.
type Mark struct {
	Name  string  `json:"name"`
	At    float64 `json:"at"` // seconds after the first measurement
	Value float64 `json:"value"`
}

// Limit is a horizontal line that the values must stay under. The zero Limit is none.
type Limit struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
}

// Line is a series of measurements.
type Line struct {
	Name   string  `json:"name"`
	Points []Point `json:"points"`
}

// Point is one measurement, in seconds after the first.
type Point struct {
	At    float64 `json:"at"`
	Value float64 `json:"value"`
}

// Formats lists what Write can write.
func Formats() []string { return []string{"text", "json", "sarif", "junit", "markdown", "html"} }

// Write writes the document in one of Formats.
func Write(w io.Writer, format string, d Document, o TextOptions) error {
	switch format {
	case "text":
		return Text(w, d, o)
	case "json":
		return JSON(w, d)
	case "sarif":
		return SARIF(w, d)
	case "junit":
		return JUnit(w, d)
	case "markdown":
		return Markdown(w, d)
	case "html":
		return HTML(w, d)
	}
	return unknownFormat(format, Formats())
}

func unknownFormat(format string, known []string) error {
	return fmt.Errorf("unknown format %q: want one of %s", format, strings.Join(known, ", "))
}

// rule returns what is known about the control of a finding.
func (d Document) rule(f finding.Finding) Rule {
	i := slices.IndexFunc(d.Rules, func(r Rule) bool { return r.ID == f.Control })
	if i >= 0 {
		return d.Rules[i]
	}
	return Rule{ID: f.Control, Title: f.Title, Severity: f.Severity, Rationale: f.Title + ".", Remedy: f.Remedy}
}

// owner is the owner of the subject of the findings; empty when none is named.
func owner(findings []finding.Finding) string {
	for _, f := range findings {
		if f.Owner != "" {
			return f.Owner
		}
	}
	return ""
}

// owners name who has to look at what is not proven, each with the subjects, in the order of the findings.
func owners(findings []finding.Finding) []string {
	mine := map[string][]string{}
	var who []string
	for _, subject := range subjects(findings) {
		open := of(findings, subject)
		o := owner(open)
		if o == "" || finding.Proven(open) {
			continue
		}
		if mine[o] == nil {
			who = append(who, o)
		}
		mine[o] = append(mine[o], subject)
	}
	for i, o := range who {
		who[i] = o + " (" + strings.Join(mine[o], ", ") + ")"
	}
	return who
}

// verdict is the one word for the whole document.
func (d Document) verdict() string {
	word := "proven"
	switch d.Kind {
	case "Lint":
		word = "clean"
	case "Checklist":
		word = "ready"
	}
	if !finding.Proven(d.Findings) {
		return "not " + word
	}
	return word
}

// place splits file:line:column, or file:line; a file name may hold colons itself.
func place(where string) (file string, line, column int) {
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
