package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/finding"
)

// TextOptions say how much is printed.
type TextOptions struct {
	All    bool // also what holds
	Colour bool
}

// Text writes the document for a terminal: one line per service when all is well, and below it only what is not. Advice is
// one line each; its fix is among all the rest.
func Text(w io.Writer, d Document, o TextOptions) error {
	d.Subject, d.Findings = oneLine(d.Subject), inLines(d.Findings)
	if d.Before != nil {
		d.Before = &Snapshot{Made: d.Before.Made, Findings: inLines(d.Before.Findings)}
	}
	p := painter(o.Colour)
	var b strings.Builder
	width := column(subjects(d.Findings))
	for _, subject := range subjects(d.Findings) {
		mine := of(d.Findings, subject)
		fmt.Fprintf(&b, "%s %-*s %s%s\n", p.mark(worst(mine)), width, subject, summary(mine), ownerOf(mine))
		blind := map[string][]string{} // controls that are unknown for the same cause
		for _, f := range mine {
			if !o.All && (f.Status == finding.Pass || f.Status == finding.NotApplicable) {
				continue
			}
			if f.Status == finding.Unknown {
				cause := f.Detail
				if _, why, ok := strings.Cut(f.Detail, ": "); ok {
					cause = why
				}
				blind[cause] = append(blind[cause], f.Control)
				if !o.All && len(blind[cause]) > 1 {
					continue
				}
			}
			if f.Status == finding.Advice && !o.All {
				fmt.Fprintf(&b, "  %s %-11s %s\n", p.mark(f.Status), f.Control, strings.Trim(f.Title+": "+f.Detail, ": "))
				continue
			}
			fmt.Fprintf(&b, "  %s %-11s %-9s %-9s %s\n", p.mark(f.Status), f.Control, f.Severity, f.Tier, f.Title)
			if f.Detail != "" {
				fmt.Fprintf(&b, "      %s\n", f.Detail)
			}
			switch {
			case f.Status == finding.Waived && f.Waiver != nil:
				fmt.Fprintf(&b, "      waived until %s: %s\n", f.Waiver.Expires, f.Waiver.Why())
			case !f.Proven() || f.Status == finding.Advice:
				fmt.Fprintf(&b, "      %s\n", p.dim(strings.TrimPrefix(f.Where+": "+f.Remedy, ": ")))
			}
		}
		for _, cause := range slices.Sorted(maps.Keys(blind)) {
			if controls := blind[cause]; !o.All && len(controls) > 1 {
				fmt.Fprintf(&b, "  %s %s unknown, %s: %s\n", p.mark(finding.Unknown), display.Count(len(controls)-1, "more control"), cause, strings.Join(controls[1:], " "))
			}
		}
	}
	verdict := p.good(d.verdict())
	if !finding.Proven(d.Findings) {
		verdict = p.bad(d.verdict())
	}
	if d.Before != nil {
		for _, c := range Compare(d.Before.Findings, d.Findings) {
			fmt.Fprintf(&b, "\n%s %s %s: %s → %s", p.mark(c.Now), c.Subject, c.Control, c.Was, c.Answer())
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "\n%s: %s — %s\n", d.Subject, verdict, summary(d.Findings))
	_, err := io.WriteString(w, b.String())
	return err
}

// column is how wide the names of subjects are set.
func column(names []string) int {
	const least, most = 14, 28
	width := least
	for _, name := range names {
		width = max(width, len(name))
	}
	return min(width, most)
}

// ownerOf names the owner of findings that are not proven.
func ownerOf(findings []finding.Finding) string {
	if who := owner(findings); who != "" && !finding.Proven(findings) {
		return "; owner: " + who
	}
	return ""
}

func subjects(findings []finding.Finding) []string {
	var out []string
	for _, f := range findings {
		if !slices.Contains(out, f.Subject) {
			out = append(out, f.Subject)
		}
	}
	return out
}

// order lists statuses from the one that matters most.
func order() []finding.Status {
	return []finding.Status{finding.Drift, finding.Fail, finding.Unknown, finding.Waived, finding.Advice, finding.NotApplicable, finding.Pass}
}

func worst(findings []finding.Finding) finding.Status {
	for _, s := range order() {
		if slices.ContainsFunc(findings, func(f finding.Finding) bool { return f.Status == s }) {
			if s == finding.NotApplicable || s == finding.Advice {
				return finding.Pass
			}
			return s
		}
	}
	return finding.Unknown
}

func summary(findings []finding.Finding) string {
	tally, all := finding.Tally(findings), len(findings)
	open := ""
	if n := finding.Questions(findings); n > 0 {
		open = display.Count(n, "question") + " open · "
	}
	parts := []string{fmt.Sprintf("%d of %d controls hold", tally[finding.Pass], all)}
	for _, s := range order() {
		if n := tally[s]; n > 0 && s != finding.Pass {
			parts = append(parts, fmt.Sprintf("%d %s", n, s))
		}
	}
	return open + strings.Join(parts, ", ")
}

// painter colours by meaning only.
type painter bool

func (p painter) paint(style ansi.Style, s string) string {
	if !p {
		return s
	}
	return style.Styled(s)
}

func (p painter) good(s string) string { return p.paint(ansi.Style{}.ForegroundColor(ansi.Green), s) }

func (p painter) bad(s string) string { return p.paint(ansi.Style{}.ForegroundColor(ansi.Red), s) }

func (p painter) dim(s string) string { return p.paint(ansi.Style{}.Faint(), s) }

func (p painter) mark(s finding.Status) string {
	switch s {
	case finding.Pass:
		return p.good("✓")
	case finding.Fail, finding.Drift:
		return p.bad("✗")
	case finding.Waived, finding.NotApplicable:
		return p.dim("–")
	case finding.Advice:
		return p.dim("i")
	}
	return p.paint(ansi.Style{}.ForegroundColor(ansi.Yellow), "?")
}
