package audit

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/finding"
)

// JSON writes the report with its version, for machines.
func JSON(w io.Writer, r Report) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Report
	}{"hsectl/v1", "Scan", r})
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// Text writes what a person must know: the vulnerabilities that count, and the controls that do not hold.
func Text(w io.Writer, r Report, p Policy, all bool) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n", r.Image, strings.TrimSpace(r.Release+"  "+r.Platform))
	for _, d := range r.Databases {
		fmt.Fprintf(&b, "  advisories of %-10s %s, %d records", d.Ecosystem, old(d.Age(p.Today)), d.Records)
		if d.Warning != "" {
			fmt.Fprintf(&b, "; no newer one: %s", d.Warning)
		}
		b.WriteByte('\n')
	}
	for _, u := range r.Unmatched {
		fmt.Fprintf(&b, "  not looked up: %s\n", u)
	}
	shown := r.Counting(p)
	if all {
		shown = r.Vulnerabilities
	}
	if len(shown) > 0 {
		b.WriteByte('\n')
		table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, v := range shown {
			fmt.Fprintf(table, "  %s\t%s\t%s %s\t%s\t%s\n", v.grade(), v.name(), v.Package, v.Version, v.remedy(), v.origin())
		}
		if err := table.Flush(); err != nil {
			return fmt.Errorf("writing the report: %w", err)
		}
	}
	b.WriteByte('\n')
	for _, f := range r.Findings {
		if !all && f.Proven() {
			continue
		}
		fmt.Fprintf(&b, "  %-14s %-11s %-8s %s\n      %s\n", f.Status, f.Control, f.Severity, f.Title, f.Detail)
		if f.Waiver != nil {
			fmt.Fprintf(&b, "      waived until %s: %s\n", f.Waiver.Expires, f.Waiver.Why())
		} else if f.Remedy != "" {
			fmt.Fprintf(&b, "      %s\n", f.Remedy)
		}
	}
	fmt.Fprintf(&b, "\n%s: %s\n", r.Image, r.verdict(p))
	if _, err := io.WriteString(w, display.CleanLines(b.String())); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

func (r Report) verdict(p Policy) string {
	tally := finding.Tally(r.Findings)
	counts := map[Status]int{}
	for _, v := range r.Vulnerabilities {
		counts[v.Status]++
	}
	text := fmt.Sprintf("%d packages, %d vulnerabilities, %d at or above %s", len(r.Packages), len(r.Vulnerabilities), len(r.Counting(p)), p.FailOn)
	for _, s := range []Status{Ignored, NotAffected, Known} {
		if counts[s] > 0 {
			text += fmt.Sprintf(", %d %s", counts[s], s)
		}
	}
	return text + fmt.Sprintf("; %d of %d controls hold", tally[finding.Pass]+tally[finding.NotApplicable]+tally[finding.Waived], len(r.Findings))
}

// grade is the severity, and what is known of attacks.
func (v Vulnerability) grade() string {
	text := v.Severity.String()
	if v.Severity.Score > 0 {
		text += fmt.Sprintf(" %.1f", v.Severity.Score)
	}
	switch {
	case v.Exploited != "":
		text += ", exploited"
	case v.EPSS >= 0.01:
		text += fmt.Sprintf(", EPSS %.0f%%", 100*v.EPSS)
	}
	return text
}

// origin is the layer that brought the package, and the step that made it.
func (v Vulnerability) origin() string {
	if v.Layer < 0 {
		return "layer unknown"
	}
	return fmt.Sprintf("layer %d: %s", v.Layer+1, instruction(v.CreatedBy))
}

// name prefers the best-known name.
func (v Vulnerability) name() string {
	if strings.HasPrefix(v.ID, "CVE-") {
		return v.ID
	}
	for _, a := range v.Aliases {
		if strings.HasPrefix(a, "CVE-") {
			return a
		}
	}
	return v.ID
}

func (v Vulnerability) remedy() string {
	switch {
	case v.Status != Affected:
		return string(v.Status)
	case v.Undecided != "":
		return "undecided"
	case v.Fixed != "":
		return "fixed in " + v.Fixed
	}
	return "no fix"
}

// instruction shortens a build step to what tells it apart.
func instruction(step string) string {
	step = strings.TrimPrefix(strings.TrimPrefix(step, "/bin/sh -c "), "#(nop) ")
	step = strings.Join(strings.Fields(strings.TrimSuffix(step, "# buildkit")), " ")
	if runes := []rune(step); len(runes) > 60 {
		step = string(runes[:59]) + "…"
	}
	return step
}

// old writes an age in the unit that matters.
func old(age time.Duration) string {
	switch {
	case age < time.Hour:
		return "fresh"
	case age < 48*time.Hour:
		return fmt.Sprintf("%d hours old", int(age.Hours()))
	}
	return fmt.Sprintf("%d days old", int(age.Hours()/24))
}
