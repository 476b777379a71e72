package docker

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
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/edge"
)

// roll replaces the container of one service while it goes on answering. Whatever an earlier run has left — two
// containers, a slot that names one of them — is where it starts from.
func (e *Engine) roll(ctx context.Context, service string, step *deploy.RollStep, report func(deploy.Event)) error {
	up, err := e.upFor(ctx, &step.Compose, report)
	if err != nil {
		return err
	}
	running, err := e.ofService(ctx, up.project.Name, service)
	if err != nil {
		return err
	}
	keep, err := e.survivor(ctx, up.project.Services[service], running, step.Force)
	if err != nil || keep.ID == "" {
		return err // nothing runs: Compose starts the service
	}
	if err := e.turn(ctx, step.Gate, edge.Pin(service, keep.ID[:12])); err != nil {
		return err
	}
	if len(running) > 1 {
		if err := e.retire(ctx, service, keep.ID, step.Drain, report); err != nil {
			return err
		}
	}
	if keep.fresh {
		return nil
	}
	next, err := e.startNext(ctx, up, service, step, report)
	if err != nil {
		return err
	}
	if err := e.turn(ctx, step.Gate, edge.Move(service, next[:12])); err != nil {
		return err
	}
	report(deploy.Event{Subject: service, Text: "traffic moved", Done: true})
	return e.retire(ctx, service, next, step.Drain, report)
}

// ofService returns the containers of one service of a stack.
func (e *Engine) ofService(ctx context.Context, project, service string) ([]container.InspectResponse, error) {
	list, err := e.stackContainers(ctx, project)
	return slices.DeleteFunc(list, func(c container.InspectResponse) bool { return c.Config.Labels[composeService] != service }), err
}

// kept is the container that answers while the next one starts.
type kept struct {
	ID    string
	fresh bool // it is what it should be already
}

// survivor chooses among the containers of a service the one that goes on answering: one that is well, and among these
// one that is what it should be. It chooses none when nothing runs.
func (e *Engine) survivor(ctx context.Context, s types.ServiceConfig, running []container.InspectResponse, force bool) (kept, error) {
	hash, err := compose.ServiceHash(s)
	if err != nil {
		return kept{}, fmt.Errorf("comparing service %q: %w", s.Name, err)
	}
	image, _, err := e.findImage(ctx, s.Image)
	if err != nil {
		return kept{}, err
	}
	var out kept
	best := 0
	for _, c := range running {
		fresh := !force && c.Config.Labels[composeapi.ConfigHashLabel] == hash && c.Image == image && wellOff(c)
		rank := 0
		switch {
		case fresh:
			rank = 3
		case wellOff(c):
			rank = 2
		case c.State.Running:
			rank = 1
		}
		if rank > best {
			best, out = rank, kept{c.ID, fresh}
		}
	}
	return out, nil
}

// startNext starts one more container of a service and waits until it is, and stays, healthy. It returns its id.
func (e *Engine) startNext(ctx context.Context, up up, service string, step *deploy.RollStep, report func(deploy.Event)) (string, error) {
	known, err := e.restartCounts(ctx, up.project.Name)
	if err != nil {
		return "", err
	}
	s := up.project.Services[service]
	s.SetScale(2)
	up.project.Services[service] = s
	report(deploy.Event{Subject: service, Text: "starting beside the running one"})
	create := composeapi.CreateOptions{Services: []string{service}, IgnoreOrphans: true, Recreate: composeapi.RecreateNever, RecreateDependencies: composeapi.RecreateNever}
	w := &watcher{engine: e, project: up.project.Name, services: []string{service}, report: report, started: time.Now(),
		reported: map[string]bool{}, known: known, fresh: true}
	if err := up.run(ctx, step.Compose.Timeout, create, w); err != nil {
		return "", err
	}
	running, err := e.ofService(ctx, up.project.Name, service)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(running, func(c container.InspectResponse) bool { _, old := known[c.ID]; return !old })
	if i < 0 {
		return "", &deploy.UnhealthyError{Service: service, State: "its new container was removed by somebody else", Waited: time.Since(w.started)}
	}
	old := map[string]bool{}
	for id := range known {
		old[id] = true
	}
	return running[i].ID, e.settleDown(ctx, up.project.Name, &deploy.SettleStep{For: step.Settle, Known: old})
}

// retire stops and removes all containers of a service but one, after what they have begun had time to reach them.
func (e *Engine) retire(ctx context.Context, service, keep string, drain time.Duration, report func(deploy.Event)) error {
	kept, err := e.api.ContainerInspect(ctx, keep, client.ContainerInspectOptions{})
	if err != nil {
		return fmt.Errorf("inspecting the container of %s: %w", service, err)
	}
	running, err := e.ofService(ctx, kept.Container.Config.Labels[composeProject], service)
	if err != nil {
		return err
	}
	timer := time.NewTimer(drain)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
	}
	for _, c := range running {
		if c.ID == keep {
			continue
		}
		// Stopping takes as long as the container's own grace period at most; the engine kills it then.
		if _, err := e.api.ContainerStop(ctx, c.ID, client.ContainerStopOptions{}); err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("stopping container %s: %w", strings.TrimPrefix(c.Name, "/"), err)
		}
		_, err := e.api.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
			return fmt.Errorf("removing container %s: %w", strings.TrimPrefix(c.Name, "/"), err)
		}
		report(deploy.Event{Subject: service, Text: "old container stopped", Done: true})
	}
	return nil
}

// rest lets the services behind an edge be found by their own names again.
func (e *Engine) rest(ctx context.Context, step *deploy.ComposeStep) error {
	var switches []edge.Switch
	for _, service := range step.Gate.Upstreams {
		if slices.Contains(step.Services, service) {
			switches = append(switches, edge.Rest(service)...)
		}
	}
	if len(switches) == 0 {
		return nil
	}
	return e.turn(ctx, *step.Gate, switches)
}
