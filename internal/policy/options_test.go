package policy_test

import (
	"slices"
	"testing"

	"github.com/hsectl/hsectl/internal/policy"
)

// Both separators count, the bare word is true, and the last option of a kind is the one in force.
func TestSecurityOptions(t *testing.T) {
	type answer struct {
		noNew, cgroups, paths bool
		filter, confined      string
		unjudged              []string
	}
	for name, c := range map[string]struct {
		options    policy.SecurityOptions
		privileged bool
		want       answer
	}{
		"none":                     {nil, false, answer{filter: "default", confined: "default"}},
		"privileged":               {nil, true, answer{filter: "unconfined", confined: "unconfined"}},
		"privileged, filtered":     {policy.SecurityOptions{"seccomp=builtin"}, true, answer{filter: "default", confined: "unconfined"}},
		"the bare word":            {policy.SecurityOptions{"no-new-privileges"}, false, answer{noNew: true, filter: "default", confined: "default"}},
		"with a colon":             {policy.SecurityOptions{"no-new-privileges:1", "seccomp:unconfined"}, false, answer{noNew: true, filter: "unconfined", confined: "default"}},
		"taken back":               {policy.SecurityOptions{"no-new-privileges=true", "no-new-privileges:false", "seccomp=unconfined", "seccomp=builtin"}, false, answer{filter: "default", confined: "default"}},
		"a filter of its own":      {policy.SecurityOptions{"seccomp=./a=b.json"}, false, answer{filter: "custom", confined: "default", unjudged: []string{"seccomp"}}},
		"AppArmor off":             {policy.SecurityOptions{"apparmor=docker-default", "apparmor:unconfined"}, false, answer{filter: "default", confined: "unconfined"}},
		"AppArmor on again":        {policy.SecurityOptions{"apparmor=unconfined", "apparmor=docker-default"}, false, answer{filter: "default", confined: "default"}},
		"another AppArmor profile": {policy.SecurityOptions{"apparmor=unconfined", "apparmor=mine"}, false, answer{filter: "default", confined: "custom", unjudged: []string{"apparmor"}}},
		"labels off":               {policy.SecurityOptions{"label:disable", "label=level:s0:c1"}, false, answer{filter: "default", confined: "unconfined", unjudged: []string{"label"}}},
		"a type that may all":      {policy.SecurityOptions{"label=type:spc_t"}, false, answer{filter: "default", confined: "unconfined", unjudged: []string{"label"}}},
		"open paths":               {policy.SecurityOptions{"systempaths=unconfined", "writable-cgroups=true"}, false, answer{cgroups: true, paths: true, filter: "default", confined: "default"}},
		"something new":            {policy.SecurityOptions{"novelty"}, false, answer{filter: "default", confined: "default", unjudged: []string{"novelty"}}},
	} {
		got := answer{c.options.NoNewPrivileges(), c.options.WritableCgroups(), c.options.SystemPaths(), c.options.Filter(c.privileged), c.options.Confined(c.privileged), c.options.Unjudged()}
		if got.noNew != c.want.noNew || got.cgroups != c.want.cgroups || got.paths != c.want.paths || got.filter != c.want.filter || got.confined != c.want.confined || !slices.Equal(got.unjudged, c.want.unjudged) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	if got := policy.Borrowed("service:a", "shareable", "container:b"); !slices.Equal(got, []string{"ipc, shareable", "network", "pid"}) {
		t.Errorf("borrowed: %q", got)
	}
	if got := policy.Borrowed("host", "private", "shop_default"); got != nil {
		t.Errorf("borrowed: %q", got)
	}
}
