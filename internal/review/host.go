package review

import (
	"fmt"
	"slices"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/stack"
)

// hostPaths says which paths of the host the service may read now, and which no more. The reason may change freely.
func (s *serviceComparison) hostPaths() {
	in := func(list []stack.HostPath, p stack.HostPath) bool {
		return slices.ContainsFunc(list, func(h stack.HostPath) bool { return h.Host == p.Host && h.Path == p.Path })
	}
	for i, h := range s.new.HostPaths {
		if !in(s.old.HostPaths, h) {
			s.change(Change{Rule: RuleGrant, Control: "HSE-FS-003", Direction: Weaker, Severity: finding.Critical, What: "path of the host", New: h.Host,
				Key: fmt.Sprintf("host_paths[%d]", i), Reason: "given because: " + h.Why})
		}
	}
	for _, h := range s.old.HostPaths {
		if !in(s.new.HostPaths, h) {
			s.change(Change{Rule: RuleGrant, Control: "HSE-FS-003", Direction: Stronger, Severity: finding.Critical, What: "path of the host", Old: h.Host, Key: "host_paths",
				Reason: "the service does without it"})
		}
	}
}
