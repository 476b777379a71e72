package converge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/engine"
)

// watcher waits for the containers of a stack.
type watcher struct {
	engine    *engine.Connection
	project   string
	services  []string
	report    func(deploy.Event)
	started   time.Time
	once      bool            // services must end
	fresh     bool            // only containers that were not there before count
	known     map[string]int  // restarts of the containers that were there before, by id
	want      map[string]int  // containers that must be well, by service; one where nothing is said
	healthy   map[string]bool // services that were healthy at the last look
	reported  map[string]bool // containers whose health was told
	excused   []string        // services that need not be well: they were not before what is undone
	events    *events         // what Compose told; nil where it is not at work
	upPending bool
	upErr     error // of Compose, once it is done
}

func (w *watcher) wait(ctx context.Context, up <-chan error) error {
	w.upPending = true
	ticker := time.NewTicker(engine.PollInterval)
	defer ticker.Stop()
	for {
		select {
		case w.upErr = <-up:
			w.upPending = false
			up = nil
		case <-ticker.C:
		case <-ctx.Done():
		}
		containers, err := w.containers(ctx)
		if err != nil {
			return err
		}
		if err := w.wake(ctx, containers); err != nil {
			return err
		}
		if failed := w.look(containers); failed != nil {
			return w.diagnose(ctx, *failed)
		}
		if gone := w.gone(containers); gone != "" && w.upErr == nil {
			return &deploy.UnhealthyError{Service: gone, State: "its container was removed outside hsectl", Waited: time.Since(w.started)}
		}
		switch {
		case w.upErr != nil:
			return w.blame(ctx, containers, w.upErr)
		case !w.upPending && len(w.healthy) == len(w.services), !w.upPending && errors.Is(ctx.Err(), context.DeadlineExceeded) && w.onlyExcused():
			return nil
		case ctx.Err() != nil:
			return w.blame(ctx, containers, fmt.Errorf("waiting for health: %w", ctx.Err()))
		}
	}
}

// wake lets the containers of the services run again that were paused meanwhile: what does not run never becomes healthy.
func (w *watcher) wake(ctx context.Context, containers []engine.Container) error {
	for _, c := range containers {
		if c.State.Paused && slices.Contains(w.services, c.Config.Labels[engine.ComposeService]) && ctx.Err() == nil {
			if err := unpause(ctx, w.engine, c, w.report); err != nil {
				return err
			}
		}
	}
	return nil
}

// onlyExcused tells whether all services are well but some that need not be.
func (w *watcher) onlyExcused() bool {
	return !slices.ContainsFunc(w.services, func(name string) bool { return !w.healthy[name] && !slices.Contains(w.excused, name) })
}

