package observe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/verify"
	"github.com/hsectl/hsectl/internal/verify/drills"
)

// Exhaust starts a probe with the memory limits of a service's container and lets it take twice as much. The service
// itself is not touched.
func (ps *Probes) Exhaust(ctx context.Context, project, service string) (out drills.Exhausted, err error) {
	c, err := ps.engine.First(ctx, project, service)
	if err != nil {
		return out, err
	}
	ref, err := ps.image(ctx)
	if err != nil {
		return out, err
	}
	out.Limit = c.HostConfig.Memory
	if out.Limit <= 0 {
		return out, nil // without a limit nothing may be tried: it would take the host's memory
	}
	request, err := json.Marshal(verify.Request{Take: 2 * out.Limit})
	if err != nil {
		return out, fmt.Errorf("asking the probe: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*engine.ProbeTimeout)
	defer cancel()
	config := probe{image: ref, stack: project, user: "65532:65532"}.config(string(request))
	config.Env = nil
	pids := int64(64)
	created, err := ps.engine.Create(ctx, client.ContainerCreateOptions{Config: config, HostConfig: &container.HostConfig{
		NetworkMode: "none", CapDrop: []string{"ALL"}, ReadonlyRootfs: true, SecurityOpt: []string{"no-new-privileges:true"}, LogConfig: container.LogConfig{Type: "json-file"},
		Resources: container.Resources{Memory: c.HostConfig.Memory, MemorySwap: c.HostConfig.MemorySwap, PidsLimit: &pids},
	}})
	if err != nil {
		return out, fmt.Errorf("creating a probe: %w", err)
	}
	defer func() { err = errors.Join(err, ps.engine.Discard(ctx, created.ID)) }()
	said, err := ps.run(ctx, created.ID, nil)
	if err != nil && ctx.Err() != nil {
		return out, err // any other end is what is looked at below
	}
	after, err := ps.engine.Inspect(ctx, created.ID)
	if err != nil {
		return out, fmt.Errorf("inspecting a probe: %w", err)
	}
	out.ExitCode, out.OOM = after.State.ExitCode, after.State.OOMKilled
	for line := range strings.Lines(said) {
		var t drills.Taken
		if json.Unmarshal([]byte(line), &t) != nil {
			break // it was ended while it wrote
		}
		out.Taken = append(out.Taken, t)
	}
	return out, nil
}
