// Package finding holds the result of judging one control against one subject:
// what was judged, with which evidence, the result, and the fix.
//
// The zero Status is Unknown, so a verdict that was never set cannot be read as a pass.
package finding

import (
	"fmt"
	"slices"
)

// Status is the answer a control gives about a subject.
type Status int

// The answers, from "could not tell" to "does not apply".
const (
	Unknown       Status = iota // the evidence could not be had; never a pass
	Pass                        // the control holds
	Fail                        // the control does not hold
	Drift                       // declared as it should be, but the running system differs
	Waived                      // does not hold, and a valid exception says why
	NotApplicable               // cannot hold on this host; Detail names the evidence
	Advice                      // does not hold, and only recommends
)

// Severity says how much harm a failed control can do.
type Severity int

// Severities, weakest first, as in the catalogue of controls.
const (
	Info Severity = iota
	Low
	Medium
	High
	Critical
)

// Tier says how strong the evidence behind an answer is.
type Tier int

// Tiers of evidence, weakest first.
const (
	None      Tier = iota // no evidence
	Declared              // the rendered stack says so
	Applied               // the engine says it applied it
	Effective             // the kernel's own state of the running process
	Behaved               // it was tried, and the kernel allowed or refused it
)

// Finding is one observation about one subject.
type Finding struct {
	Subject  string   `json:"subject"`
	Control  string   `json:"control"`
	Title    string   `json:"title"`
	Severity Severity `json:"severity"`
	Status   Status   `json:"status"`
	Tier     Tier     `json:"tier"`
	Detail   string   `json:"detail,omitempty"`
	Remedy   string   `json:"remedy,omitempty"`
	Where    string   `json:"where,omitempty"` // file:line:column of the profile line that decides it
	Owner    string   `json:"owner,omitempty"` // who answers for the subject
	Waiver   *Waiver  `json:"waiver,omitempty"`
}

// Waiver is the exception that lets a failed control stand.
type Waiver struct {
	Reason   string `json:"reason"`
	Question string `json:"question,omitempty"` // in place of a reason: what is not known yet
	Owner    string `json:"owner,omitempty"`
	Expires  string `json:"expires"` // YYYY-MM-DD
}

// Why returns the reason, or the question that stands in its place.
func (w Waiver) Why() string {
	if w.Question != "" {
		return "open question: " + w.Question
	}
	return w.Reason
}

// Proven reports whether the finding is an answer a release may rest on. Advice stops nothing.
func (f Finding) Proven() bool {
	switch f.Status {
	case Pass, Waived, NotApplicable, Advice:
		return true
	}
	return false
}

// Questions counts the open questions under which controls are waived. One that is about several controls of a subject counts once.
func Questions(findings []Finding) int {
	asked := map[string]bool{}
	for _, f := range findings {
		if f.Waiver != nil && f.Waiver.Question != "" {
			asked[f.Subject+": "+f.Waiver.Question] = true
		}
	}
	return len(asked)
}

// Tally counts findings by status.
func Tally(findings []Finding) map[Status]int {
	counts := map[Status]int{}
	for _, f := range findings {
		counts[f.Status]++
	}
	return counts
}

// Proven reports whether all findings are. No findings prove nothing.
func Proven(findings []Finding) bool {
	return len(findings) > 0 && !slices.ContainsFunc(findings, func(f Finding) bool { return !f.Proven() })
}

func statusNames() []string {
	return []string{"unknown", "pass", "fail", "drift", "waived", "not applicable", "advice"}
}

func severityNames() []string { return []string{"info", "low", "medium", "high", "critical"} }

func tierNames() []string { return []string{"none", "declared", "applied", "effective", "behaved"} }

// String returns the status in the words used in every report.
func (s Status) String() string { return statusNames()[s] }

// String returns the severity in the words used in every report.
func (s Severity) String() string { return severityNames()[s] }

// String returns the tier in the words used in every report.
func (t Tier) String() string { return tierNames()[t] }

// MarshalText implements encoding.TextMarshaler.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalText implements encoding.TextMarshaler.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalText implements encoding.TextMarshaler.
func (t Tier) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Status) UnmarshalText(text []byte) error {
	return index((*int)(s), "status", statusNames(), text)
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Severity) UnmarshalText(text []byte) error {
	return index((*int)(s), "severity", severityNames(), text)
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Tier) UnmarshalText(text []byte) error { return index((*int)(t), "tier", tierNames(), text) }

func index(into *int, what string, names []string, text []byte) error {
	i := slices.Index(names, string(text))
	if i < 0 {
		return fmt.Errorf("reading %s %q: want one of %v", what, text, names)
	}
	*into = i
	return nil
}
