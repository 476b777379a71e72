package review

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/controls"
	"github.com/hsectl/hsectl/internal/stack"
)

// serviceComparison compares one service that is in one or both versions.
type serviceComparison struct {
	*comparison
	name     string
	old, new stack.Service
	fresh    bool // there was no such service
}

// compare looks at everything a service is made of. What no rule names is still noticed in the rendered file.
func (s *serviceComparison) compare() {
	before := len(s.changes)
	accessComparison{s}.user()
	accessComparison{s}.capabilities()
	accessComparison{s}.hostPaths()
	accessComparison{s}.writable()
	accessComparison{s}.secretUses()
	networkComparison{s}.ports()
	networkComparison{s}.networks()
	s.limits()
	lifecycleComparison{s}.health()
	lifecycleComparison{s}.shutdown()
	s.observation()
	s.replicas()
	imageComparison{s}.image()
	s.exceptions()
	lifecycleComparison{s}.proofs()
	s.passthrough()
	imageComparison{s}.rest()
	s.owner()
	s.choices()
	s.controls(before)
	s.dockerfile()
	s.unnamed(before)
}

// added reports a new service with everything it is granted: all of it is new.
func (s *serviceComparison) added() {
	since := len(s.changes)
	if s.watching() {
		s.part(false)
	} else {
		s.change(Change{Rule: RuleOther, What: "service", New: describe(s.new), Reason: "the service is new"})
	}
	s.old, s.fresh = stack.Service{Name: s.name, User: s.new.User, Networks: nil}, true
	accessComparison{s}.capabilities()
	accessComparison{s}.hostPaths()
	networkComparison{s}.ports()
	networkComparison{s}.networks()
	s.exceptions()
	s.passthrough()
	s.controls(since)
	s.dockerfile()
}

// removed reports a service that is gone. Whether that is good only the reader can tell.
func (s *serviceComparison) removed() {
	reason := "the service was removed, with everything it was granted"
	if volumes := s.old.Volumes(); len(volumes) > 0 {
		reason += "; its volumes stay on the engine"
	}
	severity := finding.Info
	if users := dependents(s.head.Stack, s.name); len(users) > 0 {
		severity, reason = finding.Medium, reason+"; still needed by "+strings.Join(users, ", ")
	}
	s.change(Change{Rule: RuleOther, Severity: severity, What: "service", Old: describe(s.old), Reason: reason})
}

func dependents(in stack.Stack, name string) []string {
	var out []string
	for _, other := range in.Services {
		if slices.ContainsFunc(other.DependsOn, func(d stack.Dependency) bool { return d.Service == name }) {
			out = append(out, other.Name)
		}
	}
	return out
}

func describe(s stack.Service) string {
	if s.Build != nil {
		return s.Image + ", built from " + s.Build.Context
	}
	return s.Image
}

// change notes a change of this service; key is relative to the service.
func (s *serviceComparison) change(c Change) {
	c.Service = s.name
	c.Key = strings.TrimSuffix(s.root()+"services."+s.name+"."+c.Key, ".")
	s.changes = append(s.changes, c)
}

// controls notes the controls that hold no longer, or again, unless another row has said it already.
func (s *serviceComparison) controls(since int) {
	said := map[string]bool{}
	for _, c := range s.changes[since:] {
		if c.Direction != Neutral {
			said[c.Control] = true
		}
	}
	was := map[string]finding.Finding{}
	if !s.fresh {
		was = s.judged(s.base, s.old)
	}
	is := s.judged(s.head, s.new)
	unseen := 0
	for _, control := range controls.All() {
		old, had := was[control.ID]
		now, has := is[control.ID]
		switch {
		case !has && had && !old.Proven() && !said[control.ID] && control.ID != everythingJudged: // only what was written there broke it
			s.change(Change{Rule: RuleControl, Control: control.ID, What: lowered(control.Title), Key: control.Key, Direction: Stronger, Severity: control.Severity,
				Old: old.Detail, Reason: "nothing in the file breaks the control now"})
			continue
		case !has || said[control.ID] || !had && now.Proven():
			continue
		case had && old.Proven() == now.Proven():
			s.differently(control, old, now)
			continue
		case !had && s.head.Judged != nil && now.Status == finding.Unknown && (control.ID != everythingJudged || s.fresh):
			unseen++
			continue
		}
		c := Change{Rule: RuleControl, Control: control.ID, What: lowered(control.Title), Key: control.Key,
			Direction: Stronger, Severity: control.Severity, Old: old.Detail, New: now.Detail, Reason: "the control holds again"}
		switch {
		case now.Proven():
		case !had:
			c.Direction, c.Reason = Weaker, "the new service does not hold it: "+control.Rationale
		case now.Status == finding.Unknown:
			c.Direction, c.Reason = Weaker, "whether the control holds can no longer be determined: "+control.Rationale
		default:
			c.Direction, c.Reason = Weaker, "the control holds no longer: "+control.Rationale
		}
		s.change(c)
	}
	if unseen > 0 {
		s.change(Change{Rule: RuleControl, Severity: finding.Low, What: "controls that the file does not show", New: fmt.Sprint(unseen), Reason: "hsectl lint names them"})
	}
}

