// Package controls is the table of hardening controls of a service, one file for each family, and the catalogue of every control
// that a report can name.
package controls

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/images"
	"github.com/hsectl/hsectl/internal/policy/intrusion"
	"github.com/hsectl/hsectl/internal/policy/platform"
)

// All returns the whole table, in the order of the catalogue.
func All() []policy.Control {
	var all []policy.Control
	for _, group := range [][]policy.Control{
		filesystem(), users(), capabilities(), privileges(), kernel(), namespaces(), network(), resources(), lifecycles(),
		health(), secrets(), logging(), images.Controls(), entries(), unjudged(), rendered(), backups(), transport(), calls(), neighbours(),
		intrusion.Controls(),
	} {
		all = append(all, group...)
	}
	return inOrder(all)
}

// Catalogue returns every control that a report can name: the table, and what other verbs judge.
func Catalogue() []policy.Control {
	return inOrder(slices.Concat(All(), operations(), platform.Controls(), images.Scanned()))
}

func inOrder(all []policy.Control) []policy.Control {
	groups := map[string]int{}
	for i, name := range strings.Fields("FS USR CAP PRV KRN NS NET RES LIF HLT SEC LOG IMG MON OPS") {
		groups[name] = i
	}
	slices.SortStableFunc(all, func(a, b policy.Control) int {
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

// Check applies the whole table to one service. Controls that only a running container can answer are left out
// unless running is set; those that only the text can answer are left out when it is.
func Check(f policy.Facts, in policy.Intent, running bool) []finding.Finding {
	var out []finding.Finding
	for _, c := range All() {
		if !running {
			if v, ok := c.Declared(f, in); ok {
				out = append(out, c.Finding(f, v))
			}
			continue
		}
		if c.Static || c.Deep && !f.Attempts.Known() && f.Attempts.Why == "" || !c.Asked(f) {
			continue
		}
		out = append(out, c.Finding(f, c.Judge(f, in)))
	}
	return out
}

// CheckOne applies one control to one service.
func CheckOne(id string, f policy.Facts, in policy.Intent) finding.Finding {
	for _, c := range All() {
		if c.ID == id {
			return c.Finding(f, c.Judge(f, in))
		}
	}
	return finding.Finding{Subject: f.Service, Control: id, Detail: "unknown control"}
}
