package app

import (
	"context"
	"slices"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/record"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify"
)

// longestTest bounds the wait for the next test.
const longestTest = 30 * time.Second

// Verify verifies a running stack. Where nothing but the health of the moment is missing it is asked again after the next
// test, so many times in all: one test that failed on a busy machine says little.
func Verify(ctx context.Context, o verify.Observer, model stack.Stack, options verify.Options, tries int) (verify.Evidence, error) {
	for try := 1; ; try++ {
		evidence, err := verify.Verify(ctx, model, o, options)
		if err != nil || try == tries || finding.Proven(evidence.Findings) || !onlyHealth(model, evidence.Findings) {
			return evidence, err
		}
		next := time.NewTimer(untilNextTest(model))
		select {
		case <-ctx.Done():
			next.Stop()
			return evidence, ctx.Err()
		case <-next.C:
		}
	}
}

// onlyHealth reports whether nothing but the health of the moment is missing, or what a test that found no time did not
// tell, or calls to what nothing says when it is ready.
func onlyHealth(model stack.Stack, findings []finding.Finding) bool {
	return !slices.ContainsFunc(findings, func(f finding.Finding) bool {
		untold := f.Control == "HSE-OPS-013" && f.Status == finding.Unknown
		service, _ := model.Service(f.Subject)
		starting := (f.Control == "HSE-NET-010" || f.Control == "HSE-LIF-001") && service.Health == nil // nothing says when it is ready to be called, or to be stopped
		return !f.Proven() && f.Control != "HSE-HLT-002" && !untold && !starting
	})
}

// untilNextTest is the time in which each service has been tested once more.
func untilNextTest(s stack.Stack) time.Duration {
	next := time.Second
	for _, service := range s.Services {
		if h := service.Health; h != nil {
			next = max(next, h.Interval+h.Timeout)
		}
	}
	return min(next, longestTest)
}

// RenderedOf is what the containers of a release were made from.
func RenderedOf(r record.Release) *verify.Rendered {
	out := &verify.Rendered{File: r.Compose, Environment: r.Environment, Images: map[string]string{}}
	for reference, image := range r.Images {
		out.Images[reference] = image.ID
	}
	return out
}
