package app

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/composefile"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/witness"
	"github.com/hsectl/hsectl/internal/yamldoc"
)

const waived = `apiVersion: hsectl/v1
kind: Profile
name: shop
services:
  cache: {preset: redis, environment: {API_TOKEN: hunter2}}
  extra: {preset: redis, profiles: [more]}
exceptions:
  - {control: HSE-SEC-001, service: cache, reason: the vendor reads nothing else, expires: 2026-06-15}
`

// Whatever the day, the profile is loaded; the day decides whether the exception waives, also for a choice of services.
func TestLoadFromJudgesAsOfTheDay(t *testing.T) {
	read := func(string, int64) ([]byte, error) { return []byte(waived), nil }
	for day, want := range map[string]finding.Status{"2026-06-15": finding.Waived, "2026-06-16": finding.Fail} {
		today, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		l, err := LoadFrom(Selection{Files: []string{"hsectl.yaml"}}, read, today)
		if err != nil {
			t.Fatal(err)
		}
		chosen, err := l.Chosen(nil)
		if err != nil || len(chosen.Stack.Services) != 1 {
			t.Fatalf("chosen %d services, %v", len(chosen.Stack.Services), err)
		}
		for _, one := range []Loaded{l, chosen} {
			findings, err := witness.Check(t.Context(), one.Stack)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range findings {
				if f.Control == "HSE-SEC-001" && f.Subject == "cache" && f.Status != want {
					t.Errorf("%s: got %s, want %s", day, f.Status, want)
				}
			}
			if (one.Expired() != nil) != (want == finding.Fail) {
				t.Errorf("%s: expired: %v", day, one.Expired())
			}
		}
	}
}

const retired = `apiVersion: hsectl/v1
kind: Profile
name: shop
services:
  logs: {image: "grafana/promtail:3.5.0", user: "10001:10001", limits: {memory: 64m, cpus: "0.1", pids: 50}, health: {command: [/bin/check]}}
`

// However a profile or a Compose file is loaded, it is judged by what hsectl knows of the life of images.
func TestWhateverIsLoadedIsJudgedByTheDataAboutImages(t *testing.T) {
	read := func(string, int64) ([]byte, error) { return []byte(retired), nil }
	l, err := LoadFrom(Selection{Files: []string{"hsectl.yaml"}}, read, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	chosen, err := l.Chosen(nil)
	if err != nil {
		t.Fatal(err)
	}
	today, err := Dated(l.Profile)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]finding.Finding{}
	for name, s := range map[string]stack.Stack{"loaded": l.Stack, "chosen": chosen.Stack, "dated": today} {
		if found[name], err = witness.Check(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	p, err := LoadCompose(t.Context(), composefile.Source{Files: []string{"compose.yml"}, Read: func(string, int64) ([]byte, error) {
		return []byte("name: shop\nservices: {logs: {image: 'grafana/promtail:3.5.0'}}\n"), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	found["Compose"] = p.Check()
	for name, findings := range found {
		i := slices.IndexFunc(findings, func(f finding.Finding) bool { return f.Control == "HSE-PRE-009" })
		if i < 0 || findings[i].Status != finding.Fail {
			t.Errorf("%s: %+v", name, findings[max(i, 0)])
		}
	}
}

// What is passed through without an exception stops what writes and deploys the stack, and nothing that recovers one; lint names it
// together with what has expired.
func TestWeakenedStopsOnlyWhatDeploys(t *testing.T) {
	text := waived + "  - {control: HSE-FS-001, service: cache, reason: x, expires: 2026-06-15}\n"
	text = strings.Replace(text, "preset: redis", "preset: redis, passthrough: {privileged: true}", 1)
	read := func(string, int64) ([]byte, error) { return []byte(text), nil }
	l, err := LoadFrom(Selection{Files: []string{"hsectl.yaml"}}, read, time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatalf("it is not even loaded: %v", err)
	}
	weakened := yamldoc.Problems(l.Weakened())
	if !slices.ContainsFunc(weakened, func(p *yamldoc.Problem) bool {
		return strings.Contains(p.Message, "breaks HSE-PRV-001") && p.At.Line > 0
	}) {
		t.Errorf("got %v", weakened)
	}
	if all := yamldoc.Problems(l.Refused()); len(all) != len(weakened)+len(yamldoc.Problems(l.Expired())) || len(all) == len(weakened) {
		t.Errorf("lint names %v", all)
	}
}
