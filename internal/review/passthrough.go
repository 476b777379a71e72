package review

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
)

// passthrough notes keys of Compose that go into the rendered file as they are. What no control judges may weaken
// anything; what is judged shows in the rows of its controls, too.
func (s *serviceComparison) passthrough() {
	s.extra(s.old.Extra, s.new.Extra, "passthrough", s.change)
}

func (c *comparison) passthrough() {
	s := serviceComparison{comparison: c}
	s.extra(c.base.Stack.Extra, c.head.Stack.Extra, "passthrough", func(change Change) { c.changes = append(c.changes, change) })
}

// spoken are keys of a Compose file with one value, which the row of a control says already.
func spoken() []string {
	return []string{"pid", "ipc", "uts", "userns_mode", "network_mode", "use_api_socket", "cgroup", "cgroup_parent", "runtime", "user"}
}

// sameOptions tells lists that hold the same options, in whatever order and with either sign between name and value.
func sameOptions(a, b any) bool {
	texts := func(v any) []string {
		list, _ := v.([]any)
		var out []string
		for _, item := range list {
			out = append(out, strings.Replace(fmt.Sprint(item), "=", ":", 1))
		}
		slices.Sort(out)
		return out
	}
	first := texts(a)
	return len(first) > 0 && slices.Equal(first, texts(b))
}

// extra compares two sets of keys. Values are not shown: they may be anything.
func (s *serviceComparison) extra(old, now map[string]any, key string, note func(Change)) {
	names := slices.AppendSeq(slices.Collect(maps.Keys(old)), maps.Keys(now))
	slices.Sort(names)
	open := s.head.Open[s.name]
	for _, name := range slices.Compact(names) {
		was, had := old[name]
		is, has := now[name]
		if had && has && reflect.DeepEqual(was, is) {
			continue
		}
		c := Change{Rule: RuleGrant, Control: "HSE-OPS-010", Severity: finding.Low, What: "passed through", Old: name, New: name, Key: key + "." + name, Reason: "see it in the rendered diff"}
		if s.head.Judged != nil {
			if slices.Contains(spoken(), name) && (name != "user" || !had || !has) {
				continue
			}
			c.What, c.Key = "key", name
		}
		switch {
		case !had && s.head.Judged != nil:
			c.Old, c.Reason = "", "it is written now; see it in the diff"
		case !has && s.head.Judged != nil:
			c.New, c.Severity, c.Reason = "", finding.Info, "it is no longer written"
		case !had:
			c.Old, c.Reason = "", "it goes into the rendered file as it is"
		case !has:
			c.New, c.Severity, c.Reason = "", finding.Info, "it is no longer passed through"
		}
		if s.head.Judged != nil && strings.HasPrefix(name, "x-") {
			c.Severity = finding.Info
		}
		if has && slices.Contains(open, name) && name != "user" && !(had && sameOptions(was, is)) {
			c.Direction, c.Severity = Weaker, finding.Medium
			c.Reason = fmt.Sprintf("no control judges %s", name)
		}
		note(c)
	}
}
