package verify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
)

// found are the findings about one container.
type found struct {
	container string
	findings  []finding.Finding
}

// mostDetails bounds how much is said of one control: beyond it a reader has seen enough to go and look.
const mostDetails = 4

// together joins what was found on the containers of one service. What is the same on all of them is said once, and what
// is not says where: one row for each answer to a control.
func together(all []found) []finding.Finding {
	if len(all) == 1 {
		return all[0].findings
	}
	var controls []string
	for _, one := range all {
		for _, f := range one.findings {
			if !slices.Contains(controls, f.Control) {
				controls = append(controls, f.Control)
			}
		}
	}
	var out []finding.Finding
	for _, control := range controls {
		out = append(out, answers(control, all)...)
	}
	return out
}

// answer is what some containers of a service have in common about a control.
type answer struct {
	finding finding.Finding
	details []string            // in the order in which they were met
	seen    map[string][]string // containers by detail
	names   []string
}

func answers(control string, all []found) []finding.Finding {
	var groups []*answer
	for _, one := range all {
		for _, f := range one.findings {
			if f.Control != control {
				continue
			}
			i := slices.IndexFunc(groups, func(g *answer) bool { return g.finding.Status == f.Status })
			if i < 0 {
				i = len(groups)
				groups = append(groups, &answer{finding: f, seen: map[string][]string{}})
			}
			groups[i].add(f, one.container)
		}
	}
	var out []finding.Finding
	for _, g := range groups {
		f := g.finding
		f.Detail = g.text(len(all))
		out = append(out, f)
	}
	return out
}

// add counts the worst severity and the weakest evidence.
func (a *answer) add(f finding.Finding, container string) {
	a.finding.Severity, a.finding.Tier = max(a.finding.Severity, f.Severity), min(a.finding.Tier, f.Tier)
	if a.seen[f.Detail] == nil {
		a.details = append(a.details, f.Detail)
	}
	a.seen[f.Detail] = append(a.seen[f.Detail], container)
	a.names = append(a.names, container)
}

func (a *answer) text(containers int) string {
	whole := len(a.names) == containers
	switch {
	case whole && len(a.details) == 1:
		return a.details[0]
	case a.finding.Proven():
		return fmt.Sprintf("%s (%s; same for %d of %d)", a.details[0], a.seen[a.details[0]][0], len(a.names), containers)
	}
	var parts []string
	for i, detail := range a.details {
		if i == mostDetails {
			parts = append(parts, fmt.Sprintf("and %d more", len(a.details)-i))
			break
		}
		parts = append(parts, strings.Join(a.seen[detail], ", ")+": "+detail)
	}
	return strings.Join(parts, "; ")
}
