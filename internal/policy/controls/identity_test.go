package controls_test

import (
	"testing"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/controls"
)

// A program that carries the capability in its file does not start without it: advice to remove it would break it.
func TestFileCapabilityIsNotKeptForNothing(t *testing.T) {
	mask := policy.CapabilityMask("NET_BIND_SERVICE")
	process := policy.Process{Name: "caddy", UIDs: [4]int{1000, 1000, 1000, 1000}, Bounding: mask, NoNewPrivs: true, Seccomp: 2}
	facts := policy.Facts{Processes: policy.Seen([]policy.Process{process}, finding.Effective)}
	if got := controls.CheckOne("HSE-CAP-004", facts, policy.Intent{Capabilities: mask, FileCapabilities: mask}); got.Status != finding.Pass {
		t.Errorf("carried: %s %s", got.Status, got.Detail)
	}
	if got := controls.CheckOne("HSE-CAP-004", facts, policy.Intent{Capabilities: mask}); got.Status != finding.Advice {
		t.Errorf("not carried: %s %s", got.Status, got.Detail)
	}
}
