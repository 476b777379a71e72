package review

import (
	"slices"

	"github.com/hsectl/hsectl/internal/finding"
)

// dockerfile notes what the Dockerfile of a service says now that it did not say, and what it says no more, by the image
// controls. What an exception allows stands with the exceptions, before and after.
func (s *serviceComparison) dockerfile() {
	old, had := s.base.Dockerfiles[s.name]
	now, has := s.head.Dockerfiles[s.name]
	switch {
	case s.new.Build == nil:
		return
	case !has:
		switch {
		case had:
			s.change(Change{Rule: RuleImage, Severity: finding.Low, What: "Dockerfile", Key: "build", Reason: "it was there before, and cannot be read now: what it does is not judged"})
		case s.old.Build == nil:
			s.change(Change{Rule: RuleImage, Severity: finding.Low, What: "Dockerfile", Key: "build", Reason: "it cannot be read: what it does is not judged"})
		}
		return
	case !had && s.old.Build != nil:
		s.change(Change{Rule: RuleImage, What: "Dockerfile", Key: "build", Reason: "it could not be read before, so all that it does counts as new"})
	}
	gone := without(old, now)
	for _, f := range without(now, old) {
		c := Change{Rule: RuleControl, Control: f.Control, Direction: Weaker, Severity: f.Severity, What: "Dockerfile", New: f.Detail, Key: "build",
			Where: f.Where, Reason: lowered(f.Title) + ": " + f.Remedy}
		if i := slices.IndexFunc(gone, func(g finding.Finding) bool { return g.Control == f.Control }); i >= 0 {
			c.Direction, c.Old, c.Reason = Neutral, gone[i].Detail, "the control failed before, too, but not in this way: "+f.Remedy
			gone = slices.Delete(gone, i, i+1)
		}
		s.change(c)
	}
	for _, f := range gone {
		s.change(Change{Rule: RuleControl, Control: f.Control, Direction: Stronger, Severity: f.Severity, What: "Dockerfile", Old: f.Detail, Key: "build", Reason: lowered(f.Title)})
	}
}

// without returns the findings of one list that fail and are not in the other, each as often as it is there more. Lines may
// move, and exceptions come and go.
func without(list, other []finding.Finding) []finding.Finding {
	type said struct{ control, detail string }
	left := map[said]int{}
	for _, f := range other {
		left[said{f.Control, f.Detail}]++
	}
	var out []finding.Finding
	for _, f := range list {
		key := said{f.Control, f.Detail}
		switch {
		case left[key] > 0:
			left[key]--
		case f.Status != finding.Waived:
			out = append(out, f)
		}
	}
	return out
}
