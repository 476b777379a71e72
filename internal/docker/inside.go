package docker

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/moby/moby/api/types/container"

	"github.com/hsectl/hsectl/internal/verify"
)

// Inside puts a question from the network namespace of a service's container, as the service itself would: its
// addresses, its names, its networks.
func (e *Engine) Inside(ctx context.Context, project, service string, check verify.Check) (verify.Answer, error) {
	c, err := e.runningContainer(ctx, project, service)
	if err != nil {
		return verify.Answer{}, err
	}
	ref, err := e.probeImage(ctx)
	if err != nil {
		return verify.Answer{}, err
	}
	request, err := json.Marshal(verify.Request{Ask: &check})
	if err != nil {
		return verify.Answer{}, fmt.Errorf("asking the probe: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout+check.Timeout)
	defer cancel()
	pids := int64(64)
	out, err := e.throwAway(ctx, probe{image: ref, stack: project, user: "65532:65532"}.config(string(request)), &container.HostConfig{
		NetworkMode: container.NetworkMode("container:" + c.ID), CapDrop: []string{"ALL"}, ReadonlyRootfs: true,
		SecurityOpt: []string{"no-new-privileges:true"}, LogConfig: container.LogConfig{Type: "json-file"},
		Resources: container.Resources{Memory: 256 << 20, PidsLimit: &pids},
	}, nil)
	if err != nil {
		return verify.Answer{}, err
	}
	var dump verify.Dump
	if err := json.Unmarshal([]byte(out), &dump); err != nil || dump.Answer == nil {
		return verify.Answer{}, fmt.Errorf("reading what the probe saw: %w", err)
	}
	return *dump.Answer, nil
}

func (e *Engine) runningContainer(ctx context.Context, project, service string) (container.InspectResponse, error) {
	list, err := e.stackContainers(ctx, project)
	if err != nil {
		return container.InspectResponse{}, err
	}
	for _, c := range list {
		if c.Config.Labels[composeService] == service && c.State.Running {
			return c, nil
		}
	}
	return container.InspectResponse{}, fmt.Errorf("service %s of stack %s does not run", service, project)
}
