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

	"github.com/containerd/errdefs"
	composeapi "github.com/docker/compose/v5/pkg/api"
	"github.com/docker/compose/v5/pkg/compose"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/deploy"
)

const (
	pollInterval = 250 * time.Millisecond
	crashLoop    = 3               // restarts after which a service is not waited for any longer
	clockSkew    = 2 * time.Second // between this machine and the engine's
	logLines     = 15
)

// converge lets Compose bring the containers to the file, and watches them until all are healthy. A service that has
// clearly failed ends the wait at once.
func (e *Engine) converge(ctx context.Context, project string, step *deploy.ComposeStep, report func(deploy.Event)) error {
	p, err := generate.Load(ctx, step.File, step.Environment)
	if err != nil {
		return err
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
		compose.WithEventProcessor(events{project, report}))
	if err != nil {
		return fmt.Errorf("preparing the Compose SDK: %w", err)
	}
	upContext, cancel := context.WithTimeout(ctx, step.Timeout)
	defer cancel()
	up := make(chan error, 1)
	go func() {
		up <- sdk.Up(upContext, p, composeapi.UpOptions{
			Create: composeapi.CreateOptions{RemoveOrphans: true, Recreate: composeapi.RecreateDiverged, RecreateDependencies: composeapi.RecreateDiverged, Inherit: true},
			Start:  composeapi.StartOptions{Project: p},
		})
	}()
	w := &watcher{engine: e, project: project, services: step.Services, report: report, started: time.Now(), reported: map[string]bool{}}
	err = w.wait(upContext, up)
	cancel()
	if w.upPending {
		// Compose leaves the engine in a defined state before anybody looks at it.
		if late := <-up; err == nil {
			err = late
		}
	}
	if err != nil {
		return errors.Join(ctx.Err(), err)
	}
	return e.rename(ctx, project)
}

// replaced matches the name that Compose gives a container while it takes the place of another one.
var replaced = regexp.MustCompile(`^/?[0-9a-f]{12}_(.+)$`)

// rename gives containers their own names again, after a deploy that was cut off while Compose was replacing them.
func (e *Engine) rename(ctx context.Context, project string) error {
	list, err := e.stackContainers(ctx, project)
	if err != nil {
		return err
	}
	for _, c := range list {
		if m := replaced.FindStringSubmatch(c.Name); m != nil {
			if _, err := e.api.ContainerRename(ctx, c.ID, client.ContainerRenameOptions{NewName: m[1]}); err != nil {
				return fmt.Errorf("renaming container %s: %w", m[1], err)
			}
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

// watcher waits for the containers of a stack.
type watcher struct {
	engine    *Engine
	project   string
	services  []string
	report    func(deploy.Event)
	started   time.Time
	healthy   map[string]bool // services that were healthy at the last look
	reported  map[string]bool // containers whose health was told
	upPending bool
}

func (w *watcher) wait(ctx context.Context, up <-chan error) error {
	w.upPending = true
	var upErr error
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		select {
		case upErr = <-up:
			w.upPending = false
			up = nil
		case <-ticker.C:
		case <-ctx.Done():
		}
		containers, err := w.engine.stackContainers(context.WithoutCancel(ctx), w.project)
		if err != nil {
			return err
		}
		if failed := w.look(containers); failed != nil {
			return w.diagnose(ctx, *failed)
		}
		switch {
		case upErr != nil:
			return w.blame(ctx, containers, upErr)
		case !w.upPending && len(w.healthy) == len(w.services):
			return nil
		case ctx.Err() != nil:
			return w.blame(ctx, containers, fmt.Errorf("waiting for health: %w", ctx.Err()))
		}
	}
}

// look notes who is healthy and returns a container that has failed for good. A container that is not yet replaced is
// looked at like any other: it is the newest state that there is.
func (w *watcher) look(containers []container.InspectResponse) *container.InspectResponse {
	w.healthy = map[string]bool{}
	for _, c := range containers {
		name := c.Config.Labels[composeService]
		switch {
		case !slices.Contains(w.services, name):
		case w.isNew(c) && failed(c):
			return &c
		case wellOff(c):
			w.healthy[name] = true
			if !w.reported[c.ID] && (!w.upPending || w.isNew(c)) {
				w.reported[c.ID] = true
				w.report(deploy.Event{Subject: name, Text: "healthy", Done: true})
			}
		}
	}
	return nil
}

// isNew tells a container that this deploy made or started from one that it found.
func (w *watcher) isNew(c container.InspectResponse) bool {
	created, err := time.Parse(time.RFC3339Nano, c.Created)
	if err == nil && created.After(w.started.Add(-clockSkew)) {
		return true
	}
	begun, err := time.Parse(time.RFC3339Nano, c.State.StartedAt)
	return !w.upPending || err == nil && begun.After(w.started.Add(-clockSkew))
}

func failed(c container.InspectResponse) bool {
	s := c.State
	switch {
	case s.Running && s.Health != nil && s.Health.Status == container.Unhealthy: // a stopped container counts as unhealthy too
		return true
	case c.RestartCount >= crashLoop, s.Status == container.StateDead:
		return true
	}
	return s.Status == container.StateExited && s.ExitCode != 0 && !restarts(c)
}

// wellOff means healthy, running where there is no test, or ended well where that is the end.
func wellOff(c container.InspectResponse) bool {
	s := c.State
	if s.Status == container.StateExited {
		return s.ExitCode == 0 && !restarts(c)
	}
	return s.Running && !s.Restarting && (s.Health == nil || s.Health.Status == container.Healthy || s.Health.Status == container.NoHealthcheck)
}

func restarts(c container.InspectResponse) bool {
	switch c.HostConfig.RestartPolicy.Name {
	case container.RestartPolicyAlways, container.RestartPolicyUnlessStopped, container.RestartPolicyOnFailure:
		return true
	}
	return false
}

// blame finds the service that is not healthy; when there is none, the cause is what Compose said.
func (w *watcher) blame(ctx context.Context, containers []container.InspectResponse, cause error) error {
	for _, c := range containers {
		name := c.Config.Labels[composeService]
		if slices.Contains(w.services, name) && !w.healthy[name] && c.State.Status != container.StateCreated {
			return errors.Join(w.diagnose(ctx, c), cause)
		}
	}
	return cause
}

// diagnose gathers what helps to see why a container failed.
func (w *watcher) diagnose(ctx context.Context, c container.InspectResponse) error {
	out := &deploy.UnhealthyError{Service: c.Config.Labels[composeService], ExitCode: c.State.ExitCode, OOM: c.State.OOMKilled, Waited: time.Since(w.started)}
	switch {
	case c.State.OOMKilled:
		out.State = "killed for memory"
	case c.RestartCount > 0:
		out.State = fmt.Sprintf("exited with code %d, restarted %d times", c.State.ExitCode, c.RestartCount)
	case c.State.Status == container.StateExited:
		out.State = fmt.Sprintf("exited with code %d", c.State.ExitCode)
	case c.State.Health != nil:
		out.State = string(c.State.Health.Status)
	default:
		out.State = string(c.State.Status)
	}
	if h := c.State.Health; h != nil && len(h.Log) > 0 {
		out.Health = strings.Join(lastLines(h.Log[len(h.Log)-1].Output, 5), "\n")
	}
	logs, err := w.engine.logs(context.WithoutCancel(ctx), c.ID, logLines)
	if err != nil {
		return errors.Join(out, err)
	}
	out.Logs = lastLines(logs, logLines)
	return out
}

// logs returns the last lines of a container, of both streams in order.
func (e *Engine) logs(ctx context.Context, id string, tail int) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	options := client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true}
	if tail > 0 {
		options.Tail = fmt.Sprint(tail)
	}
	answer, err := e.api.ContainerLogs(ctx, id, options)
	if err != nil {
		return "", fmt.Errorf("reading logs: %w", err)
	}
	defer answer.Close()
	var b strings.Builder
	if _, err := stdcopy.StdCopy(&b, &b, io.LimitReader(answer, 8<<20)); err != nil {
		return "", fmt.Errorf("reading logs: %w", err)
	}
	return b.String(), nil
}

