package stack

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/hsectl/hsectl/internal/profile"
)

// When is the moment of a deploy at which a hook runs.
type When string

// The moments of a deploy.
const (
	Before When = "before" // nothing has changed yet
	After  When = "after"  // the release is deployed
	Failed When = "failed" // it is not
)

// Hook is a program that runs on the machine that deploys.
type Hook struct {
	Name    string
	When    When
	Command []string
	Timeout time.Duration
	Secrets []string // names of those whose values it gets
}

const hookTimeout = time.Minute

func newHooks(p *profile.Profile) []Hook {
	var out []Hook
	for _, name := range slices.Sorted(maps.Keys(p.Hooks)) {
		h := p.Hooks[name]
		out = append(out, Hook{name, When(h.When), h.Command, cmp.Or(h.Timeout.D, hookTimeout), h.Secrets})
	}
	return out
}
