package observe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"

	"github.com/moby/moby/api/types/container"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/verify"
)

// AskOutside implements verify.Observer.
func (obs *Observer) AskOutside(ctx context.Context, project string, checks []verify.Check) ([]verify.Answer, error) {
	if len(checks) == 0 {
		return nil, nil
	}
	list, err := obs.engine.Stack(ctx, project)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(list, func(c engine.Container) bool { return c.State.Running })
	if i < 0 {
		return nil, errors.New("no container of the stack runs")
	}
	return obs.probes.AskFrom(ctx, list[i], verify.Request{Asks: checks, Outside: true})
}

// AskFrom puts the questions of a request from the network of a container, or from that of its machine.
func (ps *Probes) AskFrom(ctx context.Context, c engine.Container, r verify.Request) ([]verify.Answer, error) {
	r.Asks = own(r.Asks, c)
	dump, err := ps.within(ctx, c, r)
	if err != nil {
		return nil, err
	}
	return dump.Answers, nil
}

// OpenConnections counts the connections that a container has open with others, by their addresses.
func (ps *Probes) OpenConnections(ctx context.Context, c engine.Container, with []string) (int, error) {
	if len(with) == 0 {
		return 0, nil
	}
	dump, err := ps.within(ctx, c, verify.Request{Peers: with})
	if err == nil && len(dump.Errors) > 0 {
		err = errors.New(dump.Errors[0])
	}
	if err != nil {
		return 0, err
	}
	return dump.Open, nil
}

// within does what a request asks of a network: directly where the container runs on this machine, and otherwise by a probe.
func (ps *Probes) within(ctx context.Context, c engine.Container, r verify.Request) (*verify.Dump, error) {
	r.Only = true
	if ps.local != nil {
		dump, err := ps.local()(ctx, c.State.Pid, c.ID, r)
		if err == nil {
			return dump, nil
		}
		if !errors.Is(err, verify.ErrRemote) {
			return nil, err
		}
	}
	ref, err := ps.image(ctx)
	if err != nil {
		return nil, err
	}
	request, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("asking the probe: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, engine.ProbeTimeout)
	defer cancel()
	out, err := ps.throwAway(ctx, probe{image: ref, stack: c.Config.Labels[engine.ComposeProject], user: "65532:65532"}.config(string(request)), asking(c.ID, r.Outside), nil)
	if err != nil {
		return nil, err
	}
	var dump verify.Dump
	if err := json.Unmarshal([]byte(out), &dump); err != nil {
		return nil, fmt.Errorf("reading what the probe was answered: %w", err)
	}
	return &dump, nil
}

// asking is what a probe gets that only asks: a network, and no rights.
func asking(id string, outside bool) *container.HostConfig {
	pids := int64(64)
	out := &container.HostConfig{
		NetworkMode: container.NetworkMode("container:" + id), CapDrop: []string{"ALL"}, ReadonlyRootfs: true,
		SecurityOpt: []string{"no-new-privileges:true"}, LogConfig: container.LogConfig{Type: "json-file"},
		Resources: container.Resources{Memory: 256 << 20, PidsLimit: &pids},
	}
	if outside { // an engine that maps user ids shares its network only with who is not mapped
		out.NetworkMode, out.UsernsMode = "host", "host"
	}
	return out
}

// own puts the questions that a container asks itself to the address at which others find it.
func own(checks []verify.Check, c engine.Container) []verify.Check {
	out := slices.Clone(checks)
	for i, check := range out {
		if !check.Own {
			continue
		}
		u, err := url.Parse(check.URL)
		if err != nil {
			continue // the answer says so
		}
		for _, n := range c.Networks() {
			if n.IPAddress.IsValid() {
				out[i].Address = net.JoinHostPort(n.IPAddress.String(), u.Port())
			}
		}
	}
	return out
}
