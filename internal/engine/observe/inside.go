package observe

import (
	"bytes"
	"context"
	"errors"

	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/verify"
)

// Examine inspects one container.
func (ps *Probes) Examine(ctx context.Context, c engine.Container, ask verify.Request) (*verify.Dump, error) {
	return ps.newRound(ctx, c.Config.Labels[engine.ComposeProject]).look(ctx, c, ask)
}

// Inside runs a probe among the processes of a container, as one of its users, and gives each line that it writes to a function as
// it comes. The probe ends with the container, if not before.
func (ps *Probes) Inside(ctx context.Context, c engine.Container, user string, ask verify.Request, each func(line []byte)) (err error) {
	if err := lookable(c); err != nil {
		return err
	}
	p := probe{stack: c.Config.Labels[engine.ComposeProject], target: c.ID, user: user, request: ask, network: "none",
		unconfined: c.AppArmorProfile == "unconfined"}
	if p.image, err = ps.image(ctx); err != nil {
		return err
	}
	config, host, err := p.made()
	if err != nil {
		return err
	}
	created, err := ps.engine.Create(ctx, client.ContainerCreateOptions{Config: config, HostConfig: host})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ps.engine.Discard(ctx, created.ID)) }()
	return ps.runTo(ctx, created.ID, nil, &lines{each: each})
}

// lines gives each whole line to a function.
type lines struct {
	each func([]byte)
	rest []byte
}

func (l *lines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		l.each(line)
		l.rest = rest
	}
}
