package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/verify"
)

func (p probe) config(request string) *container.Config {
	return &container.Config{
		Image: p.image, User: p.user, Cmd: []string{probeVerb, request}, Env: []string{"GOMEMLIMIT=64MiB", "GOMAXPROCS=1"},
		Labels: map[string]string{labelRole: "probe", labelStack: p.stack},
	}
}

// throwAway creates, runs and removes a container, and returns what it wrote. In is what it reads, if anything.
func (e *Engine) throwAway(ctx context.Context, config *container.Config, host *container.HostConfig, in []byte) (out string, err error) {
	created, err := e.create(ctx, client.ContainerCreateOptions{Config: config, HostConfig: host})
	if err != nil {
		return "", fmt.Errorf("creating a probe: %w", err)
	}
	defer func() {
		_, removeErr := e.api.ContainerRemove(context.WithoutCancel(ctx), created.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		if removeErr != nil && !errdefs.IsNotFound(removeErr) {
			err = errors.Join(err, fmt.Errorf("removing a probe: %w", removeErr))
		}
	}()
	return e.run(ctx, created.ID, in)
}

// tryCopy runs a probe with the very settings of a container, and lets it try what they allow. The copy has no network,
// no volume and no port: nothing that it does reaches the workload.
func (e *Engine) tryCopy(ctx context.Context, p probe, h *container.HostConfig) ([]verify.Trial, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	off := false
	copied := &container.HostConfig{
		NetworkMode: "none", Privileged: h.Privileged, CapAdd: h.CapAdd, CapDrop: h.CapDrop, SecurityOpt: h.SecurityOpt,
		ReadonlyRootfs: h.ReadonlyRootfs, Tmpfs: h.Tmpfs, GroupAdd: h.GroupAdd, UsernsMode: h.UsernsMode, Runtime: h.Runtime,
		MaskedPaths: h.MaskedPaths, ReadonlyPaths: h.ReadonlyPaths, Init: &off, LogConfig: container.LogConfig{Type: "json-file"},
		Resources: container.Resources{Memory: 256 << 20, PidsLimit: h.PidsLimit, Ulimits: h.Ulimits},
	}
	out, err := e.throwAway(ctx, p.config(`{"attempt":true}`), copied, nil)
	if err != nil {
		return nil, fmt.Errorf("trying on a copy: %w", err)
	}
	var dump verify.Dump
	if err := json.Unmarshal([]byte(out), &dump); err != nil {
		return nil, fmt.Errorf("reading what the copy tried: %w", err)
	}
	return dump.Attempts, nil
}
