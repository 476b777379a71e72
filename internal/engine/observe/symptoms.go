package observe

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify/doctor"
)

// symptomLines is how many log lines a doctor reads of each service.
const symptomLines = 200

// testLines is how much a doctor reads of a health test: the cause often comes before a long trace.
const testLines = 60

// Symptoms says how the containers of each service stand: the first that is sick speaks for all. What is well has no logs
// read.
func (obs *Observer) Symptoms(ctx context.Context, s stack.Stack) ([]doctor.Symptom, error) {
	list, err := obs.engine.Stack(ctx, s.Name)
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
			if symptom = symptomOf(c); !symptom.Sick() {
				continue
			}
			// Of one that runs again the engine no longer says how it ended.
			if (symptom.ExitCode == killed || symptom.Restarts > 0) && !symptom.OOM {
				symptom.OOM = obs.wasKilledForMemory(ctx, c)
			}
			if c.State.Running {
				if stats, err := obs.engine.Stats(ctx, c.ID); err == nil { // else the doctor knows one thing less
					symptom.PIDs = int(stats.PidsStats.Current)
				}
			}
			logs, err := obs.engine.Logs(ctx, c.ID, symptomLines)
			if err != nil && ctx.Err() != nil {
				return nil, err
			}
			if err != nil { // one container's log must not keep a doctor from the others
				symptom.Unread = err.Error()
			}
			symptom.Logs = display.LastLines(logs, symptomLines)
		}
		if want := service.Wanted(); have < want && !symptom.Sick() {
			symptom.Short = fmt.Sprintf("%d of %d containers", have, want)
		}
		if symptom.Missing {
			id, _, err := obs.images.Find(ctx, service.Image)
			if err != nil {
				return nil, err
			}
			symptom.NoImage = id == ""
		}
		out = append(out, symptom)
	}
	return out, nil
}

// killed is the exit code of a process that SIGKILL has ended.
const killed = 137

// wasKilledForMemory asks the engine's latest events: the mark on the container is gone as soon as it is started again. An
// engine that does not answer has not said so.
func (obs *Observer) wasKilledForMemory(ctx context.Context, c engine.Container) bool {
	now, err := obs.engine.Now(ctx)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, obs.engine.Bounds.Prompt)
	defer cancel()
	events := obs.engine.API.Events(ctx, client.EventsListOptions{Since: c.Created, Until: now.Format(time.RFC3339Nano),
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
		s.Health = strings.Join(display.LastLines(h.Log[len(h.Log)-1].Output, testLines), "\n")
	}
	return s
}
