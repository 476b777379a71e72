// Package symptoms gathers what shows why a service is not well: how its containers stand and ended, what they printed, and what else an
// engine remembers of them. It changes nothing.
package symptoms

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/images"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify/doctor"
)

// What a doctor reads of each service, in lines.
const (
	symptomLines = 5000 // of the log of one that is sick: the cause often comes long before the end
	wellLines    = 1000 // of one that seems well, in which a process may have died
	testLines    = 200  // of a health test: the cause often comes before a long trace
)

// Gatherer gathers the symptoms of the stacks of an engine.
type Gatherer struct {
	engine *engine.Connection
	images *images.Transfer
}

// New returns the gatherer of an engine.
func New(e *engine.Connection, i *images.Transfer) *Gatherer { return &Gatherer{e, i} }

// Symptoms says how the containers of each service stand, and what they printed: the first that is sick speaks for all.
func (g *Gatherer) Symptoms(ctx context.Context, s stack.Stack) ([]doctor.Symptom, error) {
	list, err := g.engine.Stack(ctx, s.Name)
	if err != nil {
		return nil, err
	}
	var out []doctor.Symptom
	for _, service := range s.Services {
		symptom, have := doctor.Symptom{Service: service.Name, Missing: true}, 0
		for _, c := range list {
			if c.Config.Labels[engine.ComposeService] != service.Name {
				continue
			}
			have++
			if !symptom.Missing && symptom.Sick() {
				continue
			}
			symptom = symptomOf(c)
			if err := g.listen(ctx, c, &symptom); err != nil {
				return nil, err
			}
		}
		if want := service.Wanted(); have < want && !symptom.Sick() {
			symptom.Short = fmt.Sprintf("%d of %d containers", have, want)
		}
		if symptom.Missing {
			id, _, err := g.images.Find(ctx, service.Image)
			if err != nil {
				return nil, err
			}
			symptom.NoImage = id == ""
		}
		out = append(out, symptom)
	}
	return out, nil
}

// listen adds what a container printed, and what else the engine knows of one that is sick.
func (g *Gatherer) listen(ctx context.Context, c engine.Container, symptom *doctor.Symptom) error {
	lines := wellLines
	if symptom.Sick() {
		lines = symptomLines
		// Of one that runs again the engine no longer says how it ended.
		if (symptom.ExitCode == killed || symptom.Restarts > 0) && !symptom.OOM {
			symptom.OOM = g.wasKilledForMemory(ctx, c)
		}
		if c.State.Running {
			if stats, err := g.engine.Stats(ctx, c.ID); err == nil { // else the doctor knows one thing less
				symptom.PIDs = int(stats.PidsStats.Current)
			}
		}
	}
	logs, err := g.engine.Logs(ctx, c.ID, lines)
	if err != nil && ctx.Err() != nil {
		return err
	}
	if err != nil { // one container's log must not keep a doctor from the others
		symptom.Unread = err.Error()
		return nil
	}
	symptom.Logs = display.LastLines(logs, lines)
	if started := engine.StartOf(c); symptom.Restarts > 0 && !started.IsZero() {
		if last, err := g.engine.LogsSince(ctx, c.ID, started); err == nil { // else no start is told from another
			symptom.Earlier = max(0, len(symptom.Logs)-len(display.LastLines(last, lines)))
		}
	}
	if symptom.Sick() {
		symptom.Places = g.places(ctx, c.ID, doctor.Mentioned(symptom.Logs))
	}
	return ctx.Err()
}

// Places looks what an image has at some paths, through a container that is never started. What the engine does not answer stays
// unseen.
func (g *Gatherer) Places(ctx context.Context, project, image string, paths []string) (doctor.Places, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	created, err := g.engine.Create(ctx, client.ContainerCreateOptions{
		Config:     &container.Config{Image: image, Entrypoint: []string{"/never-started"}, Labels: map[string]string{engine.LabelRole: "probe", engine.LabelStack: project}},
		HostConfig: &container.HostConfig{NetworkMode: "none"}})
	if err != nil {
		return nil, fmt.Errorf("looking into %s: %w", image, err)
	}
	out := g.places(ctx, created.ID, paths)
	return out, g.engine.Discard(ctx, created.ID)
}

// places looks what a container has at some paths.
func (g *Gatherer) places(ctx context.Context, id string, paths []string) doctor.Places {
	ctx, cancel := context.WithTimeout(ctx, g.engine.Bounds.Prompt)
	defer cancel()
	out := doctor.Places{}
	for _, path := range paths {
		stat, err := g.engine.API.ContainerStatPath(ctx, id, client.ContainerStatPathOptions{Path: path})
		switch {
		case errdefs.IsNotFound(err):
			out[path] = doctor.Absent
		case err == nil && !stat.Stat.Mode.IsDir():
			out[path] = doctor.Full
		case err == nil:
			out[path] = g.entriesOf(ctx, id, path)
		}
	}
	return out
}

// entriesOf tells whether a directory has entries, by the first two of its archive.
func (g *Gatherer) entriesOf(ctx context.Context, id, path string) doctor.Place {
	answer, err := g.engine.API.CopyFromContainer(ctx, id, client.CopyFromContainerOptions{SourcePath: path})
	if err != nil {
		return doctor.Unseen
	}
	defer answer.Content.Close()
	archive := tar.NewReader(answer.Content)
	for entries := 0; ; entries++ {
		_, err := archive.Next()
		switch {
		case entries > 0 && err == nil:
			return doctor.Full
		case errors.Is(err, io.EOF) && entries > 0:
			return doctor.Empty
		case err != nil:
			return doctor.Unseen
		}
	}
}

// killed is the exit code of a process that SIGKILL has ended.
const killed = 137

// wasKilledForMemory asks the engine's latest events: the mark on the container is gone as soon as it is started again. An
// engine that does not answer has not said so.
func (g *Gatherer) wasKilledForMemory(ctx context.Context, c engine.Container) bool {
	now, err := g.engine.Now(ctx)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, g.engine.Bounds.Prompt)
	defer cancel()
	events := g.engine.API.Events(ctx, client.EventsListOptions{Since: c.Created, Until: now.Format(time.RFC3339Nano),
		Filters: make(client.Filters).Add("container", c.ID).Add("event", "oom")})
	select {
	case _, told := <-events.Messages:
		return told
	case err := <-events.Err:
		return err == nil // never: the list ends with io.EOF
	}
}

func symptomOf(c engine.Container) doctor.Symptom {
	s := doctor.Symptom{Service: c.Config.Labels[engine.ComposeService], State: engine.State(c), ExitCode: c.State.ExitCode, OOM: c.State.OOMKilled,
		Restarts: c.RestartCount, Error: c.State.Error}
	if h := c.State.Health; h != nil && h.Status == container.Unhealthy && len(h.Log) > 0 {
		s.Tested, s.Health = true, strings.Join(display.LastLines(h.Log[len(h.Log)-1].Output, testLines), "\n")
	}
	return s
}
