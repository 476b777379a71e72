package policy

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

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
	Deep       bool     // only what is tried on a copy can answer; left out unless asked for
	By         string   // the verb that judges it, when it is not a matter of facts
	Static     bool     // only the text of a stack can answer
	judge      func(Facts, Intent) Verdict
	text       func(Facts) Verdict    // of a Runtime control: what the text alone already says against it
	asked      func(Facts) bool       // whether it was to be answered at all; nil is always
	machine    func(Machine) Verdict  // set instead of judge where the subject is the engine and its machine
	watch      func(Watching) []about // set instead of judge where the subject is how a stack is watched
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
		storage(), identity(), confinement(), contact(), endurance(), exposure(), entry(), imageControls(), backups(), transport(),
	} {
		all = append(all, group...)
	}
	return inOrder(all)
}

// Catalogue returns every control that a report can name: the table, and what other verbs judge.
func Catalogue() []Control {
	return inOrder(slices.Concat(Controls(), operations(), machine(), watching(), scanned()))
}

func inOrder(all []Control) []Control {
	groups := map[string]int{}
	for i, name := range strings.Fields("FS USR CAP PRV KRN NS NET RES LIF HLT SEC LOG IMG MON OPS") {
		groups[name] = i
	}
	slices.SortStableFunc(all, func(a, b Control) int {
		return cmp.Or(cmp.Compare(groupOf(groups, a.ID), groupOf(groups, b.ID)), strings.Compare(a.ID, b.ID))
	})
	return all
}

// groupOf is the place of the control's group in the catalogue.
func groupOf(groups map[string]int, id string) int {
	_, rest, _ := strings.Cut(id, "-")
	name, _, _ := strings.Cut(rest, "-")
	if i, ok := groups[name]; ok {
		return i
	}
	return math.MaxInt
}

// Asked reports whether a control was to be answered: some only are where somebody could look.
func (c Control) Asked(f Facts) bool { return c.asked == nil || c.asked(f) }

// Judge applies one control. What fails at Info is advice.
func (c Control) Judge(f Facts, in Intent) Verdict {
	v := c.judge(f, in)
	if v.Status == finding.Fail && c.Severity == finding.Info {
		v.Status = finding.Advice
	}
	return v
}

// Check applies the whole table to one service. Controls that only a running container can answer are left out
// unless running is set; those that only the text can answer are left out when it is.
func Check(f Facts, in Intent, running bool) []finding.Finding {
	var out []finding.Finding
	for _, c := range Controls() {
		if !running {
			if v, ok := c.Declared(f, in); ok {
				out = append(out, c.found(f, v))
			}
			continue
		}
		if c.Static || c.Deep && !f.Attempts.Known() && f.Attempts.Why == "" || !c.Asked(f) {
			continue
		}
		out = append(out, c.found(f, c.Judge(f, in)))
	}
	return out
}

// CheckOne applies one control to one service.
func CheckOne(id string, f Facts, in Intent) finding.Finding {
	for _, c := range Controls() {
		if c.ID == id {
			return c.found(f, c.Judge(f, in))
		}
	}
	return finding.Finding{Subject: f.Service, Control: id, Detail: "there is no such control"}
}

// Declared applies one control to what is declared. It is false when there is no answer to give: only a running container
// can, or nothing was asked.
func (c Control) Declared(f Facts, in Intent) (Verdict, bool) {
	if c.Runtime {
		if c.text == nil {
			return Verdict{}, false
		}
		v := c.text(f)
		return v, v.Status == finding.Fail
	}
	if !c.Asked(f) {
		return Verdict{}, false
	}
	return c.Judge(f, in), true
}

func (c Control) found(f Facts, v Verdict) finding.Finding {
	return finding.Finding{
		Subject: f.Service, Control: c.ID, Title: c.Title, Severity: c.Severity,
		Status: v.Status, Tier: v.Tier, Detail: v.Detail, Remedy: c.Remedy, Where: c.Key,
	}
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
