package converge

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/containerd/errdefs"
	composeapi "github.com/docker/compose/v5/pkg/api"
	"github.com/docker/compose/v5/pkg/compose"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/edge"
	"github.com/hsectl/hsectl/internal/engine"
)

// roll brings the containers of one service to what they should be, in kind and number, while it goes on answering: one
// after the other the next one starts next to those that answer. Whatever an earlier run has left — containers of both kinds,
// slots that name some of them — is where it starts from.
func (a *Applier) roll(ctx context.Context, service string, step *deploy.RollStep, report func(deploy.Event)) error {
	up, err := a.upFor(ctx, &step.Compose, report)
	if err != nil {
		return err
	}
	running, err := a.engine.Service(ctx, up.project.Name, service)
	if err != nil {
		return err
	}
	s := up.project.Services[service]
	r := rolling{applier: a, service: service, step: step, want: s.GetScale(), report: report}
	serving, err := a.survivors(ctx, s, running, step.Changed, r.want)
	if err != nil {
		return err
	}
	if len(serving) == 0 { // nothing runs: Compose starts the service, and makes anew what is not there
		for _, id := range step.Changed {
			if err := a.engine.Discard(ctx, id); err != nil {
				return err
			}
		}
		return nil
	}
	if err := r.move(ctx, up.project.Name, serving, len(running) > len(serving), ""); err != nil {
		return err
	}
	for replaced, started := false, false; ; started = true {
		stale := slices.IndexFunc(serving, func(k kept) bool { return !k.fresh })
		switch done := stale < 0 && len(serving) == r.want; {
		case done && (replaced || !started): // where nothing was to do, an interrupted run may not have come to this
			return a.restartDependents(ctx, service, &step.Compose, report)
		case done:
			return nil
		}
		next, err := r.start(ctx, len(serving)+1)
		if err != nil {
			return err
		}
		if err := a.reaches(ctx, up.project.Name, step.Gate.Service, step.Calls, next[:12]); err != nil {
			return err
		}
		full := len(serving) == r.want
		if full {
			serving, replaced = slices.Delete(serving, stale, stale+1), true
		}
		serving = append(serving, kept{next, true})
		text := "traffic moved"
		if r.want > 1 {
			text = fmt.Sprintf("traffic moved, %d of %d", fresh(serving), r.want)
		}
		if err := r.move(ctx, up.project.Name, serving, full, text); err != nil {
			return err
		}
	}
}

// rolling is one service whose containers change behind the edge.
type rolling struct {
	applier *Applier
	service string
	step    *deploy.RollStep
	want    int // containers
	report  func(deploy.Event)
}

func fresh(list []kept) int {
	n := 0
	for _, k := range list {
		if k.fresh {
			n++
		}
	}
	return n
}

// move lets some containers answer and no other, tells it, and then stops the others, if there are any.
func (r rolling) move(ctx context.Context, project string, serving []kept, others bool, text string) error {
	var ids, names []string
	for _, k := range serving {
		ids, names = append(ids, k.ID), append(names, k.ID[:12])
	}
	if r.step.Gate.Volume == "" {
		text = strings.Replace(text, "traffic moved", "in service", 1)
	} else if err := r.applier.turn(ctx, r.step.Gate, edge.Point(r.service, edge.Slots(r.want), names...)); err != nil {
		return err
	}
	if text != "" {
		r.report(deploy.Event{Subject: r.service, Text: text, Done: true})
	}
	if !others {
		return nil
	}
	return r.retire(ctx, project, ids)
}

// kept is a container that answers while the next one starts.
type kept struct {
	ID    string
	fresh bool // it is what it should be already
}

// survivors chooses among the containers of a service those that go on answering, as many as are wanted: those that are
// well, and first among these what is as it should be. Where none is well, what runs is better than nothing.
func (a *Applier) survivors(ctx context.Context, s types.ServiceConfig, running []engine.Container, changed []string, want int) ([]kept, error) {
	hash, err := compose.ServiceHash(s)
	if err != nil {
		return nil, fmt.Errorf("comparing service %q: %w", s.Name, err)
	}
	image, _, err := a.images.Find(ctx, s.Image)
	if err != nil {
		return nil, err
	}
	var good, stale, weak []kept
	for _, c := range running {
		switch {
		case !c.State.Running: // Compose starts it, or it has ended
		case engine.Well(c) && !slices.Contains(changed, c.ID) && c.Config.Labels[composeapi.ConfigHashLabel] == hash && c.Image == image:
			good = append(good, kept{c.ID, true})
		case engine.Well(c):
			stale = append(stale, kept{ID: c.ID})
		default:
			weak = append(weak, kept{ID: c.ID})
		}
	}
	out := slices.Concat(good, stale)
	if len(out) == 0 {
		out = weak
	}
	return out[:min(len(out), want)], nil
}

