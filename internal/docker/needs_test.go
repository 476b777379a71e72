//go:build engine

package docker

import (
	"slices"
	"testing"

	"github.com/moby/moby/api/types/container"

	"github.com/hsectl/hsectl/internal/probe"
	"github.com/hsectl/hsectl/internal/verify"
)

// A container that is not hardened shows what its service needs: to an inspection from the host, and to a probe.
func TestNeedsOfARunningContainer(t *testing.T) {
	e := testEngine(t)
	s := testStack(t, e, web, "serve")
	mustDeploy(t, e, s)
	recreate(t, e, only(t, e, s, "web"), func(_ *container.Config, h *container.HostConfig) { h.ReadonlyRootfs = false })
	if err := e.Put(t.Context(), only(t, e, s, "web").ID, "/state", []byte("written")); err != nil {
		t.Fatal(err)
	}
	for name, look := range map[string]func() verify.Look{"from the host": probe.Local, "by a probe": nil} {
		t.Run(name, func(t *testing.T) {
			e.LookLocally(look)
			seen, err := e.Containers(t.Context(), s.Name, func(string) verify.Request { return verify.Request{} }, nil)
			if err != nil || len(seen) != 1 {
				t.Fatalf("%d containers: %v", len(seen), err)
			}
			n := verify.NeedsOf(seen[0])
			if !slices.Equal(n.Users, []string{"10001:10001"}) || !slices.Equal(n.Written, []string{"/"}) || !slices.Contains(n.Listening, 8080) || len(n.Test) < 2 {
				t.Errorf("%+v", n)
			}
			if n.Memory <= 0 && name == "from the host" { // a probe sees its own control group's directory only where the engine mounts them
				t.Error("the memory that it held is missing")
			}
		})
	}
	noLeftovers(t, e, s)
}
