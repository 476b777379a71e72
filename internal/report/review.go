package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/review"
	"github.com/hsectl/hsectl/internal/sanitize"
)

// ReviewFormats lists what WriteReviews can write.
func ReviewFormats() []string { return []string{"text", "markdown", "json", "sarif"} }

// WriteReviews writes comparisons of stacks in one of ReviewFormats.
func WriteReviews(w io.Writer, format string, reviews []review.Review, sources Sources) error {
	switch format {
	case "text":
		return ReviewText(w, reviews)
	case "markdown":
		return ReviewMarkdown(w, reviews)
	case "json":
		return ReviewJSON(w, reviews)
	case "sarif":
		return ReviewSARIF(w, reviews, sources)
	}
	return unknownFormat(format, ReviewFormats())
}

// Marker is the line by which a pipeline finds its own comment on a pull request, to update it.
const Marker = "<!-- hsectl review -->"

// ReviewText writes the reviews for people.
func ReviewText(w io.Writer, reviews []review.Review) error {
	b := &strings.Builder{}
	for i, r := range reviews {
		if i > 0 {
			b.WriteString("\n")
		}
		r = reviewInLines(r)
		fmt.Fprintf(b, "%s: %s\n", r.Stack, reviewSummary(r))
		if owners := r.Owners(); len(owners) > 0 {
			fmt.Fprintf(b, "to be reviewed by %s\n", strings.Join(owners, ", "))
		}
		service := "\x00"
		for _, c := range r.Changes {
			if c.Service != service {
				service = c.Service
				fmt.Fprintf(b, "\n%s\n", serviceTitle(service))
			}
			fmt.Fprintf(b, "  %s %-9s %-12s %s: %s\n", directionSign(c.Direction), severityText(c), c.Control, c.What, difference(c))
			fmt.Fprintf(b, "      %s%s\n", c.Reason, written(c))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func serviceTitle(service string) string {
	if service == "" {
		return "the stack"
	}
	return service
}

func reviewSummary(r review.Review) string {
	if len(r.Changes) == 0 {
		return "nothing changes"
	}
	n := r.Tally()
	return fmt.Sprintf("%d weaker, %d stronger, %d neutral", n[review.Weaker], n[review.Stronger], n[review.Neutral])
}

func directionSign(d review.Direction) string {
	return map[review.Direction]string{review.Weaker: "−", review.Stronger: "+", review.Neutral: "·"}[d]
}

// severityText is empty for a change that needs no attention.
func severityText(c review.Change) string {
	if c.Direction == review.Neutral && c.Severity == finding.Info {
		return ""
	}
	return c.Severity.String()
}

func difference(c review.Change) string {
	switch {
	case c.Old == "" && c.New == "":
		return "differs"
	case c.Old == "":
		return c.New + " (new)"
	case c.New == "":
		return c.Old + " (gone)"
	case c.Old == c.New:
		return c.New
	}
	return c.Old + " → " + c.New
}

func written(c review.Change) string {
	if c.Where == "" {
		return ""
	}
	return "  " + c.Where
}

// maxDiff bounds the diff in a comment: GitHub takes 65,536 characters, GitLab a million.
const maxDiff = 30_000

// ReviewMarkdown writes the reviews as one comment on a pull request. Its first line is Marker.
func ReviewMarkdown(w io.Writer, reviews []review.Review) error {
	b := &strings.Builder{}
	b.WriteString(Marker + "\n## hsectl review\n")
	for _, r := range reviews {
		fmt.Fprintf(b, "\n### %s: %s\n", cell(r.Stack), reviewSummary(r))
		if owners := r.Owners(); len(owners) > 0 {
			fmt.Fprintf(b, "\nTo be reviewed by %s.\n", cell(strings.Join(owners, ", ")))
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
func markdownRows(b *strings.Builder, r review.Review) {
	var open, folded []review.Change
	for _, c := range r.Changes {
		if c.Counts() {
			open = append(open, c)
		} else {
			folded = append(folded, c)
		}
	}
	if len(open) > 0 {
		b.WriteString("\n")
		changeTable(b, open)
	}
	if len(folded) > 0 {
		fmt.Fprintf(b, "\n<details><summary>%d stronger or neutral</summary>\n\n", len(folded))
		changeTable(b, folded)
		b.WriteString("\n</details>\n")
	}
}

func changeTable(b *strings.Builder, changes []review.Change) {
	b.WriteString("| | service | change | control | why | line |\n|---|---|---|---|---|---|\n")
	for _, c := range changes {
		fmt.Fprintf(b, "| %s %s | %s | %s: %s | %s | %s | %s |\n", c.Direction, severityText(c), cell(serviceTitle(c.Service)), cell(c.What), inline(difference(c)), cell(c.Control), cell(c.Reason), cell(c.Where))
	}
}

func markdownDiff(b *strings.Builder, diff string) {
	if diff == "" {
		return
	}
	diff = sanitize.Text(diff)
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

// inline shows a value as it was written. A table reads \| before it reads code, and takes two backslashes for one.
func inline(s string) string {
	if s = oneLine(s); strings.TrimSpace(s) == "" {
		return s
	}
	return "`" + strings.NewReplacer(`\|`, `\ \|`, "|", `\|`, "`", "'").Replace(s) + "`"
}

// ReviewJSON writes the reviews with their version, for machines.
func ReviewJSON(w io.Writer, reviews []review.Review) error {
	summary := map[string]int{}
	for _, r := range reviews {
		for d, n := range r.Tally() {
			summary[d.String()] += n
		}
	}
	out := struct {
		APIVersion string          `json:"apiVersion"`
		Kind       string          `json:"kind"`
		Summary    map[string]int  `json:"summary"`
		Reviews    []review.Review `json:"reviews"`
	}{"hsectl/v1", "Review", summary, reviews}
	if out.Reviews == nil {
		out.Reviews = []review.Review{}
	}
	for i, r := range out.Reviews {
		if r.Changes == nil {
			out.Reviews[i].Changes = []review.Change{}
		}
	}
	return encode(w, out, "review")
}

// ReviewSARIF writes what deserves attention on the lines of the profile, for code scanning.
func ReviewSARIF(w io.Writer, reviews []review.Review, sources Sources) error {
	run := newSARIFRun("")
	index := map[string]int{}
	for i, id := range slices.Sorted(maps.Keys(review.Rules())) {
		run.AddRule(id).WithShortDescription(sarif.NewMultiformatMessageString().WithText(review.Rules()[id]))
		index[id] = i
	}
	for _, r := range reviews {
		for _, c := range r.Changes {
			if c.Counts() {
				run.AddResult(changeResult(r.Stack, index[c.Rule], c, sources))
			}
		}
	}
	return writeSARIF(w, run)
}

func changeResult(stack string, rule int, c review.Change, sources Sources) *sarif.Result {
	about := map[string]any{}
	if c.Control != "" {
		about["control"] = c.Control
	}
	text := fmt.Sprintf("%s: %s: %s. %s", serviceTitle(c.Service), c.What, difference(c), c.Reason)
	if c.Owner != "" { // code scanning shows the message only
		about["owner"] = c.Owner
		text += ". Owner: " + c.Owner
	}
	out := sarif.NewRuleResult(c.Rule).WithRuleIndex(rule).WithKind("fail").WithLevel(level(c.Severity)).
		WithMessage(sarif.NewTextMessage(sarifPlain(text))).WithProperties(properties(about))
	// The same change of the same value is the same alert, wherever its line moves.
	out.WithPartialFingerprints(fingerprint("hsectlReview/v1", stack, c.Service, c.Rule, c.Control, c.What, c.Key))
	if file, line, column := place(c.Where); file != "" {
		out.AddLocation(sarif.NewLocation().WithPhysicalLocation(physicalLocation(sources.path(file), line, column)))
	}
	return out
}
