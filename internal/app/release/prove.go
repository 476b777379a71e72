package release

import (
	"context"
	"fmt"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/record"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify"
)

// A dependency that was replaced makes a test of health fail once, and the next one passes: that is no reason to undo
// a deploy. Health alone is asked again, this often.
const proveTries = 4

// prove verifies the running stack against its model.
func prove(ctx context.Context, engine *docker.Engine, model stack.Stack) (record.Proof, error) {
	evidence, err := app.Verify(ctx, engine, model, verify.Options{}, proveTries)
	return newProof(evidence.Findings), err
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
