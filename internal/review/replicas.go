package review

import (
	"fmt"

	"github.com/hsectl/hsectl/internal/finding"
)

// replicas are what is left when one container fails.
func (s *serviceComparison) replicas() {
	old, now := s.old.Wanted(), s.new.Wanted()
	if old == now {
		return
	}
	c := Change{Rule: RuleHealth, Control: "HSE-LIF-007", Severity: finding.Low, What: "containers", Old: fmt.Sprint(old), New: fmt.Sprint(now), Key: "replicas"}
	switch {
	case now == 1:
		c.Direction, c.Severity, c.Reason = Weaker, finding.Medium, "when the only container fails, nothing answers"
	case now < old:
		c.Direction, c.Reason = Weaker, "fewer containers share the load, and fewer are left when one fails"
	default:
		c.Severity, c.Reason = finding.Info, fmt.Sprintf("more are left when one fails; together they may use %d × %s", now, resourcesText(s.new.Limits))
	}
	s.change(c)
}
