//go:build engine

package docker

import (
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
	for _, name := range []string{"slow", "well"} {
		if _, err := e.Stop(t.Context(), s.Name, name); err != nil {
			t.Fatal(err)
		}
		if err := e.Start(t.Context(), s.Name, name); err != nil {
			t.Fatal(err)
		}
		if again, err := e.Await(t.Context(), s.Name, name, true, time.Minute); err != nil || !again.Healthy {
			t.Fatalf("%+v, %v", again, err)
		}
	}
	want := map[string]string{
		"hungry": "of it for memory, and it runs on", "careless": "PID 1 (program) leaves zombies", "slow": "it takes nearly all of its grace period to stop",
	}
	var found []doctor.Diagnosis
	ticker := time.NewTicker(engine.PollInterval)
	defer ticker.Stop()
	for len(found) < len(want) { // the kernel takes its time until it kills
		conditions, err := e.Conditions(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range conditions {
			if c.Unseen != "" {
				t.Fatalf("%+v", c)
			}
		}
		found = doctor.Living(s, conditions, nil)
		select {
		case <-t.Context().Done():
			t.Fatalf("%+v", found)
		case <-ticker.C:
		}
	}
	if len(found) != len(want) {
		t.Errorf("%+v", found)
	}
	for service, cause := range want {
		if !slices.ContainsFunc(found, func(d doctor.Diagnosis) bool { return d.Service == service && strings.Contains(d.Cause, cause) }) {
			t.Errorf("%s: no cause with %q in %+v", service, cause, found)
		}
	}
}
