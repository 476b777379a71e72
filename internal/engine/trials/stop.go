package trials

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/observe"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/signals"
	"github.com/hsectl/hsectl/internal/verify"
	"github.com/hsectl/hsectl/internal/verify/drills"
)

// Stop asks the container of a service to stop, as the engine would on a deploy, and observes how it ends. Programs that the
// signal reaches through others are held for a moment, so that it is seen whether they get it, and whether they are waited for.
func (d *Drills) Stop(ctx context.Context, project, service string) (drills.Stopped, error) {
	return d.stop(ctx, project, service, true)
}

// StopLive does the same and holds nothing: the service has clients.
func (d *Drills) StopLive(ctx context.Context, project, service string) (drills.Stopped, error) {
	return d.stop(ctx, project, service, false)
}

func (d *Drills) stop(ctx context.Context, project, service string, hold bool) (drills.Stopped, error) {
	list, err := d.engine.Stack(ctx, project)
	if err != nil {
		return drills.Stopped{}, err
	}
	i := slices.IndexFunc(list, func(c engine.Container) bool {
		return c.Config.Labels[engine.ComposeService] == service && c.State.Running
	})
	if i < 0 {
		return drills.Stopped{}, fmt.Errorf("stopping %s: it does not run", service)
	}
	id := list[i].ID
	stop := observe.StopOf(list[i])
	out := drills.Stopped{Signal: stop.Signal, Grace: stop.Grace, Programs: d.programs(ctx, list[i])}
	holding := &held{}
	if hold {
		holding = d.hold(ctx, list[i], out.Programs.Value)
	}
	since, err := d.engine.Now(ctx)
	if err != nil {
		return out, errors.Join(err, holding.stop())
	}
	begun := time.Now()
	if _, err := d.engine.API.ContainerStop(ctx, id, client.ContainerStopOptions{}); err != nil {
		return out, errors.Join(fmt.Errorf("stopping %s: %w", service, err), holding.stop())
	}
	out.Took = time.Since(begun)
	if err := holding.stop(); err != nil {
		return out, err
	}
	out.Took = max(out.Took-holding.into(out.Programs.Value), 0)
	c, err := d.engine.Inspect(ctx, id)
	if err != nil {
		return out, fmt.Errorf("inspecting %s: %w", service, err)
	}
	out.ExitCode, out.OOM = c.State.ExitCode, c.State.OOMKilled
	if out.Killed, err = d.killed(ctx, id, since); err != nil {
		return out, err
	}
	logs, err := d.engine.Logs(ctx, id, 0)
	if err != nil {
		return out, err
	}
	out.Logs = display.LastLines(logs, math.MaxInt)
	return out, nil
}

// programs looks at what runs in a container. What cannot be seen is unknown.
func (d *Drills) programs(ctx context.Context, c engine.Container) policy.Fact[[]drills.Program] {
	dump, err := d.probes.Examine(ctx, c, verify.Request{})
	if err != nil {
		return policy.Unseen[[]drills.Program](err.Error())
	}
	seen := dump.Seen()
	if !seen.Known() {
		return policy.Unseen[[]drills.Program](seen.Why)
	}
	whole := slices.ContainsFunc(c.Config.Env, func(v string) bool { return strings.HasPrefix(v, signals.GroupVariable+"=") })
	var out []drills.Program
	for _, p := range signals.Programs(seen.Value, whole) {
		out = append(out, drills.Program{Program: p})
	}
	return policy.Seen(out, seen.Tier)
}

// Times of holding a program. The engine's grace period passes meanwhile, so they are parts of it.
const (
	mostSettle = 250 * time.Millisecond // after which what has not ended is waiting for its program
	holdStart  = 30 * time.Second       // until the probe holds it
)

// held is a probe that holds programs of a container, and what it has said.
type held struct {
	done  chan error
	lines []drills.Held // written until done is closed
}

// hold lets a probe hold the programs that have a handler for the stop signal and get it through others. It returns when they are
// held, or when they cannot be.
func (d *Drills) hold(ctx context.Context, c engine.Container, programs []drills.Program) *held {
	stop := observe.StopOf(c)
	signal, grace := signals.Number(stop.Signal), stop.Grace
	ask := verify.Hold{Signal: signal, Settle: min(mostSettle, grace/10), Most: grace * 3 / 4}
	user := ""
	for _, p := range programs {
		if signal == 0 || len(p.Through) == 0 || !p.Handles(signal) || p.Lost(signal, "") != "" {
			continue
		}
		if user == "" {
			user = fmt.Sprintf("%d:%d", p.UIDs[1], p.GIDs[1])
		}
		ask.PIDs = append(ask.PIDs, p.PID)
	}
	h := &held{}
	if len(ask.PIDs) == 0 || grace <= 0 {
		return h
	}
	h.done = make(chan error, 1)
	ready := make(chan struct{})
	go func() {
		tried := 0
		ctx, cancel := context.WithTimeout(ctx, holdStart+grace+engine.ProbeTimeout)
		defer cancel()
		err := d.probes.Inside(ctx, c, user, verify.Request{Hold: &ask}, func(line []byte) {
			var l drills.Held
			if json.Unmarshal(line, &l) != nil {
				return
			}
			h.lines = append(h.lines, l)
			if l.Seen == drills.HoldBegun || l.Seen == drills.HoldRefused {
				if tried++; tried == len(ask.PIDs) {
					close(ready)
				}
			}
		})
		h.done <- err
	}()
	late := time.NewTimer(holdStart)
	defer late.Stop()
	select {
	case <-ready:
	case err := <-h.done:
		h.done <- err
	case <-late.C:
	case <-ctx.Done():
	}
	return h
}

// stop waits for the end of the probe, which comes with that of the container. That it could not hold anything is no error: then
// nothing is known of what it would have seen.
func (h *held) stop() error {
	if h.done == nil {
		return nil
	}
	err := <-h.done
	if errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// into writes what was seen to the programs, and returns for how long they were kept from what they do when they get the signal.
func (h *held) into(programs []drills.Program) (kept time.Duration) {
	for _, l := range h.lines {
		i := slices.IndexFunc(programs, func(p drills.Program) bool { return p.PID == l.PID })
		if i < 0 {
			continue
		}
		switch p := &programs[i]; l.Seen {
		case drills.HoldBegun:
			p.Held = true
		case drills.HoldPassed:
			p.Passed = true
		case drills.HoldWaited:
			p.Waited = true
			kept += l.For
		case drills.HoldReleased:
			p.Released = true
		}
	}
	return kept
}

// killed asks the engine's own record whether it has sent SIGKILL since a time of its own clock.
func (d *Drills) killed(ctx context.Context, id string, since time.Time) (bool, error) {
	now, err := d.engine.Now(ctx)
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, d.engine.Bounds.Prompt)
	defer cancel()
	stream := d.engine.API.Events(ctx, client.EventsListOptions{
		Since:   strconv.FormatInt(since.Add(-time.Second).Unix(), 10),
		Until:   strconv.FormatInt(now.Add(time.Second).Unix(), 10),
		Filters: make(client.Filters).Add("container", id).Add("event", "kill"),
	})
	for {
		select {
		case m := <-stream.Messages:
			if s := m.Actor.Attributes["signal"]; s == "9" || s == "SIGKILL" || s == "KILL" {
				return true, nil
			}
		case err := <-stream.Err:
			if err != nil && !errors.Is(err, io.EOF) {
				return false, fmt.Errorf("reading the engine's events: %w", err)
			}
			return false, nil
		}
	}
}
