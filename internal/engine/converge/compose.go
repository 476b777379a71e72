package converge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/containerd/errdefs"
	composeapi "github.com/docker/compose/v5/pkg/api"
	"github.com/docker/compose/v5/pkg/compose"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/expectation"
)

const (
	crashLoop = 3    // restarts after which a service is not waited for any longer
	logLines  = 2000 // of a service that failed: the cause often comes long before the end
	testLines = 60   // of the health test that failed
)

// up is a stack as Compose sees it, ready to be brought up.
type up struct {
	project *types.Project
	sdk     composeapi.Compose
	events  *events
}

// upFor loads the file of a step, ends what an earlier run has begun, and wakes what was paused.
func (a *Applier) upFor(ctx context.Context, step *deploy.ComposeStep, report func(deploy.Event)) (up, error) {
	p, err := expectation.Project(ctx, expectation.Source{File: step.File, Environment: step.Environment})
	if err != nil {
		return up{}, err
	}
	if step.Partial {
		if p, err = p.WithSelectedServices(step.Services, types.IgnoreDependencies); err != nil {
			return up{}, fmt.Errorf("choosing services: %w", err)
		}
	}
	for name, s := range p.Services {
		if slices.ContainsFunc(step.Excused, func(ill string) bool { _, waits := s.DependsOn[ill]; return waits }) {
			s.DependsOn = nil // what did not work before is not waited for
			p.Services[name] = s
		}
	}
	told := &events{project: p.Name, report: report, errors: map[string]string{}}
	sdk, err := compose.NewComposeService(a.engine.CLI,
		compose.WithStreams(io.Discard, io.Discard, strings.NewReader("")),
		compose.WithPrompt(func(string, bool) (bool, error) { return false, nil }), // never give up data without an answer
		compose.WithEventProcessor(told))
	if err != nil {
		return up{}, fmt.Errorf("preparing the Compose SDK: %w", err)
	}
	if err := a.settle(ctx, p.Name); err != nil {
		return up{}, err
	}
	return up{p, sdk, told}, a.revive(ctx, p.Name, step, report)
}

// run lets Compose work, and watches the containers until all are healthy. A service that has clearly failed ends the
// wait at once.
func (u up) run(ctx context.Context, timeout time.Duration, create composeapi.CreateOptions, w *watcher) error {
	upContext, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		done <- u.sdk.Up(upContext, u.project, composeapi.UpOptions{Create: create, Start: composeapi.StartOptions{Project: u.project}})
	}()
	w.events = u.events
	err := w.wait(upContext, done)
	cancel()
	if w.upPending {
		// Compose leaves the engine in a defined state before it is inspected, if the engine lets it.
		given := time.NewTimer(w.engine.Bounds.Answer)
		defer given.Stop()
		select {
		case late := <-done:
			err = cmp.Or(err, late)
		case <-given.C:
			err = errors.Join(err, errStillAtWork)
		}
	}
	if err != nil && strings.Contains(err.Error(), "setting rlimit type 7") { // runc knows limits by number only
		err = fmt.Errorf("%w: %w", ErrOpenFiles, err)
	}
	if err != nil {
		return errors.Join(ctx.Err(), err)
	}
	return nil
}

// errStillAtWork is a Compose that has not ended although it was told to.
var errStillAtWork = errors.New("the engine has not finished what Compose started")

// ServiceError is what the engine or Compose says of a service that could not be created or started.
type ServiceError struct {
	Service string
	Err     error
}

// Error implements error.
func (e *ServiceError) Error() string { return fmt.Sprintf("service %q: %v", e.Service, e.Err) }

// Unwrap returns what was said.
func (e *ServiceError) Unwrap() error { return e.Err }

// ErrOpenFiles is an engine that may not raise its own limit of open files, as in rootless mode, and a service that asks for more.
var ErrOpenFiles = errors.New("a service needs more open files than the engine allows")

// converge lets Compose bring the containers to the file.
func (a *Applier) converge(ctx context.Context, project string, step *deploy.ComposeStep, report func(deploy.Event)) error {
	u, err := a.upFor(ctx, step, report)
	if err != nil {
		return err
	}
	known, err := restartCounts(ctx, a.engine, project)
	if err != nil {
		return err
	}
	create := composeapi.CreateOptions{RemoveOrphans: !step.Partial, IgnoreOrphans: step.Partial, Recreate: composeapi.RecreateDiverged,
		RecreateDependencies: composeapi.RecreateDiverged, Inherit: true}
	if len(step.Force) > 0 {
		create.Services, create.Recreate = step.Force, composeapi.RecreateForce
	}
	w := &watcher{engine: a.engine, project: project, services: step.Services, report: report, started: time.Now(), reported: map[string]bool{}, known: known, once: step.Once,
		want: map[string]int{}, excused: step.Excused}
	for name, service := range u.project.Services {
		w.want[name] = service.GetScale()
	}
	if err := u.run(ctx, step.Timeout, create, w); err != nil {
		return err
	}
	if step.Gate != nil {
		if err := a.rest(ctx, step); err != nil {
			return err
		}
	}
	return a.settle(ctx, project)
}

