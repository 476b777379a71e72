package report

import (
	"slices"

	"github.com/hsectl/hsectl/internal/finding"
)

// Change is a control of a service whose answer differs from an earlier report.
type Change struct {
	Subject string
	Control string
	Title   string
	Was     string // status before; "not judged" when it is new
	Now     finding.Status
	Better  bool
}

// Compare returns what changed, in the order of the later report. Controls that are no longer judged are left out.
func Compare(before, after []finding.Finding) []Change {
	var out []Change
	for _, f := range after {
		i := slices.IndexFunc(before, func(b finding.Finding) bool { return b.Subject == f.Subject && b.Control == f.Control })
		switch {
		case i < 0:
			out = append(out, Change{f.Subject, f.Control, f.Title, "not judged", f.Status, f.Proven()})
		case before[i].Status != f.Status:
			out = append(out, Change{f.Subject, f.Control, f.Title, before[i].Status.String(), f.Status, f.Proven()})
		}
	}
	return out
}

func of(findings []finding.Finding, subject string) []finding.Finding {
	var out []finding.Finding
	for _, f := range findings {
		if f.Subject == subject {
			out = append(out, f)
		}
	}
	return out
}

// unproven returns what needs somebody's attention, the most severe first.
func unproven(findings []finding.Finding) []finding.Finding {
	out := slices.DeleteFunc(slices.Clone(findings), finding.Finding.Proven)
	slices.SortStableFunc(out, func(a, b finding.Finding) int { return int(b.Severity) - int(a.Severity) })
	return out
}
