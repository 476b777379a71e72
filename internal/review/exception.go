package review

import (
	"fmt"
	"slices"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/controls"
	"github.com/hsectl/hsectl/internal/stack"
)

// long is the time after which an exception is more than a transition.
const long = 90 * 24 * time.Hour

func (s *serviceComparison) exceptions() {
	for _, e := range s.new.Exceptions {
		old, had := s.old.Excepted(e.Control)
		switch {
		case !had:
			s.change(Change{Rule: RuleException, Control: e.Control, Direction: Weaker, Severity: s.waiverSeverity(e), What: "exception", New: exceptionText(e), Key: "exceptions",
				Reason: "the control need not hold: " + e.Reason})
		case e.Expires > old.Expires:
			s.change(Change{Rule: RuleException, Control: e.Control, Direction: Weaker, Severity: s.waiverSeverity(e), What: "exception", Old: exceptionText(old), New: exceptionText(e), Key: "exceptions",
				Reason: "the exception was extended: " + e.Reason})
		case e.Expires < old.Expires:
			s.change(Change{Rule: RuleException, Control: e.Control, Direction: Stronger, Severity: finding.Low, What: "exception", Old: exceptionText(old), New: exceptionText(e), Key: "exceptions",
				Reason: "the exception ends sooner"})
		case e.Reason != old.Reason || e.Owner != old.Owner:
			s.change(Change{Rule: RuleException, Control: e.Control, What: "reason of the exception", Old: old.Reason + " (" + old.Owner + ")", New: e.Reason + " (" + e.Owner + ")", Key: "exceptions",
				Reason: "the exception itself is unchanged"})
		}
	}
	for _, e := range s.old.Exceptions {
		if _, has := s.new.Excepted(e.Control); !has {
			s.change(Change{Rule: RuleException, Control: e.Control, Direction: Stronger, Severity: severityOf(e.Control), What: "exception", Old: exceptionText(e), Key: "exceptions",
				Reason: "the control must hold again"})
		}
	}
}

// waiverSeverity is that of the control, but at least medium, and high when the exception lasts long.
func (s *serviceComparison) waiverSeverity(e stack.Exception) finding.Severity {
	severity := max(finding.Medium, severityOf(e.Control))
	if expires, err := time.Parse(time.DateOnly, e.Expires); err == nil && expires.Sub(s.today) > long {
		severity = max(finding.High, severity)
	}
	return severity
}

func severityOf(control string) finding.Severity {
	all := controls.All()
	i := slices.IndexFunc(all, func(c policy.Control) bool { return c.ID == control })
	if i < 0 {
		return finding.Medium
	}
	return all[i].Severity
}

func exceptionText(e stack.Exception) string { return fmt.Sprintf("%s until %s", e.Control, e.Expires) }

// secretSources notes that the value of a secret comes from elsewhere.
func (c *comparison) secretSources() {
	for _, now := range c.head.Stack.Secrets {
		i := slices.IndexFunc(c.base.Stack.Secrets, func(s stack.Secret) bool { return s.Name == now.Name })
		if i >= 0 && c.base.Stack.Secrets[i].Source() != now.Source() {
			c.changes = append(c.changes, Change{Rule: RuleOther, Control: "HSE-SEC-002", What: "source of secret " + now.Name, Old: c.base.Stack.Secrets[i].Source(), New: now.Source(),
				Key: "secrets." + now.Name, Reason: "its value has a different source"})
		}
	}
}

// volumes notes volumes that became external, or the stack's own.
func (c *comparison) volumes() {
	for _, now := range c.head.Stack.Volumes {
		i := slices.IndexFunc(c.base.Stack.Volumes, func(v stack.Volume) bool { return v.Name == now.Name })
		if i >= 0 && c.base.Stack.Volumes[i].External != now.External {
			text := map[bool]string{true: "external", false: "of this stack"}
			change := Change{Rule: RuleGrant, Control: "HSE-FS-005", Direction: Stronger, Severity: finding.Medium, What: "volume " + now.Name, Old: text[!now.External], New: text[now.External],
				Key: "volumes." + now.Name, Reason: "the volume belongs to this stack; the same name refers to different data"}
			if now.External {
				change.Direction, change.Severity, change.Reason = Weaker, finding.High, "the volume belongs to another stack, which shares its data; the same name refers to different data"
			}
			c.changes = append(c.changes, change)
		}
	}
}
