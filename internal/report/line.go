package report

import (
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/review"
	"github.com/hsectl/hsectl/internal/sanitize"
)

// oneLine is a value as text of one line, in which nothing is hidden and nothing is a command.
func oneLine(s string) string {
	return sanitize.Text(strings.NewReplacer("\r\n", " ", "\n", " ", "\r", " ", "\t", " ").Replace(s))
}

// inLines returns findings whose values are each one line: a value must not look like a line of the report.
func inLines(findings []finding.Finding) []finding.Finding {
	out := slices.Clone(findings)
	for i := range out {
		f := &out[i]
		for _, s := range []*string{&f.Subject, &f.Control, &f.Title, &f.Detail, &f.Where, &f.Remedy, &f.Owner} {
			*s = oneLine(*s)
		}
		if f.Waiver != nil {
			w := *f.Waiver
			w.Reason, w.Owner, w.Expires = oneLine(w.Reason), oneLine(w.Owner), oneLine(w.Expires)
			f.Waiver = &w
		}
	}
	return out
}

// reviewInLines is a review whose values are each one line. The diff is left as it is.
func reviewInLines(r review.Review) review.Review {
	r.Stack, r.Changes = oneLine(r.Stack), slices.Clone(r.Changes)
	for i := range r.Changes {
		c := &r.Changes[i]
		for _, s := range []*string{&c.Service, &c.Owner, &c.Control, &c.What, &c.Old, &c.New, &c.Reason, &c.Where} {
			*s = oneLine(*s)
		}
	}
	return r
}
