package controls

import (
	"fmt"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

// mostCalls bounds what is said of ways that are fine.
const mostCalls = 3

func calls() []policy.Control {
	return []policy.Control{
		{ID: "HSE-NET-010", Title: "The service answers where its callers stand", Severity: finding.High, Key: "verify", Runtime: true,
			Rationale:  "A program that listens on 127.0.0.1, on another port or with another protocol is healthy inside and down for its callers.",
			References: []string{"NIST SP 800-190 4.4.2"},
			Remedy:     "let the program listen on 0.0.0.0 and on the port that ports:, sites and verify.listen name; what it should answer goes into verify.reach",
			Applies:    func(f policy.Facts) bool { return f.Calls.Known() || f.Calls.Why != "" },
			Predicate:  called},
	}
}

// called wants an answer to each question. One that could not be put proves nothing.
func called(f policy.Facts, _ policy.Intent) policy.Verdict {
	if !f.Calls.Known() {
		return policy.Unknown(f.Calls, "calling the service")
	}
	var wrong, blind, good []string
	for _, c := range f.Calls.Value {
		text := fmt.Sprintf("%s, asked from %s: %s", c.What, c.From, c.Text)
		switch {
		case c.OK:
			good = append(good, text)
		case c.Why != "":
			blind = append(blind, fmt.Sprintf("%s could not be asked from %s: %s", c.What, c.From, c.Why))
		default:
			wrong = append(wrong, text)
		}
	}
	switch {
	case len(wrong) > 0:
		return policy.Fail(f.Calls.Tier, "%s", strings.Join(append(wrong, blind...), "; "))
	case len(blind) > 0:
		return policy.Undetermined(strings.Join(blind, "; "))
	case len(good) == 0:
		return policy.NotApplicable(f.Calls.Tier, "the profile names no port, site or dependency by which it is called")
	}
	detail := strings.Join(good[:min(len(good), mostCalls)], "; ")
	if more := len(good) - mostCalls; more > 0 {
		detail += fmt.Sprintf("; and %d more", more)
	}
	return policy.Pass(f.Calls.Tier, "%s", detail)
}
