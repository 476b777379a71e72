// Package review compares two versions of a stack and says, for each service, what became weaker, what became
// stronger, and what only changed. It is pure: two stacks go in, a Review comes out.
package review

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/review/demand"
	"github.com/hsectl/hsectl/internal/stack"
)

// Direction says what a change does to the posture.
type Direction int

// Directions. A neutral change may still deserve attention: then its severity is above info.
const (
	Neutral Direction = iota
	Stronger
	Weaker
)

func directionNames() []string { return []string{"neutral", "stronger", "weaker"} }

// String returns the direction in the word used in every report.
func (d Direction) String() string { return directionNames()[d] }

// MarshalText implements encoding.TextMarshaler.
func (d Direction) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// Rules of the review: what kind of change a row is about.
const (
	RuleControl   = "HSE-REV-001" // a control stopped or began to hold
	RuleException = "HSE-REV-002" // an exception was added, extended, shortened or removed
	RuleGrant     = "HSE-REV-003" // what a service is allowed: capability, path, mount, secret, egress
	RuleImage     = "HSE-REV-004" // what the service runs
	RuleLimit     = "HSE-REV-005" // a limit was raised or lowered
	RuleNetwork   = "HSE-REV-006" // a port or a network
	RuleUser      = "HSE-REV-007" // who the service runs as
	RuleHealth    = "HSE-REV-008" // how failure and stopping are noticed
	RuleOther     = "HSE-REV-009" // everything else
	RuleWatch     = "HSE-REV-010" // how the stack is watched, and who is told
	RuleHook      = "HSE-REV-011" // what runs on the machine that deploys
	RuleSupply    = "HSE-REV-012" // what images and releases must prove
)

// Rules returns what each rule is about, by its id.
func Rules() map[string]string {
	return map[string]string{
		RuleControl: "A control holds no longer, or holds again", RuleException: "An exception changed",
		RuleGrant: "What a service is granted changed", RuleImage: "What a service runs changed", RuleLimit: "A limit changed",
		RuleNetwork: "Ports or networks changed", RuleUser: "The user of a service changed",
		RuleHealth: "Health, shutdown or order changed", RuleOther: "Something else changed",
		RuleWatch:  "The monitoring of the stack changed",
		RuleHook:   "What runs on the machine that deploys changed",
		RuleSupply: "What images and releases must prove changed",
	}
}

// Change is one difference between two versions of a service, or of the stack when Service is empty.
type Change struct {
	Service   string           `json:"service,omitempty"`
	Owner     string           `json:"owner,omitempty"` // who answers for the service
	Direction Direction        `json:"direction"`
	Severity  finding.Severity `json:"severity"`
	Rule      string           `json:"rule"`
	Control   string           `json:"control,omitempty"` // the control that the change touches
	What      string           `json:"what"`              // capability, published port, memory limit
	Old       string           `json:"old,omitempty"`     // empty when there was nothing
	New       string           `json:"new,omitempty"`     // empty when there is nothing any more
	Reason    string           `json:"reason"`
	Key       string           `json:"key"`             // path of the value in the profile
	Where     string           `json:"where,omitempty"` // file:line:column, filled in by the caller, which knows the profile
}

// Side is one of the two versions.
type Side struct {
	Stack    stack.Stack
	Rendered []byte // the Compose file of the stack
	Lock     []byte // the lock of its images; empty when there is none

	// Judged is what the controls say of a Compose file that was not rendered from a profile: there a control may well
	// not hold before and after. It is nil for a profile.
	Judged []finding.Finding

	// Declared is what the controls say of the rendered file of a profile, and Open names the keys that no control judges, by
	// service; "" stands for the keys next to the services.
	Declared []finding.Finding
	Open     map[string][]string

	// Dockerfiles is what the image controls find in the Dockerfile of each service. A service whose Dockerfile could not be
	// read has no entry, and one without findings an empty one.
	Dockerfiles map[string][]finding.Finding

	// Demands are what the profile asks of images and of the records of releases.
	Demands demand.Set

	// Monitoring is what the profile says of the watching, when the stack is the one that watches another.
	Monitoring *profile.Monitoring
}

// Review is the result of a comparison.
type Review struct {
	Stack   string   `json:"stack"`
	Changes []Change `json:"changes"`        // by service, weaker first, most severe first
	Diff    string   `json:"diff,omitempty"` // of the rendered Compose file; values that look like secrets are left out
}

// Compare returns what the change from base to head does. Today decides how far away an expiry is.
func Compare(base, head Side, today time.Time) Review {
	c := &comparison{base: base, head: head, today: today}
	c.stackItself()
	names := c.names()
	if base.Monitoring != nil && head.Monitoring == nil {
		names = nil // one row says that all of them are gone
	}
	for _, name := range names {
		old, had := base.Stack.Service(name)
		now, has := head.Stack.Service(name)
		s := &serviceComparison{comparison: c, name: name, old: old, new: now}
		switch {
		case !had:
			s.added()
		case !has && c.watching():
			s.part(true)
		case !has:
			s.removed()
		default:
			s.compare()
		}
	}
	slices.SortStableFunc(c.changes, order)
	for i, change := range c.changes {
		old, _ := base.Stack.Service(change.Service)
		now, _ := head.Stack.Service(change.Service)
		c.changes[i].Owner = cmp.Or(now.Owner, old.Owner)
	}
	return Review{Stack: cmp.Or(head.Stack.Name, base.Stack.Name), Changes: c.changes, Diff: c.diff()}
}

