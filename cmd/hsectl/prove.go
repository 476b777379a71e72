package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/record"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify"
)

const (
	// A dependency that was replaced makes a test of health fail once, and the next one passes: that is no reason to undo
	// a deploy. Health alone is asked again, this often.
	proveTries = 4
	// verifyTries is how often verify asks: who waits for its answer may have a service that is sick.
	verifyTries = 3
	// longestTest bounds the wait for the next test.
	longestTest = 30 * time.Second
)

// prove verifies the running stack against its model.
func prove(ctx context.Context, engine *docker.Engine, model stack.Stack) (record.Proof, error) {
	evidence, err := seen(ctx, engine, model, verify.Options{}, proveTries)
	return newProof(evidence.Findings), err
}

// seen verifies a running stack. Where nothing but the health of the moment is missing it is asked again after the next
// test, so many times in all: one test that failed on a busy machine says little.
func seen(ctx context.Context, o verify.Observer, model stack.Stack, options verify.Options, tries int) (verify.Evidence, error) {
	for try := 1; ; try++ {
		evidence, err := verify.Verify(ctx, model, o, options)
		if err != nil || try == tries || finding.Proven(evidence.Findings) || !onlyHealth(evidence.Findings) {
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

func newProof(findings []finding.Finding) record.Proof {
	p := record.Proof{Proven: finding.Proven(findings), Counts: map[string]int{}}
	for status, n := range finding.Tally(findings) {
		p.Counts[status.String()] = n
	}
	for _, f := range findings {
		if !f.Proven() {
			p.Failed = append(p.Failed, fmt.Sprintf("%s %s is %s: %s", f.Subject, f.Control, f.Status, f.Detail))
		}
	}
	return p
}

// onlyHealth reports whether nothing but the health of the moment is missing, or what a test that found no time did not tell.
func onlyHealth(findings []finding.Finding) bool {
	return !slices.ContainsFunc(findings, func(f finding.Finding) bool {
		untold := f.Control == "HSE-OPS-013" && f.Status == finding.Unknown
		return !f.Proven() && f.Control != "HSE-HLT-002" && !untold
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
