package review

import (
	"fmt"
	"io"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
)

// Marker is the line by which a pipeline finds its own comment on a pull request, to update it.
const Marker = "<!-- hsectl review -->"

// Text writes the reviews for people.
func Text(w io.Writer, reviews []Review) error {
	b := &strings.Builder{}
	for i, r := range reviews {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(b, "%s: %s\n", r.Stack, summary(r))
		if owners := r.Owners(); len(owners) > 0 {
			fmt.Fprintf(b, "to be looked at by %s\n", strings.Join(owners, ", "))
		}
		service := "\x00"
		for _, c := range r.Changes {
			if c.Service != service {
				service = c.Service
				fmt.Fprintf(b, "\n%s\n", title(service))
			}
			fmt.Fprintf(b, "  %s %-9s %-12s %s: %s\n", sign(c.Direction), severityText(c), c.Control, c.What, values(c))
			fmt.Fprintf(b, "      %s%s\n", c.Reason, place(c))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func title(service string) string {
	if service == "" {
		return "the stack"
	}
	return service
}

func summary(r Review) string {
	if len(r.Changes) == 0 {
		return "nothing changes"
	}
	n := r.Tally()
	return fmt.Sprintf("%d weaker, %d stronger, %d neutral", n[Weaker], n[Stronger], n[Neutral])
}

func sign(d Direction) string {
	return map[Direction]string{Weaker: "−", Stronger: "+", Neutral: "·"}[d]
}

// severityText is empty for a change that needs no attention.
func severityText(c Change) string {
	if c.Direction == Neutral && c.Severity == finding.Info {
		return ""
	}
	return c.Severity.String()
}

func values(c Change) string {
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

func place(c Change) string {
	if c.Where == "" {
		return ""
	}
	return "  " + c.Where
}
