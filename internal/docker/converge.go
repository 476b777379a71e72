package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/containerd/errdefs"
	composeapi "github.com/docker/compose/v5/pkg/api"
	"github.com/docker/compose/v5/pkg/compose"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/deploy"
)

const (
	pollInterval = 250 * time.Millisecond
	crashLoop    = 3 // restarts after which a service is not waited for any longer
	logLines     = 15
)

// up is a stack as Compose sees it, ready to be brought up.
type up struct {
	engine  *Engine
	project *types.Project
	sdk     composeapi.Compose
}

// upFor loads the file of a step, and ends what an earlier run has begun.
func (e *Engine) upFor(ctx context.Context, step *deploy.ComposeStep, report func(deploy.Event)) (up, error) {
	p, err := generate.Load(ctx, step.File, step.Environment)
	if err != nil {
		return up{}, err
	}
	if step.Partial {
		if p, err = p.WithSelectedServices(step.Services, types.IgnoreDependencies); err != nil {
			return up{}, fmt.Errorf("choosing services: %w", err)
		}
	}
	for name, service := range p.Services {
		service.CustomLabels = map[string]string{
			composeapi.ProjectLabel: p.Name, composeapi.ServiceLabel: name, composeapi.VersionLabel: composeapi.ComposeVersion,
			composeapi.WorkingDirLabel: "/", composeapi.ConfigFilesLabel: generate.ComposeFile, composeapi.OneoffLabel: "False",
		}
		p.Services[name] = service
	}
	sdk, err := compose.NewComposeService(e.cli,
		compose.WithStreams(io.Discard, io.Discard, strings.NewReader("")),
		compose.WithPrompt(func(string, bool) (bool, error) { return false, nil }), // never give up data for an answer nobody gave
		compose.WithEventProcessor(events{p.Name, report}))
	if err != nil {
		return up{}, fmt.Errorf("preparing the Compose SDK: %w", err)
	}
	return up{e, p, sdk}, e.settle(ctx, p.Name)
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
	err := w.wait(upContext, done)
	cancel()
	if w.upPending {
		// Compose leaves the engine in a defined state before anybody looks at it.
		if late := <-done; err == nil {
			err = late
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

// ErrOpenFiles is an engine that may not raise its own limit of open files, as in rootless mode, and a service that asks for more.
var ErrOpenFiles = errors.New("a service asks for more open files than the engine may give")

// converge lets Compose bring the containers to the file.
func (e *Engine) converge(ctx context.Context, project string, step *deploy.ComposeStep, report func(deploy.Event)) error {
	u, err := e.upFor(ctx, step, report)
	if err != nil {
		return err
	}
	known, err := e.restartCounts(ctx, project)
	if err != nil {
		return err
	}
	create := composeapi.CreateOptions{RemoveOrphans: !step.Partial, IgnoreOrphans: step.Partial, Recreate: composeapi.RecreateDiverged,
		RecreateDependencies: composeapi.RecreateDiverged, Inherit: true}
	if len(step.Force) > 0 {
		create.Services, create.Recreate = step.Force, composeapi.RecreateForce
	}
	w := &watcher{engine: e, project: project, services: step.Services, report: report, started: time.Now(), reported: map[string]bool{}, known: known, once: step.Once,
		want: map[string]int{}}
	for name, service := range u.project.Services {
		w.want[name] = service.GetScale()
	}
	if err := u.run(ctx, step.Timeout, create, w); err != nil {
		return err
	}
	if step.Gate != nil {
		if err := e.rest(ctx, step); err != nil {
			return err
		}
	}
	return e.settle(ctx, project)
}

// replaced matches the name that Compose gives a container while it takes the place of another one.
var replaced = regexp.MustCompile(`^/?[0-9a-f]{12}_(.+)$`)

// settle ends what a deploy that was cut off has begun while Compose was replacing containers. Compose makes the new one
// beside the old one, removes the old one and renames the new one: where the old one is still there, the new one goes,
// because it has never run; where it is gone, the new one gets its name.
func (e *Engine) settle(ctx context.Context, project string) error {
	list, err := e.stackContainers(ctx, project)
	if err != nil {
		return err
	}
	names := map[string]bool{}
	for _, c := range list {
		names[strings.TrimPrefix(c.Name, "/")] = true
	}
	for _, c := range list {
		m := replaced.FindStringSubmatch(c.Name)
		switch {
		case m == nil:
			continue
		case names[m[1]]:
			_, err = e.api.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true})
		default:
			_, err = e.api.ContainerRename(ctx, c.ID, client.ContainerRenameOptions{NewName: m[1]})
			names[m[1]] = true
		}
		if err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("settling container %s: %w", m[1], err)
		}
	}
	return nil
}

// events passes the progress of Compose on, as far as it says something new: what is unchanged stays unsaid, and health
// is told by the watcher.
type events struct {
	project string
	report  func(deploy.Event)
}

// Start implements api.EventProcessor.
func (events) Start(context.Context, string) {}

// Done implements api.EventProcessor.
func (events) Done(string, bool) {}

// On implements api.EventProcessor.
func (e events) On(resources ...composeapi.Resource) {
	for _, r := range resources {
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
func (e events) service(name string) string {
	if m := replaced.FindStringSubmatch(name); m != nil {
		name = m[1]
	}
	name = strings.TrimPrefix(name, e.project+"-")
	if i := strings.LastIndexByte(name, '-'); i > 0 {
		name = name[:i]
	}
	return name
}

// inspectParallel bounds the questions about containers that are asked at once.
const inspectParallel = 16

// stackContainers returns the containers of a stack in full. One that vanishes meanwhile is left out.
func (e *Engine) stackContainers(ctx context.Context, project string) ([]container.InspectResponse, error) {
	list, err := e.api.ContainerList(ctx, client.ContainerListOptions{All: true,
		Filters: make(client.Filters).Add("label", composeProject+"="+project)})
	if err != nil {
		return nil, fmt.Errorf("listing the containers of %s: %w", project, err)
	}
	inspected := make([]*container.InspectResponse, len(list.Items))
	asking, asked := errgroup.WithContext(ctx)
	asking.SetLimit(inspectParallel)
	for i, item := range list.Items {
		if item.Labels[labelRole] != "" || item.Labels[composeOneoff] == "True" {
			continue
		}
		asking.Go(func() error {
			c, err := e.api.ContainerInspect(asked, item.ID, client.ContainerInspectOptions{})
			if err != nil && !errdefs.IsNotFound(err) {
				return fmt.Errorf("inspecting container %s: %w", strings.Join(item.Names, " "), err)
			}
			if err == nil {
				inspected[i] = &c.Container
			}
			return nil
		})
	}
	if err := asking.Wait(); err != nil {
		return nil, err
	}
	var out []container.InspectResponse
	for _, c := range inspected {
		if c != nil {
			out = append(out, *c)
		}
	}
	slices.SortFunc(out, func(a, b container.InspectResponse) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}
