//go:build engine

package docker

import (
	"fmt"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/probe"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify"
)

// Inspection from the machine itself, by one probe on it, or by a probe next to each container gives the same result, whatever is
// wrong.
func TestLocalInspectionMatchesProbes(t *testing.T) {
	e, surveyor := testEngine(t), testEngine(t)
	surveyor.OneProbe()
	s := testStack(t, e, web, "serve")
	mustDeploy(t, e, s)
	original := only(t, e, s, "web")
	if _, err := probe.Local()(t.Context(), original.State.Pid, original.ID, verify.Request{}); err != nil {
		t.Fatalf("the engine is not on this machine, or this is not root: %v", err)
	}
	for name, change := range map[string]func(*container.Config, *container.HostConfig){
		"as declared": func(*container.Config, *container.HostConfig) {},
		"writable root, root user": func(c *container.Config, h *container.HostConfig) {
			c.User, h.ReadonlyRootfs, h.CapDrop = "0:0", false, nil
		},
		"an init, another user's tmpfs": func(_ *container.Config, h *container.HostConfig) {
			yes := true
			h.Init, h.Tmpfs["/tmp"] = &yes, "size=8m,mode=0700"
		},
		"no capability but one": func(_ *container.Config, h *container.HostConfig) { h.CapAdd = []string{"NET_RAW"} },
	} {
		t.Run(name, func(t *testing.T) {
			recreate(t, e, original, change)
			made, err := e.API.ExecCreate(t.Context(), only(t, e, s, "web").ID, client.ExecCreateOptions{Cmd: []string{"/program", "ignore-signals"}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := e.API.ExecStart(t.Context(), made.ID, client.ExecStartOptions{Detach: true}); err != nil {
				t.Fatal(err)
			}
			awaitHealthTest(t, e, s)
			e.LookLocally(nil)
			probed := verdicts(t, e, s)
			same(t, "by one probe for all", probed, verdicts(t, surveyor, s))
			e.LookLocally(probe.Local)
			same(t, "from the host", probed, verdicts(t, e, s))
		})
	}
	noLeftovers(t, e, s)
}

func same(t *testing.T, how string, probed, seen []string) {
	t.Helper()
	if len(probed) != len(seen) {
		t.Fatalf("%d findings by a probe, %d %s", len(probed), len(seen), how)
	}
	for i := range probed {
		if probed[i] != seen[i] {
			t.Errorf("by a probe: %s\n%s: %s", probed[i], how, seen[i])
		}
	}
}

func verdicts(t *testing.T, e *Engine, s stack.Stack) []string {
	t.Helper()
	var out []string
	for _, f := range judge(t, e, s) {
		switch f.Control {
		case "HSE-NS-003": // only next to the container is there a host's namespace to compare with
			f.Tier, f.Detail = finding.Applied, ""
		case "HSE-NS-007": // and only on the machine are there other processes to see
			if f.Status != finding.Pass {
				t.Errorf("%s: %s: %s", f.Control, f.Status, f.Detail)
			}
			continue
		case "HSE-USR-006": // how many health tests are just running
			f.Detail = ""
		case "HSE-HLT-002", "HSE-HLT-003", "HSE-MON-004": // time passes between two looks, and the engine forgets its events
			continue
		}
		out = append(out, fmt.Sprint(f.Control, " ", f.Status, " on ", f.Tier, ": ", f.Detail))
	}
	return out
}
