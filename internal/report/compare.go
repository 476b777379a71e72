package report

import (
	"fmt"
	"slices"
	"strings"

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
	Gone    bool // no longer judged, which proves nothing: Now is unknown
}

// Compare returns what changed, first what became worse, otherwise in the order of the later report.
func Compare(before, after []finding.Finding) []Change {
	var out []Change
	for _, f := range after {
		i := slices.IndexFunc(before, func(b finding.Finding) bool { return b.Subject == f.Subject && b.Control == f.Control })
		switch {
		case i < 0:
			out = append(out, Change{f.Subject, f.Control, f.Title, notJudged, f.Status, f.Proven(), false})
		case before[i].Status != f.Status:
			out = append(out, Change{f.Subject, f.Control, f.Title, before[i].Status.String(), f.Status, f.Proven(), false})
		}
	}
	for _, b := range before {
		if !slices.ContainsFunc(after, func(f finding.Finding) bool { return b.Subject == f.Subject && b.Control == f.Control }) {
			out = append(out, Change{b.Subject, b.Control, b.Title, b.Status.String(), finding.Unknown, false, true})
		}
	}
	slices.SortStableFunc(out, func(a, b Change) int {
		switch {
		case a.Better == b.Better:
			return 0
		case b.Better:
			return -1
		}
		return 1
	})
	return out
}

// Answer is the answer now, in words.
func (c Change) Answer() string {
	if c.Gone {
		return "no longer judged"
	}
	return c.Now.String()
}

const notJudged = "not judged"

// changed is what happened since an earlier report, in one sentence.
func changed(changes []Change) string {
	var worse, better, fresh int
	for _, c := range changes {
		switch {
		case !c.Better:
			worse++
		case c.Was == notJudged:
			fresh++
		default:
			better++
		}
	}
	if worse+better+fresh == 0 {
		return "nothing changed"
	}
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{{worse, "worse"}, {better, "better"}, {fresh, "new"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	return strings.Join(parts, ", ")
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

// unproven returns what needs attention, most severe first.
func unproven(findings []finding.Finding) []finding.Finding {
	out := slices.DeleteFunc(slices.Clone(findings), finding.Finding.Proven)
	slices.SortStableFunc(out, func(a, b finding.Finding) int { return int(b.Severity) - int(a.Severity) })
	return out
}
