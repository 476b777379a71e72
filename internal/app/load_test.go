package app

import (
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/witness"
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
