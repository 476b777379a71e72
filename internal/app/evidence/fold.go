package evidence

import (
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
)

// consequence is a control that cannot hold while another one fails.
type consequence struct {
	control string
	detail  string // part of its detail, where it can also fail for a reason of its own; empty where it cannot
}

// consequences are what one failure brings about, by its control. What fails for another reason as well is found again when the cause
// is gone.
func consequences() map[string][]consequence {
	return map[string][]consequence{
		"HSE-PRV-001": {{"HSE-CAP-001", "all capabilities"}, {"HSE-CAP-002", "SYS_ADMIN"}, {control: "HSE-KRN-001"}, {control: "HSE-KRN-002"}, {control: "HSE-KRN-003"}, {control: "HSE-KRN-004"}, {control: "HSE-KRN-006"}},
		"HSE-NS-003":  {{control: "HSE-NET-004"}, {control: "HSE-NET-005"}, {control: "HSE-NET-002"}},
		"HSE-RES-001": {{"HSE-RES-002", "unlimited"}},
		"HSE-LOG-001": {{"HSE-RES-007", "logs grow without a bound"}},
		"HSE-HLT-001": {{control: "HSE-LIF-004"}, {control: "HSE-HLT-004"}},
		"HSE-FS-004":  {{"HSE-FS-003", "docker.sock"}, {"HSE-FS-002", "docker.sock"}, {"HSE-FS-005", "docker.sock"}},
		"HSE-PRE-010": {{control: "HSE-NET-001"}},
	}
}

// fold leaves out what fails only because something else does, and names it at its cause: one cause, one finding.
func fold(findings []finding.Finding) []finding.Finding {
	out := slices.Clone(findings)
	table := consequences()
	dropped := map[int]bool{}
	for i, cause := range out {
		if cause.Status != finding.Fail || dropped[i] {
			continue
		}
		var names []string
		for j, f := range out {
			follows := func(c consequence) bool { return c.control == f.Control && strings.Contains(f.Detail, c.detail) }
			if i != j && !dropped[j] && f.Subject == cause.Subject && f.Status == finding.Fail && slices.ContainsFunc(table[cause.Control], follows) {
				dropped[j] = true
				names = append(names, f.Control)
			}
		}
		if len(names) > 0 {
			out[i].Detail += "; with it fails " + strings.Join(names, ", ")
		}
	}
	var kept []finding.Finding
	for i, f := range out {
		if !dropped[i] {
			kept = append(kept, f)
		}
	}
	return kept
}