// stackContainers returns the containers of a stack in full. One that vanishes meanwhile is left out.
func (e *Engine) stackContainers(ctx context.Context, project string) ([]container.InspectResponse, error) {
	list, err := e.api.ContainerList(ctx, client.ContainerListOptions{All: true,
		Filters: make(client.Filters).Add("label", composeProject+"="+project)})
	if err != nil {
		return nil, fmt.Errorf("listing the containers of %s: %w", project, err)
	}
	var out []container.InspectResponse
	for _, item := range list.Items {
		if item.Labels[labelRole] != "" || item.Labels[composeOneoff] == "True" {
			continue
		}
		c, err := e.api.ContainerInspect(ctx, item.ID, client.ContainerInspectOptions{})
		if errdefs.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("inspecting container %s: %w", strings.Join(item.Names, " "), err)
		}
		out = append(out, c.Container)
	}
	slices.SortFunc(out, func(a, b container.InspectResponse) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Down removes the containers and networks of a stack, and with volumes set its volumes and secrets too.
func (e *Engine) Down(ctx context.Context, project string, volumes bool) error {
	sdk, err := compose.NewComposeService(e.cli, compose.WithStreams(io.Discard, io.Discard, strings.NewReader("")))
	if err != nil {
		return fmt.Errorf("preparing the Compose SDK: %w", err)
	}
	if err := sdk.Down(ctx, project, composeapi.DownOptions{RemoveOrphans: true, Volumes: volumes}); err != nil {
		return fmt.Errorf("removing stack %s: %w", project, err)
	}
	if !volumes {
		return nil
	}
	list, err := e.api.VolumeList(ctx, client.VolumeListOptions{Filters: make(client.Filters).Add("label", labelStack+"="+project)})
	if err != nil {
		return fmt.Errorf("listing the volumes of %s: %w", project, err)
	}
	for _, v := range list.Items {
		if _, err := e.api.VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{Force: true}); err != nil {
			return fmt.Errorf("removing volume %s: %w", v.Name, err)
		}
	}
	return nil
}