// start brings a service to so many containers, which is one more than it has, and waits until that one is, and stays,
// healthy. It returns its id.
func (r rolling) start(ctx context.Context, containers int) (string, error) {
	a, service, step, report := r.applier, r.service, r.step, r.report
	up, err := a.upFor(ctx, &step.Compose, report) // anew: the SDK may change what it is given
	if err != nil {
		return "", err
	}
	known, err := restartCounts(ctx, a.engine, up.project.Name)
	if err != nil {
		return "", err
	}
	s := up.project.Services[service]
	s.SetScale(containers)
	up.project.Services[service] = s
	report(deploy.Event{Subject: service, Text: "starting next to the running container"})
	create := composeapi.CreateOptions{Services: []string{service}, IgnoreOrphans: true, Recreate: composeapi.RecreateNever, RecreateDependencies: composeapi.RecreateNever}
	w := &watcher{engine: a.engine, project: up.project.Name, services: []string{service}, report: report, started: time.Now(),
		reported: map[string]bool{}, known: known, fresh: true}
	if err := up.run(ctx, step.Compose.Timeout, create, w); err != nil {
		return "", err
	}
	running, err := a.engine.Service(ctx, up.project.Name, service)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(running, func(c engine.Container) bool { _, old := known[c.ID]; return !old })
	if i < 0 {
		return "", &deploy.UnhealthyError{Service: service, State: "its new container was removed outside hsectl", Waited: time.Since(w.started)}
	}
	old := map[string]bool{}
	for id := range known {
		old[id] = true
	}
	return running[i].ID, a.settleDown(ctx, up.project.Name, &deploy.SettleStep{Service: service, For: step.Settle, Known: old})
}

// openPoll is how often open connections are counted.
const openPoll = time.Second

// drained waits until what some containers have begun had time to reach them, and then until the edge has no connection with them
// any more: its requests have ended, and its WebSockets. That has a bound; where connections cannot be counted nothing more is waited for.
func (r rolling) drained(ctx context.Context, project string, leaving []engine.Container) error {
	timer := time.NewTimer(r.step.Drain)
	defer timer.Stop()
	var peers []string
	if r.step.Gate.Volume != "" {
		edges, err := r.applier.engine.Service(ctx, project, r.step.Gate.Service)
		if err != nil {
			return err
		}
		for _, c := range edges {
			for _, n := range c.Networks() {
				if n.IPAddress.IsValid() {
					peers = append(peers, n.IPAddress.String())
				}
			}
		}
	}
	told, until := false, time.Now().Add(r.step.Drain+r.step.Open)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		open := 0
		for _, c := range leaving {
			if !c.State.Running || c.State.Paused {
				continue
			}
			n, err := r.applier.asker.OpenConnections(ctx, c, peers)
			if err != nil {
				return ctx.Err() // it may be gone, and is of no interest then
			}
			open += n
		}
		if open == 0 || !time.Now().Before(until) {
			return nil
		}
		if !told {
			told = true
			r.report(deploy.Event{Subject: r.service, Text: fmt.Sprintf("%s open; waiting at most %s", display.Count(open, "connection"), r.step.Open)})
		}
		timer.Reset(openPoll)
	}
}

// retire stops and removes all containers of a service but some, after what they have begun had time to end.
func (r rolling) retire(ctx context.Context, project string, keep []string) error {
	a := r.applier
	running, err := a.engine.Service(ctx, project, r.service)
	if err != nil {
		return err
	}
	leaving := slices.DeleteFunc(running, func(c engine.Container) bool { return slices.Contains(keep, c.ID) })
	if err := r.drained(ctx, project, leaving); err != nil {
		return err
	}
	stopping, stopped := errgroup.WithContext(ctx)
	for _, c := range leaving {
		stopping.Go(func() error {
			// Stopping takes as long as the container's own grace period at most; the engine kills it then.
			if _, err := a.engine.API.ContainerStop(stopped, c.ID, client.ContainerStopOptions{}); err != nil && !errdefs.IsNotFound(err) {
				return fmt.Errorf("stopping container %s: %w", strings.TrimPrefix(c.Name, "/"), err)
			}
			_, err := a.engine.API.ContainerRemove(stopped, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
			if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
				return fmt.Errorf("removing container %s: %w", strings.TrimPrefix(c.Name, "/"), err)
			}
			return nil
		})
	}
	if err := stopping.Wait(); err != nil {
		return err
	}
	r.report(deploy.Event{Subject: r.service, Text: "old container stopped", Done: true})
	return nil
}

// rest lets all containers of the services behind an edge answer again.
func (a *Applier) rest(ctx context.Context, step *deploy.ComposeStep) error {
	var switches []edge.Switch
	for _, service := range step.Gate.Upstreams {
		if slices.Contains(step.Services, service) {
			switches = append(switches, edge.Rest(service)...)
		}
	}
	if len(switches) == 0 {
		return nil
	}
	return a.turn(ctx, *step.Gate, switches)
}
