package policy

import (
	"fmt"

	"github.com/hsectl/hsectl/internal/finding"
)

// Control is one row of the table.
type Control struct {
	ID         string
	Title      string
	Severity   finding.Severity
	Rationale  string
	References []string // "CIS 5.13": docker-bench-security's numbers of CIS Docker Benchmark 1.6.0
	Remedy     string   // in terms of the profile
	Key        string   // key of the service that decides it, for the place in the profile
	Runtime    bool     // only a running container can answer
	Static     bool     // only the text of a stack can answer
	judge      func(Facts, Intent) Verdict
}

// Verdict is the answer of a predicate.
type Verdict struct {
	Status finding.Status
	Tier   finding.Tier
	Detail string
}

// Controls returns the whole table, in the order of the catalogue.
func Controls() []Control {
	var all []Control
	for _, group := range [][]Control{
		filesystem(), users(), capabilities(), privileges(), kernel(), namespaces(),
		network(), resources(), lifecycle(), health(), secrets(), logging(), images(), presets(),
	} {
		all = append(all, group...)
	}
	return all
}

// Judge applies one control.
func (c Control) Judge(f Facts, in Intent) Verdict { return c.judge(f, in) }

// Check applies the whole table to one service. Controls that only a running container can answer are left out
// unless running is set; those that only the text can answer are left out when it is.
func Check(f Facts, in Intent, running bool) []finding.Finding {
	var out []finding.Finding
	for _, c := range Controls() {
		if c.Runtime && !running || c.Static && running {
			continue
		}
		v := c.judge(f, in)
		out = append(out, finding.Finding{
			Subject: f.Service, Control: c.ID, Title: c.Title, Severity: c.Severity,
			Status: v.Status, Tier: v.Tier, Detail: v.Detail, Remedy: c.Remedy, Where: c.Key,
		})
	}
	return out
}

func pass(t finding.Tier, format string, args ...any) Verdict {
	return Verdict{finding.Pass, t, fmt.Sprintf(format, args...)}
}

func fail(t finding.Tier, format string, args ...any) Verdict {
	return Verdict{finding.Fail, t, fmt.Sprintf(format, args...)}
}

func notApplicable(t finding.Tier, format string, args ...any) Verdict {
	return Verdict{finding.NotApplicable, t, fmt.Sprintf(format, args...)}
}

// unknown says which evidence is missing.
func unknown[T any](f Fact[T], what string) Verdict {
	if f.Why != "" {
		return Verdict{finding.Unknown, finding.None, what + ": " + f.Why}
	}
	return Verdict{finding.Unknown, finding.None, what + " could not be seen"}
}
