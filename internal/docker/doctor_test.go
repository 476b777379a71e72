package docker

import (
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify"
	"github.com/hsectl/hsectl/profiles"
)

// broken is web with a limit of open files and a second secret that it does not read.
var broken = strings.NewReplacer("    secrets: [token]", "    open_files: 512\n    secrets: [token]", "  token: {env: TOKEN}", "  token: {env: TOKEN}\n  more: {from: token, format: \"{}\"}").Replace(web)

// A stack that does not work is diagnosed, its profile is changed as the doctor says, and then it works and is proven.
func TestDoctorMends(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	for mode, path := range map[string]string{"writer": "services.web.writable", "reader": "services.web.secrets", "opener": "services.web.open_files"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := testStack(t, e, broken, mode)
			if _, err := deployStack(t, e, s, tokenValue); err == nil {
				t.Fatal("it works although it is broken")
			}
			symptoms, err := e.Symptoms(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			found := verify.Diagnose(s, symptoms)
			if len(found) == 0 || found[0].Patch.Path != path {
				t.Fatalf("%+v from %+v", found, symptoms)
			}
			text := strings.NewReplacer("NAME", s.Name, "IMAGE", workload(t, e), "MODE", mode).Replace(broken)
			mended, err := profile.Patch([]byte(text), profile.Edit(found[0].Patch))
			if err != nil {
				t.Fatal(err)
			}
			p, err := profile.Parse(mended, profile.Options{File: "test.yaml", Today: time.Now(), Library: profiles.Library{}, CheckImage: image.Check})
			if err != nil {
				t.Fatalf("%v\n%s", err, mended)
			}
			// What restarts over and over is taken away first, so that the deploy does not take its end for a new one.
			if err := e.Down(t.Context(), s.Name, false); err != nil {
				t.Fatal(err)
			}
			mustDeploy(t, e, stack.New(p))
			if findings := judge(t, e, stack.New(p)); !finding.Proven(findings) {
				t.Errorf("mended, but not proven: %+v", findings)
			}
		})
	}
}

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
	found := verify.Diagnose(s, symptoms)
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
	if f := verify.JudgeMemory(s.Services[0], exhausted)[0]; f.Status != finding.Pass {
		t.Errorf("%s: %+v", f.Detail, exhausted)
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
	answer, err := e.Inside(t.Context(), s.Name, "web", verify.Check{URL: "http://127.0.0.1:8080/", Body: "ok", Timeout: 10 * time.Second})
	if err != nil || !answer.OK {
		t.Errorf("%+v, %v", answer, err)
	}
	noLeftovers(t, e, s)
}
