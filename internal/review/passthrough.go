package review

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

// passthrough notes keys of Compose that go into the rendered file as they are. What no control judges may weaken
// anything; what is judged shows in the rows of its controls, too.
func (s *serviceComparison) passthrough() {
	s.extra(s.old.Extra, s.new.Extra, "passthrough", s.change)
}

func (c *comparison) passthrough() {
	s := serviceComparison{comparison: c}
	c.renamed()
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

// within reports whether all of a value is in another one: what was taken away is no new weakness.
func within(is, was any) bool {
	switch is := is.(type) {
	case map[string]any:
		all, ok := was.(map[string]any)
		for key, value := range is {
			other, had := all[key]
			ok = ok && had && within(value, other)
		}
		return ok
	case []any:
		all, ok := was.([]any)
		for _, item := range is {
			ok = ok && slices.ContainsFunc(all, func(other any) bool { return reflect.DeepEqual(item, other) })
		}
		return ok
	}
	return reflect.DeepEqual(is, was)
}

// judged reports whether controls judge all the security options that are new.
func judged(was, is any) bool {
	var fresh policy.SecurityOptions
	before, _ := was.([]any)
	now, _ := is.([]any)
	for _, option := range now {
		if !slices.ContainsFunc(before, func(other any) bool { return sameOptions([]any{option}, []any{other}) }) {
			fresh = append(fresh, fmt.Sprint(option))
		}
	}
	return len(fresh.Unjudged()) == 0
}

// renamed notes the volumes and networks that are others under the same name in the file. Those that Compose does not name after
// the stack may belong to another one.
func (c *comparison) renamed() {
	for section, what := range map[string]string{"volumes": "volume", "networks": "network"} {
		before, _ := c.base.Stack.Extra[section].(map[string]any)
		now, _ := c.head.Stack.Extra[section].(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(now)) {
			old, had := before[key].(map[string]any)
			is, _ := now[key].(map[string]any)
			from, _ := old["name"].(string)
			to, _ := is["name"].(string)
			own := func(name, stack string) bool { return name == "" || name == stack+"_"+key }
			was, stays := own(from, c.base.Stack.Name), own(to, c.head.Stack.Name)
			change := Change{Rule: RuleGrant, Control: "HSE-FS-005", What: "name of " + what + " " + key, Old: from, New: to, Key: section + "." + key, Severity: finding.Medium}
			if what == "network" {
				change.Rule, change.Control = RuleNetwork, "HSE-NET-005"
			}
			switch {
			case !had || from == to || was && stays:
				continue
			case stays:
				change.Direction, change.Reason = Stronger, "it belongs to this stack"
			default:
				change.Direction, change.Reason = Weaker, "it may belong to another stack, which then shares it"
			}
			c.changes = append(c.changes, change)
		}
	}
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
		if has && slices.Contains(open, name) && name != "user" && !(had && (sameOptions(was, is) || within(is, was) || name == "security_opt" && judged(was, is))) {
			c.Direction, c.Severity = Weaker, finding.Medium
			c.Reason = fmt.Sprintf("no control judges %s", name)
		}
		if !has && name != "user" && slices.Contains(s.base.Open[s.name], name) {
			c.Direction, c.Severity, c.Reason = Stronger, finding.Medium, fmt.Sprintf("no control judged %s", name)
		}
		note(c)
	}
}
