package app

import (
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/stack"
)

// Only the health of the moment may be asked again: every other control is what it is.
func TestOnlyHealthIsAskedAgain(t *testing.T) {
	health := finding.Finding{Control: "HSE-HLT-002", Status: finding.Fail}
	for name, c := range map[string]struct {
		findings []finding.Finding
		want     bool
	}{
		"health":                   {[]finding.Finding{{Control: "HSE-FS-001", Status: finding.Pass}, health}, true},
		"unknown health":           {[]finding.Finding{{Control: "HSE-HLT-002", Status: finding.Unknown}}, true},
		"a writable root":          {[]finding.Finding{{Control: "HSE-FS-001", Status: finding.Drift}, health}, false},
		"what is not seen":         {[]finding.Finding{{Control: "HSE-FS-001", Status: finding.Unknown}, health}, false},
		"what a test did not tell": {[]finding.Finding{{Control: "HSE-OPS-013", Status: finding.Unknown}}, true},
		"what a test told":         {[]finding.Finding{{Control: "HSE-OPS-013", Status: finding.Drift}}, false},
		"untested, not answering":  {[]finding.Finding{{Subject: "untested", Control: "HSE-NET-010", Status: finding.Fail}}, true},
		"tested, not answering":    {[]finding.Finding{{Subject: "tested", Control: "HSE-NET-010", Status: finding.Fail}}, false},
		"another of them":          {[]finding.Finding{{Control: "HSE-HLT-001", Status: finding.Fail}, health}, false},
	} {
		model := stack.Stack{Services: []stack.Service{{Name: "untested"}, {Name: "tested", Health: &stack.Health{}}}}
		if got := onlyHealth(model, c.findings); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// The wait is for the slowest test, and not for ever.
func TestUntilNextTest(t *testing.T) {
	tested := func(interval time.Duration) stack.Service {
		return stack.Service{Health: &stack.Health{Interval: interval, Timeout: time.Second}}
	}
	for want, services := range map[time.Duration][]stack.Service{
		time.Second:      {{}},
		11 * time.Second: {tested(10 * time.Second), tested(5 * time.Second), {}},
		30 * time.Second: {tested(time.Hour)},
	} {
		if got := untilNextTest(stack.Stack{Services: services}); got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
}