// containers returns the containers of the stack, once more when the time is up: what is the matter then is the cause.
func (w *watcher) containers(ctx context.Context) ([]engine.Container, error) {
	if ctx.Err() == nil {
		list, err := w.engine.Stack(ctx, w.project)
		if err == nil || ctx.Err() == nil {
			return list, err
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.engine.Bounds.Prompt)
	defer cancel()
	list, err := w.engine.Stack(last, w.project)
	if err != nil {
		return nil, errors.Join(ctx.Err(), err)
	}
	return list, nil
}

// look notes who is healthy and returns a container that has failed for good. A container that is not yet replaced is
// looked at like any other: it is the newest state that there is.
func (w *watcher) look(containers []engine.Container) *engine.Container {
	w.healthy = map[string]bool{}
	well := map[string]int{}
	for _, c := range containers {
		name := c.Config.Labels[engine.ComposeService]
		_, known := w.known[c.ID]
		switch {
		case !slices.Contains(w.services, name), w.fresh && known:
		case w.isNew(c) && w.failed(c) && slices.Contains(w.excused, name):
			w.healthy[name] = true // as well as it gets
		case w.isNew(c) && w.failed(c):
			return &c
		case w.isWell(c):
			well[name]++
			if well[name] >= w.wanted(name) {
				w.healthy[name] = true
			}
			if !w.reported[c.ID] && (!w.upPending || w.isNew(c)) {
				w.reported[c.ID] = true
				w.report(deploy.Event{Subject: name, Text: w.goal(c, well[name]), Done: true})
			}
		}
	}
	return nil
}

// wanted is how many containers of a service must be well.
func (w *watcher) wanted(service string) int { return max(w.want[service], 1) }

// isWell tells whether a container is where it should get to: working, or ended where that is the end.
func (w *watcher) isWell(c engine.Container) bool {
	return engine.Well(c) && (!w.once || !c.State.Running)
}

// gone returns a service that has too few containers although Compose is done.
func (w *watcher) gone(containers []engine.Container) string {
	if w.upPending {
		return ""
	}
	have := map[string]int{}
	for _, c := range containers {
		have[c.Config.Labels[engine.ComposeService]]++
	}
	for _, name := range w.services {
		if have[name] < w.wanted(name) {
			return name
		}
	}
	return ""
}

// goal is what a container reached, as one of so many of its service. Only what a test has passed is healthy.
func (w *watcher) goal(c engine.Container, well int) string {
	text := "running"
	switch {
	case !c.State.Running:
		text = "completed"
	case engine.Tested(c):
		text = "healthy"
	}
	if wanted := w.wanted(c.Config.Labels[engine.ComposeService]); wanted > 1 {
		return fmt.Sprintf("%s, %d of %d", text, min(well, wanted), wanted)
	}
	return text
}

// isNew tells a container that this deploy made from one that it found. What it found may be about to be replaced, and
// counts only once Compose is done, and has done it all.
func (w *watcher) isNew(c engine.Container) bool {
	_, known := w.known[c.ID]
	return !known || !w.upPending && w.upErr == nil
}

// restartCounts returns how often the containers of a stack have been restarted so far, by id.
func restartCounts(ctx context.Context, e *engine.Connection, project string) (map[string]int, error) {
	list, err := e.Stack(ctx, project)
	out := map[string]int{}
	for _, c := range list {
		out[c.ID] = c.RestartCount
	}
	return out, err
}

func (w *watcher) failed(c engine.Container) bool {
	s := c.State
	switch {
	case s.Running && !w.once && s.Health != nil && s.Health.Status == container.Unhealthy: // a stopped container counts as unhealthy too
		return true
	case c.RestartCount-w.known[c.ID] >= crashLoop, s.Status == container.StateDead:
		return true
	}
	return s.Status == container.StateExited && s.ExitCode != 0 && !engine.Restarts(c)
}

// blame finds the service that an error is about. What the engine or Compose says of a service stands by itself: that another one is
// not healthy yet is no cause of it.
func (w *watcher) blame(ctx context.Context, containers []engine.Container, cause error) error {
	own := w.upErr != nil && ctx.Err() == nil
	if service := w.refused(containers, cause); own && service != "" {
		return &ServiceError{service, cause}
	}
	if c := w.suspect(containers, cause, own); c != nil {
		return errors.Join(w.diagnose(ctx, *c), cause)
	}
	return cause
}

// refused returns the service of which Compose told an error, or whose container the engine could not start for one.
func (w *watcher) refused(containers []engine.Container, cause error) string {
	for _, c := range containers {
		if c.State.Error != "" && strings.Contains(cause.Error(), c.State.Error) {
			return c.Config.Labels[engine.ComposeService]
		}
	}
	if w.events == nil {
		return ""
	}
	return w.events.of(cause)
}

// suspect returns a container that is not well: one that this deploy made, or else one that it found and waited for. Where the error is
// Compose's own, it is one that this error names. What was found broken and not yet replaced is no cause.
func (w *watcher) suspect(containers []engine.Container, cause error, own bool) *engine.Container {
	var found *engine.Container
	for _, c := range containers {
		name := c.Config.Labels[engine.ComposeService]
		named := strings.Contains(cause.Error(), strings.TrimPrefix(c.Name, "/"))
		if !slices.Contains(w.services, name) || w.isWell(c) || c.State.Status == container.StateCreated || own && !named {
			continue
		}
		if _, known := w.known[c.ID]; !known {
			return &c
		}
		waited := w.upErr == nil && !w.upPending
		if !w.fresh && (waited || named) {
			found = &c
		}
	}
	return found
}

// diagnose gathers what helps to see why a container failed.
func (w *watcher) diagnose(ctx context.Context, c engine.Container) error {
	out := &deploy.UnhealthyError{Service: c.Config.Labels[engine.ComposeService], Untested: !engine.Tested(c), ExitCode: c.State.ExitCode, OOM: c.State.OOMKilled, Waited: time.Since(w.started)}
	out.State = engine.State(c)
	if h := c.State.Health; h != nil && len(h.Log) > 0 {
		out.Health = strings.Join(display.LastLines(h.Log[len(h.Log)-1].Output, testLines), "\n")
	}
	logs, err := w.engine.Logs(context.WithoutCancel(ctx), c.ID, logLines)
	if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) { // a container that is going away has none
		return errors.Join(out, err)
	}
	out.Logs = display.LastLines(logs, logLines)
	return out
}
