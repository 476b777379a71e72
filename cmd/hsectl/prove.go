package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify"
)

const (
	// A dependency that was replaced makes a test of health fail once, and the next one passes: that is no reason to undo
	// a deploy. Health alone is asked again, this often.
	proveTries = 4
	// longestTest bounds the wait for the next test.
	longestTest = 30 * time.Second
)

// prove verifies the running stack against its model.
func prove(ctx context.Context, engine *docker.Engine, model stack.Stack) (deploy.Proof, error) {
	for try := 1; ; try++ {
		evidence, err := verify.Verify(ctx, model, engine, verify.Options{})
		if err != nil {
			return deploy.Proof{}, err
		}
		p := newProof(evidence.Findings)
		if p.Proven || try == proveTries || !onlyHealth(evidence.Findings) {
			return p, nil
		}
		next := time.NewTimer(untilNextTest(model))
		select {
		case <-ctx.Done():
			next.Stop()
			return p, ctx.Err()
		case <-next.C:
		}
	}
}

func newProof(findings []finding.Finding) deploy.Proof {
	p := deploy.Proof{Proven: finding.Proven(findings), Counts: map[string]int{}}
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

// onlyHealth reports whether nothing but the health of the moment is missing.
func onlyHealth(findings []finding.Finding) bool {
	return !slices.ContainsFunc(findings, func(f finding.Finding) bool { return !f.Proven() && f.Control != "HSE-HLT-002" })
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
