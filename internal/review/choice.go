package review

import (
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
)

// choices notes that the service is part of the stack in other cases than before.
func (s *serviceComparison) choices() {
	old, now := strings.Join(s.old.Profiles, ", "), strings.Join(s.new.Profiles, ", ")
	if old == now {
		return
	}
	change := Change{Rule: RuleOther, What: "profiles", Old: old, New: now, Key: "profiles", Severity: finding.Low, Reason: "it takes part in other deploys than before"}
	switch {
	case now == "":
		change.Reason = "it takes part in every deploy now"
	case old == "":
		change.Reason = "deploy leaves it out, and removes it, unless --profiles chooses it"
	}
	s.change(change)
}
