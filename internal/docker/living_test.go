//go:build engine

package docker

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/verify/doctor"
)

// lively are services that are healthy by their tests, and not well.
const lively = `
apiVersion: hsectl/v1
kind: Profile
name: NAME
defaults:
  user: "10001:10001"
  limits: {cpus: "0.5", memory: 64M, pids: 50}
  shutdown: {signal: SIGTERM, grace: 3s}
  health: {command: [/program, health], interval: 2s, timeout: 2s, retries: 8, start_period: 1s}
services:
  hungry: {image: "IMAGE", command: [hungry]}
  careless: {image: "IMAGE", command: [careless]}
  slow: {image: "IMAGE", command: [slow]}
  well: {image: "IMAGE", command: [serve]}
`

// What health tests do not see is named while the containers live: children killed for memory, zombies, and a stop that took nearly
// all of its grace period.
func TestDoctorOnLivingContainers(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	s := testStack(t, e, lively, "")
	mustDeploy(t, e, s)
	want := map[string]string{
		"hungry": "of it for memory, and it runs on", "careless": "PID 1 (program) leaves zombies", "slow": "it takes nearly all of its grace period to stop",
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	// The engine forgets its oldest events when other tests make many, so what was found is kept.
	kept := map[string]doctor.Diagnosis{}
	look := func() {
		t.Helper()
		conditions, err := e.Conditions(ctx, s)
		if err != nil {
			t.Fatalf("%v; found so far: %+v", err, kept)
		}
		for _, c := range conditions {
			if c.Unseen != "" {
				t.Fatalf("%+v", c)
			}
		}
		for _, d := range doctor.Living(s, conditions, nil) {
			kept[d.Service] = d
		}
	}
	for _, name := range []string{"slow", "well"} {
		if _, err := e.Stop(ctx, s.Name, name); err != nil {
			t.Fatal(err)
		}
		if err := e.Start(ctx, s.Name, name); err != nil {
			t.Fatal(err)
		}
		look()
		if again, err := e.Await(ctx, s.Name, name, true, time.Minute); err != nil || !again.Healthy {
			t.Fatalf("%+v, %v", again, err)
		}
	}
	ticker := time.NewTicker(engine.PollInterval)
	defer ticker.Stop()
	for len(kept) < len(want) { // the kernel takes its time until it kills
		select {
		case <-ctx.Done():
			t.Fatalf("%+v", kept)
		case <-ticker.C:
			look()
		}
	}
	found := slices.Collect(maps.Values(kept))
	if len(found) != len(want) {
		t.Errorf("%+v", found)
	}
	for service, cause := range want {
		if !slices.ContainsFunc(found, func(d doctor.Diagnosis) bool { return d.Service == service && strings.Contains(d.Cause, cause) }) {
			t.Errorf("%s: no cause with %q in %+v", service, cause, found)
		}
	}
}
