package policy

import (
	"fmt"
	"slices"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
)

// Control is one row of the table of controls. Judge applies its Predicate; what other verbs judge has none.
type Control struct {
	ID         string
	Title      string
	Severity   finding.Severity
	Rationale  string
	References []string // "CIS 5.13": docker-bench-security's numbers of CIS Docker Benchmark 1.6.0
	Remedy     string   // in terms of the profile
	Key        string   // key of the service that decides it, for the place in the profile
	Runtime    bool     // only a running container can answer
	Deep       bool     // only what is tried on a copy can answer; left out unless asked for
	By         string   // the verb that judges it, when it is not a matter of facts
	Static     bool     // only the text of a stack can answer
	Predicate  func(Facts, Intent) Verdict
	Text       func(Facts) Verdict // of a Runtime control: what the text alone already says against it
	Applies    func(Facts) bool    // whether it was to be answered at all; nil is always
}

// Controls whose answers other rooms give, or tell apart from the rest.
const (
	WholeComparison = "HSE-OPS-014"
	NewestProfile   = "HSE-OPS-015"
	SignedRelease   = "HSE-OPS-016"
)

// AsRendered reports whether a control holds a running container against what was rendered: where it fails, the container is not
// what the profile says.
func AsRendered(id string) bool {
	return slices.Contains([]string{WholeComparison, "HSE-NET-011", "HSE-NET-012", "HSE-KRN-011", "HSE-FS-013"}, id)
}

// Verdict is the answer of a predicate.
type Verdict struct {
	Status finding.Status
	Tier   finding.Tier
	Detail string
}

// Asked reports whether a control was to be answered: some only are where an inspection is possible.
func (c Control) Asked(f Facts) bool { return c.Applies == nil || c.Applies(f) }

// Judge applies one control. What fails at Info is advice.
func (c Control) Judge(f Facts, in Intent) Verdict {
	v := c.Predicate(f, in)
	if v.Status == finding.Fail && c.Severity == finding.Info {
		v.Status = finding.Advice
	}
	return v
}

// Declared applies one control to what is declared. It is false when there is no answer to give: only a running container
// can, or nothing was asked.
func (c Control) Declared(f Facts, in Intent) (Verdict, bool) {
	if c.Runtime {
		if c.Text == nil {
			return Verdict{}, false
		}
		v := c.Text(f)
		return v, v.Status == finding.Fail
	}
	if !c.Asked(f) {
		return Verdict{}, false
	}
	return c.Judge(f, in), true
}

// Finding says what was found, with the control's own words.
func (c Control) Finding(f Facts, v Verdict) finding.Finding {
	return finding.Finding{
		Subject: f.Service, Control: c.ID, Title: c.Title, Severity: c.Severity,
		Status: v.Status, Tier: v.Tier, Detail: v.Detail, Remedy: c.Remedy, Where: c.Key,
	}
}

// Pass is a verdict: the control holds.
func Pass(t finding.Tier, format string, args ...any) Verdict {
	return Verdict{finding.Pass, t, fmt.Sprintf(format, args...)}
}

// Fail is a verdict: the control does not hold.
func Fail(t finding.Tier, format string, args ...any) Verdict {
	return Verdict{finding.Fail, t, fmt.Sprintf(format, args...)}
}

// NotApplicable is a verdict: the control does not concern the service.
func NotApplicable(t finding.Tier, format string, args ...any) Verdict {
	return Verdict{finding.NotApplicable, t, fmt.Sprintf(format, args...)}
}

// Undetermined is a verdict: the question cannot be answered, and why.
func Undetermined(detail string) Verdict { return Verdict{finding.Unknown, finding.None, detail} }

// Advise is a verdict: the control does not hold, and that stops nothing.
func Advise(t finding.Tier, detail string) Verdict { return Verdict{finding.Advice, t, detail} }

// Unknown is a verdict: the evidence named by what is missing.
func Unknown[T any](f Fact[T], what string) Verdict {
	if f.Why != "" {
		return Undetermined(what + ": " + f.Why)
	}
	return Undetermined(what + " could not be seen")
}

// Age is a time in words: 40 minutes, 3 days.
func Age(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d seconds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}
