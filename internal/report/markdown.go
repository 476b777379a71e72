package report

import (
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
)

// Markdown writes a summary for a pull request or a job: a table of services, what is not proven, and all evidence
// folded away.
func Markdown(w io.Writer, d Document) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s %s: %s\n\n", symbol(proofOf(d.Findings)), cell(d.Subject), d.verdict())
	if who := owners(d.Findings); len(who) > 0 {
		fmt.Fprintf(&b, "To be reviewed by %s.\n\n", cell(strings.Join(who, ", ")))
	}
	b.WriteString("| | service | holds | fails | drift | unknown | waived | advice | not applicable |\n|---|---|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, subject := range subjects(d.Findings) {
		mine := of(d.Findings, subject)
		t := finding.Tally(mine)
		fmt.Fprintf(&b, "| %s | %s | %d | %d | %d | %d | %d | %d | %d |\n", symbol(worst(mine)), cell(subject),
			t[finding.Pass], t[finding.Fail], t[finding.Drift], t[finding.Unknown], t[finding.Waived], t[finding.Advice], t[finding.NotApplicable])
	}
	if open := unproven(d.Findings); len(open) > 0 {
		b.WriteString("\n### Not proven\n\n")
		for _, f := range open {
			fmt.Fprintf(&b, "- %s **%s** %s (%s, %s) — %s: %s  \n  %s %s\n", symbol(f.Status), cell(f.Control), cell(f.Subject), f.Severity, f.Status,
				cell(f.Title), cell(f.Detail), inline(f.Where), cell(f.Remedy))
		}
	}
	if d.Before != nil {
		markdownChanges(&b, Compare(d.Before.Findings, d.Findings))
	}
	fmt.Fprintf(&b, "\n<details><summary>All evidence: %s</summary>\n\n| | service | control | severity | evidence | detail |\n|---|---|---|---|---|---|\n", summary(d.Findings))
	for _, f := range d.Findings {
		fmt.Fprintf(&b, "| %s | %s | %s %s | %s | %s | %s |\n", symbol(f.Status), cell(f.Subject), cell(f.Control), cell(f.Title), f.Severity, f.Tier, cell(f.Detail))
	}
	b.WriteString("\n</details>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func markdownChanges(b *strings.Builder, changes []Change) {
	b.WriteString("\n### Since the last report\n\n")
	if len(changes) == 0 {
		b.WriteString("Nothing changed.\n")
	}
	for _, c := range changes {
		fmt.Fprintf(b, "- %s **%s** %s: %s → %s\n", symbol(c.Now), cell(c.Control), cell(c.Subject), cell(c.Was), c.Answer())
	}
}

// cell keeps text from ending a table's cell, becoming markup, loading a picture or mentioning a user: values come from
// containers and pull requests, and may be anything.
func cell(s string) string {
	s = oneLine(s)
	var b strings.Builder
	for {
		at := link.FindStringIndex(s)
		if at == nil {
			break
		}
		b.WriteString(plain(s[:at[0]]) + inline(s[at[0]:at[1]]))
		s = s[at[1]:]
	}
	return b.String() + plain(s)
}

// link finds what GitHub and GitLab make links of by themselves: addresses, mail addresses, and references to issues. As code they
// are text.
var link = regexp.MustCompile(`(?i)\b[a-z][a-z0-9+.-]*://\S*|\bwww\.\S*|\bmailto:\S*|[a-z0-9._/-]*#[0-9]\S*|[a-z0-9._%+-]+@[a-z0-9-]+\.\S*`)

// plain escapes markup. The comment after @ keeps a name from being called.
func plain(s string) string {
	return strings.NewReplacer(`\`, `\\`, "|", `\|`, "<", "&lt;", ">", "&gt;", "&", "&amp;", "@", "@<!-- -->", "[", `\[`, "]", `\]`, "!", `\!`, "*", `\*`, "_", `\_`, "~", `\~`, "`", "'").Replace(s)
}

func symbol(s finding.Status) string {
	return [...]string{"❔", "✅", "❌", "❌", "➖", "➖", "💡"}[s]
}

func proofOf(findings []finding.Finding) finding.Status {
	if finding.Proven(findings) {
		return finding.Pass
	}
	return finding.Fail
}