// everythingJudged is the control that names what no other one judges. That it has nothing to name makes nothing stronger: what was
// taken away may have confined the service.
const everythingJudged = "HSE-OPS-010"

// differently notes a control that fails as it did before, or is waived, but for another reason: one more device, say.
func (s *serviceComparison) differently(control policy.Control, old, now finding.Finding) {
	amounts := strings.HasPrefix(control.ID, "HSE-RES-") || control.ID == "HSE-NET-002" // limits and ports have rows of their own
	fails := func(f finding.Finding) bool {
		return f.Status == finding.Fail || f.Status == finding.Waived && s.head.Judged == nil
	}
	if amounts || !fails(old) || !fails(now) || old.Detail == now.Detail || s.head.Judged == nil && !slices.Contains([]finding.Status{old.Status, now.Status}, finding.Waived) {
		return
	}
	s.change(Change{Rule: RuleControl, Control: control.ID, What: lowered(control.Title), Key: control.Key, Severity: control.Severity,
		Old: old.Detail, New: now.Detail, Reason: "the control failed before, too, but not in this way"})
}

// lowered begins a title in a small letter, unless it begins with an abbreviation.
func lowered(title string) string {
	if len(title) > 1 && title[1] >= 'A' && title[1] <= 'Z' {
		return title
	}
	return strings.ToLower(title[:1]) + title[1:]
}

// judged returns the findings of a service by control.
func (s *serviceComparison) judged(side Side, service stack.Service) map[string]finding.Finding {
	out := map[string]finding.Finding{}
	for _, f := range slices.Concat(side.Judged, side.Declared) {
		if f.Subject == service.Name {
			out[f.Control] = f
		}
	}
	return out
}

// unnamed notes that the rendered service differs although no row says how.
func (s *serviceComparison) unnamed(since int) {
	if len(s.changes) > since {
		return
	}
	old, now := section(s.base.Rendered, s.name), section(s.head.Rendered, s.name)
	if old == now {
		return
	}
	c := Change{Rule: RuleOther, Severity: finding.Low, What: "rendered service", Reason: "no rule names this difference: read it in the rendered diff"}
	if s.base.Judged != nil && s.head.Judged != nil { // every key that is not compared above is in Extra
		c.Severity, c.What, c.Reason = finding.Info, "text of the service", "it is written in another way, and means the same"
	}
	s.change(c)
}

// section returns the lines of one service in a rendered Compose file, which is written by generate: two spaces in.
func section(rendered []byte, name string) string {
	_, services, ok := strings.Cut(string(rendered), "\nservices:\n")
	if !ok {
		return ""
	}
	_, rest, ok := strings.Cut("\n"+services, fmt.Sprintf("\n  %s:\n", name))
	if !ok {
		return ""
	}
	var out []string
	for _, line := range strings.Split(rest, "\n") {
		if !strings.HasPrefix(line, "    ") {
			break
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

// owner notes that the service has a different owner, or none any more.
func (s *serviceComparison) owner() {
	old, now := s.old.Owner, s.new.Owner
	change := Change{Rule: RuleOther, What: "owner", Old: old, New: now, Key: "owner", Severity: finding.Low}
	switch {
	case old == now:
		return
	case old == "":
		change.Severity, change.Reason = finding.Info, "it has an owner now"
	case now == "":
		change.Reason = "it no longer has an owner"
	default:
		change.Reason = "check that the new owner knows of it"
	}
	s.change(change)
}

// choices notes that the service is part of the stack in other cases than before.
func (s *serviceComparison) choices() {
	old, now := strings.Join(s.old.Profiles, ", "), strings.Join(s.new.Profiles, ", ")
	if old == now {
		return
	}
	change := Change{Rule: RuleOther, What: "profiles", Old: old, New: now, Key: "profiles", Severity: finding.Low, Reason: "it takes part in other deploys than before"}
	switch {
	case now == "":
		change.Reason = "it takes part in every deploy now"
	case old == "":
		change.Reason = "deploy leaves it out, and removes it, unless --profiles chooses it"
	}
	s.change(change)
}

// replicas are what is left when one container fails.
func (s *serviceComparison) replicas() {
	old, now := s.old.Wanted(), s.new.Wanted()
	if old == now {
		return
	}
	c := Change{Rule: RuleHealth, Control: "HSE-LIF-007", Severity: finding.Low, What: "containers", Old: fmt.Sprint(old), New: fmt.Sprint(now), Key: "replicas"}
	switch {
	case now == 1:
		c.Direction, c.Severity, c.Reason = Weaker, finding.Medium, "when the only container fails, nothing answers"
	case now < old:
		c.Direction, c.Reason = Weaker, "fewer containers share the load, and fewer are left when one fails"
	default:
		c.Severity, c.Reason = finding.Info, fmt.Sprintf("more are left when one fails; together they may use %d × %s", now, resourcesText(s.new.Limits))
	}
	s.change(c)
}
