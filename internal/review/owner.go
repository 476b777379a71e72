package review

import "github.com/hsectl/hsectl/internal/finding"

// owner notes that somebody else answers for the service, or nobody does any more.
func (s *serviceComparison) owner() {
	old, now := s.old.Owner, s.new.Owner
	change := Change{Rule: RuleOther, What: "owner", Old: old, New: now, Key: "owner", Severity: finding.Low}
	switch {
	case old == now:
		return
	case old == "":
		change.Severity, change.Reason = finding.Info, "somebody answers for it"
	case now == "":
		change.Reason = "nobody answers for it any more"
	default:
		change.Reason = "see that the new owner knows of it"
	}
	s.change(change)
}
