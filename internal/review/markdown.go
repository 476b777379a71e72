package review

import (
	"fmt"
	"io"
	"strings"
)

// maxDiff bounds the diff in a comment: GitHub takes 65,536 characters, GitLab a million.
const maxDiff = 30_000

// Markdown writes the reviews as one comment on a pull request. Its first line is Marker.
func Markdown(w io.Writer, reviews []Review) error {
	b := &strings.Builder{}
	b.WriteString(Marker + "\n## hsectl review\n")
	for _, r := range reviews {
		fmt.Fprintf(b, "\n### %s: %s\n", cell(r.Stack), summary(r))
		if owners := r.Owners(); len(owners) > 0 {
			fmt.Fprintf(b, "\nTo be looked at by %s.\n", cell(strings.Join(owners, ", ")))
		}
		markdownRows(b, r)
		markdownDiff(b, r.Diff)
	}
	if len(reviews) == 0 {
		b.WriteString("\nNo profile changes.\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// markdownRows shows what counts in the open, and the rest folded.
func markdownRows(b *strings.Builder, r Review) {
	var open, folded []Change
	for _, c := range r.Changes {
		if c.Counts() {
			open = append(open, c)
		} else {
			folded = append(folded, c)
		}
	}
	if len(open) > 0 {
		b.WriteString("\n")
		table(b, open)
	}
	if len(folded) > 0 {
		fmt.Fprintf(b, "\n<details><summary>%d stronger or neutral</summary>\n\n", len(folded))
		table(b, folded)
		b.WriteString("\n</details>\n")
	}
}

func table(b *strings.Builder, changes []Change) {
	b.WriteString("| | service | change | control | why | line |\n|---|---|---|---|---|---|\n")
	for _, c := range changes {
		fmt.Fprintf(b, "| %s %s | %s | %s: %s | %s | %s | %s |\n", c.Direction, severityText(c), cell(title(c.Service)), cell(c.What), code(values(c)), c.Control, cell(c.Reason), cell(c.Where))
	}
}

func markdownDiff(b *strings.Builder, diff string) {
	if diff == "" {
		return
	}
	note := ""
	if len(diff) > maxDiff {
		diff, note = diff[:strings.LastIndexByte(diff[:maxDiff], '\n')+1], "\nThe rest is left out; see it with: `hsectl review --format text --diff`\n"
	}
	fence := "```"
	for strings.Contains(diff, fence) {
		fence += "`"
	}
	fmt.Fprintf(b, "\n<details><summary>What is rendered</summary>\n\n%sdiff\n%s%s\n%s\n</details>\n", fence, diff, fence, note)
}

// cell makes a text safe inside a cell of a table: values come from the pull request, and may be anything.
func cell(s string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ", "\r", " ", "<", "&lt;", ">", "&gt;", "`", "'", "@", "@\u200b", "[", "\\[", "*", "\\*", "!", "\\!").Replace(s)
}

// code shows a value as it was written.
func code(s string) string {
	return "`" + strings.NewReplacer("|", "\\|", "\n", " ", "\r", " ", "`", "'").Replace(s) + "`"
}
