//go:build engine

package docker

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/probe"
)

// On an engine that maps user ids a stack is deployed and proven: volumes and secrets belong to the mapped user, probes join
// the container's user namespace, and the kernel's map is the evidence. Nothing is planned again because of the map.
func TestRemappedEngine(t *testing.T) {
	t.Parallel()
	p := newPrivate(t, "--userns-remap=nobody:nogroup")
	e := testEngineAt(t, p.host)
	e.LookLocally(probe.Local) // it must leave these containers to probes: user ids mean something else there
	s := testStack(t, e, web, "serve")
	mustDeploy(t, e, s)
	findings := judge(t, e, s)
	for _, f := range findings {
		if !f.Proven() {
			t.Errorf("%s %s: %s", f.Control, f.Status, f.Detail)
		}
	}
	if f := findingOf(t, findings, "HSE-NS-005"); f.Tier != finding.Effective || f.Detail != "user ids are mapped" {
		t.Errorf("%s on %s: %s", f.Control, f.Tier, f.Detail)
	}
	web := only(t, e, s, "web")
	if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pidHere(web.State.Pid))); err != nil || !strings.Contains(string(status), "\nUid:\t110001\t") {
		t.Errorf("the process is not user 110001 of this machine: %v\n%s", err, status)
	}
	plan, err := deployStack(t, e, s, tokenValue)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Steps) != 1 || plan.Steps[0].Kind != deploy.Converge {
		t.Errorf("an unchanged stack is planned as %+v, want one step that converges", plan.Steps)
	}
	if again := only(t, e, s, "web"); again.ID != web.ID {
		t.Error("an unchanged stack got a new container")
	}

	recreate(t, e, web, func(_ *container.Config, h *container.HostConfig) { h.UsernsMode = "host" })
	if f := findingOf(t, judge(t, e, s), "HSE-NS-005"); f.Status != finding.Drift {
		t.Errorf("a container that opts out is %s: %s", f.Status, f.Detail)
	}
	noLeftovers(t, e, s)
}
