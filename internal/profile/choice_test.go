package profile_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/profiles"
)

const choosy = `
apiVersion: hsectl/v1
kind: Profile
name: shop
services:
  web: {preset: redis, secrets: [both]}
  batch: {preset: redis, profiles: [nightly, all-day], secrets: [both, own, made], depends_on: [web]}
  debug: {preset: redis, profiles: [debug]}
secrets:
  both: {env: BOTH}
  own: {env: OWN}
  source: {env: SOURCE}
  made: {from: source, format: "x{}"}
  unread: {env: UNREAD}
jobs:
  tidy: {service: batch, command: [tidy]}
  migrate: {service: web, command: [migrate]}
`

// Services with profiles take part when one is chosen, and bring their jobs and secrets; the profile itself is not changed.
func TestChoose(t *testing.T) {
	p, err := parser.Parse([]byte(choosy), parser.Options{File: "shop.yaml", Library: profiles.Library{}})
	if err != nil {
		t.Fatal(err)
	}
	for choice, want := range map[string]string{
		"":                  "web / migrate / both unread",
		"nightly":           "batch web / migrate tidy / both made own source unread",
		"all-day debug":     "batch debug web / migrate tidy / both made own source unread",
		"debug":             "debug web / migrate / both unread",
		profile.EveryChoice: "batch debug web / migrate tidy / both made own source unread",
	} {
		got, err := p.Choose(strings.Fields(choice))
		if err != nil {
			t.Errorf("%q: %v", choice, err)
			continue
		}
		list := strings.Join([]string{names(got.Services), names(got.Jobs), names(got.Secrets)}, " / ")
		if list != want {
			t.Errorf("%q: %s, want %s", choice, list, want)
		}
		if more := got.Choices(); len(more) > 0 {
			t.Errorf("%q: %v can still be chosen", choice, more)
		}
	}
	if got := names(p.Services); got != "batch debug web" || len(p.Choices()) != 3 {
		t.Errorf("the profile was changed: %s", got)
	}
	if _, err := p.Choose([]string{"nightli"}); err == nil || !strings.Contains(err.Error(), "nightly") {
		t.Errorf("a name that no service has: %v", err)
	}
}

func names[V any](m map[string]V) string { return strings.Join(slices.Sorted(maps.Keys(m)), " ") }

// When nothing is left there is nothing to deploy.
func TestChooseNothing(t *testing.T) {
	p, err := parser.Parse([]byte("apiVersion: hsectl/v1\nkind: Profile\nname: shop\nservices: {batch: {preset: redis, profiles: [nightly]}}\n"), parser.Options{File: "shop.yaml", Library: profiles.Library{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Choose(nil); err == nil || !strings.Contains(err.Error(), "no service is left") {
		t.Error(err)
	}
}
