package controls

import (
	"fmt"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/healthtest"
)

func health() []policy.Control {
	return []policy.Control{
		{ID: "HSE-HLT-001", Title: "A health test is defined", Severity: finding.Medium, Key: "health",
			Rationale:  "\"Running\" does not show that a service works: workers can die while their parent process lives.",
			References: []string{"CIS 5.27", "CIS 4.6", "KICS 698ed579"},
			Remedy:     "write health:",
			Predicate: func(f policy.Facts, in policy.Intent) policy.Verdict {
				switch {
				case !f.Health.Known():
					return policy.Unknown(f.Health, "the health test")
				case untested(f, in) != "":
					return policy.NotApplicable(f.Health.Tier, "%s", untested(f, in))
				case len(f.Health.Value.Test) == 0 || f.Health.Value.Test[0] == "NONE":
					return policy.Fail(f.Health.Tier, "no health test")
				}
				return policy.Pass(f.Health.Tier, "tested by %s", f.Health.Value.Test[0])
			}},
		{ID: "HSE-HLT-002", Title: "The service is healthy now", Severity: finding.High, Key: "health", Runtime: true,
			Rationale:  "Only a test that has passed is evidence.",
			References: []string{"CIS 5.27"},
			Remedy:     "read the output of the test: docker inspect --format '{{json .State.Health}}' CONTAINER",
			Predicate: func(f policy.Facts, in policy.Intent) policy.Verdict {
				switch {
				case !f.Health.Known():
					return policy.Unknown(f.Health, "the health")
				case unasked(f, in) != "":
					return policy.NotApplicable(f.Health.Tier, "%s", unasked(f, in))
				case len(f.Health.Value.Test) == 0:
					return policy.Undetermined("no health test")
				case f.Health.Value.Status == "healthy" && f.Health.Value.Streak > 0:
					return policy.Fail(f.Health.Tier, "the last %d tests failed", f.Health.Value.Streak)
				case f.Health.Value.Status == "healthy" && f.Health.Value.Due > 0 && f.Health.Value.Age > f.Health.Value.Due:
					return policy.Undetermined(fmt.Sprintf("the last test that passed is %s old, and one is due every %s",
						f.Health.Value.Age.Round(time.Second), f.Health.Value.Due.Round(time.Second)))
				case f.Health.Value.Status == "healthy" && f.Health.Value.Proven:
					return policy.Pass(f.Health.Tier, "healthy")
				case f.Health.Value.Status == "starting" || f.Health.Value.Status == "healthy":
					return policy.Undetermined("no health test has passed yet")
				}
				return policy.Fail(f.Health.Tier, "the service is %s", f.Health.Value.Status)
			}},
		{ID: "HSE-HLT-003", Title: "The health test can run in the image", Severity: finding.Medium, Key: "health", Runtime: true,
			Rationale:  "curl and the shell are missing from many images; the test then fails for ever.",
			References: []string{"CIS 5.27"},
			Remedy:     "use a program of the image in health:",
			Predicate: func(f policy.Facts, in policy.Intent) policy.Verdict {
				switch {
				case !f.Health.Known():
					return policy.Unknown(f.Health, "the health test")
				case unasked(f, in) != "":
					return policy.NotApplicable(f.Health.Tier, "%s", unasked(f, in))
				case f.Health.Value.Missing:
					return policy.Fail(f.Health.Tier, "the program of the test is not in the image")
				case !f.Health.Value.Proven && f.Health.Value.Streak == 0:
					return policy.Undetermined("the test has not run yet")
				}
				return policy.Pass(f.Health.Tier, "the test runs")
			}},
		{ID: "HSE-HLT-004", Title: "The health test can fail", Severity: finding.Low, Key: "health",
			Rationale:  "A test that always passes is worse than none.",
			References: []string{"CIS 5.27"},
			Remedy:     "ask the service itself in health:",
			Predicate: func(f policy.Facts, in policy.Intent) policy.Verdict {
				if !f.Health.Known() {
					return policy.Unknown(f.Health, "the health test")
				}
				if why := untested(f, in); why != "" {
					return policy.NotApplicable(f.Health.Tier, "%s", why)
				}
				if len(f.Health.Value.Test) == 0 && in.NoTest != "" { // the exception for the test is about this, too
					return policy.NotApplicable(f.Health.Tier, "it has no health test: %s", in.NoTest)
				}
				if why := healthtest.Vacuous(f.Health.Value.Test); why != "" {
					return policy.Fail(f.Health.Tier, "%s", why)
				}
				return policy.Pass(f.Health.Tier, "the test can fail")
			}},
	}
}

// untested says why a service needs no health test and has none; empty where it needs one.
func untested(f policy.Facts, in policy.Intent) string {
	switch {
	case len(f.Health.Value.Test) > 0:
		return ""
	case in.Untested != "":
		return "the image cannot test itself: " + in.Untested
	case in.Once:
		return "it runs once, and is done when it has ended with 0"
	}
	return ""
}

// unasked says why the health of a service is nothing to ask for now: it has no test and needs none, an exception allows that, or it
// is done.
func unasked(f policy.Facts, in policy.Intent) string {
	switch {
	case f.State.Known() && f.State.Value.Done:
		return "it ended with 0 and is done"
	case len(f.Health.Value.Test) == 0 && in.NoTest != "":
		return "it has no health test: " + in.NoTest
	}
	return untested(f, in)
}