// settle ends what an interrupted deploy has begun while Compose was replacing containers. Compose makes the new one
// next to the old one, removes the old one and renames the new one: where the old one is still there, the new one goes,
// because it has never run; where it is gone, the new one gets its name.
func (a *Applier) settle(ctx context.Context, project string) error {
	list, err := a.engine.Stack(ctx, project)
	if err != nil {
		return err
	}
	names := map[string]bool{}
	for _, c := range list {
		names[strings.TrimPrefix(c.Name, "/")] = true
	}
	for _, c := range list {
		final, replacing := engine.FinalName(c.Name)
		switch {
		case !replacing:
			continue
		case names[final]:
			_, err = a.engine.API.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true})
		default:
			_, err = a.engine.API.ContainerRename(ctx, c.ID, client.ContainerRenameOptions{NewName: final})
			names[final] = true
		}
		if err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("settling container %s: %w", final, err)
		}
	}
	return nil
}

// revive lets containers run again that were paused, and removes those that the engine has failed to remove: neither can be started as it
// is, nor is either replaced by Compose.
func (a *Applier) revive(ctx context.Context, project string, step *deploy.ComposeStep, report func(deploy.Event)) error {
	list, err := a.engine.Stack(ctx, project)
	if err != nil {
		return err
	}
	for _, c := range list {
		service := c.Config.Labels[engine.ComposeService]
		switch {
		case step.Partial && !slices.Contains(step.Services, service):
		case c.State.Paused:
			if err := unpause(ctx, a.engine, c, report); err != nil {
				return err
			}
		case c.State.Dead:
			if err := a.engine.Discard(ctx, c.ID); err != nil {
				return err
			}
			report(deploy.Event{Subject: service, Text: "a dead container was removed", Done: true})
		}
	}
	return nil
}

// unpause lets a container run that was paused outside hsectl. One that runs by now, or is gone, is no error.
func unpause(ctx context.Context, e *engine.Connection, c engine.Container, report func(deploy.Event)) error {
	_, err := e.API.ContainerUnpause(ctx, c.ID, client.ContainerUnpauseOptions{})
	if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
		return fmt.Errorf("unpausing container %s: %w", strings.TrimPrefix(c.Name, "/"), err)
	}
	report(deploy.Event{Subject: c.Config.Labels[engine.ComposeService], Text: "unpaused: it was paused outside hsectl", Done: true})
	return nil
}

// events passes the progress of Compose on, as far as it says something new: what is unchanged stays unsaid, and health
// is told by the watcher. It remembers errors, because the one that Compose ends with does not say of which service it is.
type events struct {
	project string
	report  func(deploy.Event)

	mu     sync.Mutex        // guards errors; Compose tells from several goroutines
	errors map[string]string // by service
}

// Start implements api.EventProcessor.
func (*events) Start(context.Context, string) {}

// Done implements api.EventProcessor.
func (*events) Done(string, bool) {}

// note remembers an error and whose it is.
func (e *events) note(r composeapi.Resource) {
	if r.Status != composeapi.Error || r.Text == "" || r.Text == composeapi.StatusError { // of one that waits for another
		return
	}
	service := ""
	if name, ok := strings.CutPrefix(r.ID, "Container "); ok {
		service = e.service(name)
	} else if parts := strings.Split(r.ID, ":"); len(parts) == 3 && parts[0] == "service" { // a container that is yet to be made
		service = parts[1]
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, told := e.errors[service]; service != "" && !told {
		e.errors[service] = r.Text
	}
}

// of returns the service that an error of Compose is about, or nothing where Compose did not tell.
func (e *events) of(err error) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, service := range slices.Sorted(maps.Keys(e.errors)) {
		if strings.Contains(err.Error(), e.errors[service]) {
			return service
		}
	}
	return ""
}

// On implements api.EventProcessor.
func (e *events) On(resources ...composeapi.Resource) {
	for _, r := range resources {
		e.note(r)
		switch r.Text {
		case composeapi.StatusRunning, composeapi.StatusWaiting, composeapi.StatusHealthy, composeapi.StatusStarting, composeapi.StatusCreating:
			continue
		}
		if r.Status == composeapi.Working && r.Text != composeapi.StatusStopping {
			continue
		}
		kind, name, _ := strings.Cut(r.ID, " ")
		if kind == "Container" {
			kind, name = "", e.service(name)
		}
		text := strings.ToLower(strings.TrimSpace(kind + " " + r.Text))
		e.report(deploy.Event{Subject: strings.TrimPrefix(name, e.project+"_"), Text: text, Done: r.Status == composeapi.Done})
	}
}

// service turns the name of a container into that of its service: stack-service-1, or 0123456789ab_stack-service-1 while
// it takes another's place.
func (e *events) service(name string) string {
	if final, replacing := engine.FinalName(name); replacing {
		name = final
	}
	name = strings.TrimPrefix(name, e.project+"-")
	if i := strings.LastIndexByte(name, '-'); i > 0 {
		name = name[:i]
	}
	return name
}
