//go:build engine

package docker

import (
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/verify"
	"github.com/hsectl/hsectl/internal/verify/doctor"
	"github.com/hsectl/hsectl/internal/verify/drills"
)

// A container that was killed for memory, and one that is gone, are told apart.
func TestSymptoms(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	s := testStack(t, e, web, "hog")
	if _, err := deployStack(t, e, s, tokenValue); err == nil {
		t.Fatal("it works although it takes all memory")
	}
	symptoms, err := e.Symptoms(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	found := doctor.Diagnose(s, symptoms)
	if len(found) == 0 || found[0].Patch.Path != "services.web.limits.memory" {
		t.Errorf("%+v from %+v", found, symptoms)
	}
	if err := e.Down(t.Context(), s.Name, true); err != nil {
		t.Fatal(err)
	}
	if symptoms, err = e.Symptoms(t.Context(), s); err != nil || len(symptoms) != 1 || !symptoms[0].Missing {
		t.Errorf("%+v, %v", symptoms, err)
	}
}

// What drills measure is seen on a real engine: the kernel ends what takes too much, a loss is noticed in time.
func TestDrillsOnAnEngine(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	s := testStack(t, e, web, "serve")
	mustDeploy(t, e, s)
	exhausted, err := e.Exhaust(t.Context(), s.Name, "web")
	if err != nil {
		t.Fatal(err)
	}
	if f := drills.JudgeMemory(s.Services[0], exhausted)[0]; f.Status != finding.Pass {
		t.Errorf("%s: %+v", f.Detail, exhausted)
	}
	if n := len(exhausted.Taken); n < 10 || exhausted.Taken[n-1].Bytes > exhausted.Limit || exhausted.Taken[n-1].Bytes < exhausted.Limit/2 {
		t.Errorf("what was taken on the way: %+v", exhausted.Taken)
	}
	if _, err := e.Stop(t.Context(), s.Name, "web"); err != nil {
		t.Fatal(err)
	}
	gone, err := e.Await(t.Context(), s.Name, "web", false, time.Minute)
	if err != nil || gone.Healthy {
		t.Errorf("%+v, %v", gone, err)
	}
	if err := e.Start(t.Context(), s.Name, "web"); err != nil {
		t.Fatal(err)
	}
	back, err := e.Await(t.Context(), s.Name, "web", true, time.Minute)
	if err != nil || !back.Healthy {
		t.Errorf("%+v, %v", back, err)
	}
	answer, err := e.Ask(t.Context(), s.Name, "web", verify.Check{URL: "http://127.0.0.1:8080/", Body: "ok", Timeout: 10 * time.Second})
	if err != nil || !answer.OK {
		t.Errorf("%+v, %v", answer, err)
	}
	noLeftovers(t, e, s)
}