func order(a, b Change) int {
	return cmp.Or(cmp.Compare(a.Service, b.Service), rank(a.Direction)-rank(b.Direction), cmp.Compare(b.Severity, a.Severity))
}

// rank puts weaker before stronger before neutral.
func rank(d Direction) int { return map[Direction]int{Weaker: 0, Stronger: 1, Neutral: 2}[d] }

// Worst returns the highest severity among the changes that count: weaker ones, and neutral ones that deserve attention.
// It is false when there are none.
func (r Review) Worst() (finding.Severity, bool) {
	worst, found := finding.Info, false
	for _, c := range r.Changes {
		if c.Counts() {
			worst, found = max(worst, c.Severity), true
		}
	}
	return worst, found
}

// Counts reports whether a change deserves attention: it is weaker, or neutral with a severity above info.
func (c Change) Counts() bool {
	return c.Direction == Weaker || c.Direction == Neutral && c.Severity > finding.Info
}

// Owners names who has to look at what counts, each with the services, in the order of the changes.
func (r Review) Owners() []string {
	services := map[string][]string{}
	var order []string
	for _, c := range r.Changes {
		if c.Owner == "" || !c.Counts() || slices.Contains(services[c.Owner], c.Service) {
			continue
		}
		if services[c.Owner] == nil {
			order = append(order, c.Owner)
		}
		services[c.Owner] = append(services[c.Owner], c.Service)
	}
	for i, owner := range order {
		order[i] = owner + " (" + strings.Join(services[owner], ", ") + ")"
	}
	return order
}

// Tally counts the changes by direction.
func (r Review) Tally() map[Direction]int {
	out := map[Direction]int{}
	for _, c := range r.Changes {
		out[c.Direction]++
	}
	return out
}

// comparison gathers changes.
type comparison struct {
	base, head Side
	today      time.Time
	changes    []Change
}

func (c *comparison) names() []string {
	var names []string
	for _, side := range []stack.Stack{c.base.Stack, c.head.Stack} {
		for _, s := range side.Services {
			if !slices.Contains(names, s.Name) {
				names = append(names, s.Name)
			}
		}
	}
	slices.Sort(names)
	return names
}

func (c *comparison) stackItself() {
	if old, now := c.base.Stack.Name, c.head.Stack.Name; old != now && old != "" && now != "" {
		c.changes = append(c.changes, Change{Rule: RuleOther, Severity: finding.Medium, What: "name of the stack", Old: old, New: now, Key: "name",
			Reason: "a different name is a different stack: its containers and volumes start empty, and the old ones stay"})
	}
	c.secretSources()
	c.volumes()
	c.backups()
	c.sites()
	c.monitoring()
	c.firewall()
	c.jobs()
	c.hooks()
	c.passthrough()
	for _, d := range demand.Compare(c.base.Demands, c.head.Demands) {
		row := Change{Rule: RuleSupply, Severity: d.Severity, What: d.What, Old: d.Old, New: d.New, Key: d.Key, Reason: d.Reason}
		switch {
		case d.Looser > 0:
			row.Direction = Weaker
		case d.Looser < 0:
			row.Direction = Stronger
		}
		c.changes = append(c.changes, row)
	}
}

// assignment finds a line of a rendered Compose file that gives a value to a name.
var assignment = regexp.MustCompile(`^(\s+)("?)([A-Za-z_][A-Za-z0-9_.-]*)("?): (.+)$`)

func (c *comparison) diff() string {
	file := "docker-compose.yml"
	if c.watching() {
		file = "docker-compose.monitoring.yml"
	}
	return Diff("base/"+file, discreet(c.base.Rendered), "head/"+file, discreet(c.head.Rendered))
}

// Diff returns the difference of two texts as a patch, or nothing when they are the same.
func Diff(from string, before []byte, to string, after []byte) string {
	return string(diff.Diff(from, before, to, after))
}

// discreet leaves out the values that look like secrets, so that a comment on a pull request cannot show them.
func discreet(rendered []byte) []byte {
	lines := strings.Split(string(rendered), "\n")
	for i, line := range lines {
		m := assignment.FindStringSubmatch(line)
		switch {
		case m != nil && policy.LooksSecret(policy.Variable{Name: m[3], Value: strings.Trim(m[5], `"'`)}):
			lines[i] = m[1] + m[3] + ": (looks like a secret; left out)"
		case m == nil && policy.SecretArgument([]string{strings.Trim(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "- ")), `"'`)}):
			lines[i] = line[:len(line)-len(strings.TrimLeft(line, " "))] + "(looks like a secret; left out)"
		}
	}
	return []byte(strings.Join(lines, "\n"))
}
