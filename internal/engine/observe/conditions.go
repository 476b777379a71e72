package observe

import (
	"context"
	"slices"
	"strings"
	"time"

	moby "github.com/moby/moby/api/types/events"
	"golang.org/x/sync/errgroup"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/signals"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify"
	"github.com/hsectl/hsectl/internal/verify/doctor"
)

// Conditions says how the containers of a stack that run live, and how each service ended when it was stopped last, as far as the
// engine remembers. What could not be looked at says why.
func (obs *Observer) Conditions(ctx context.Context, s stack.Stack) ([]doctor.Condition, error) {
	list, err := obs.engine.Stack(ctx, s.Name)
	if err != nil {
		return nil, err
	}
	now, err := obs.engine.Now(ctx)
	if err != nil {
		return nil, err
	}
	told, eventsErr := obs.remembered(ctx, now)
	round := obs.probes.newRound(ctx, s.Name)
	out := make([]doctor.Condition, len(list))
	var looks errgroup.Group
	looks.SetLimit(lookParallel)
	for i, c := range list {
		out[i] = doctor.Condition{Service: c.Config.Labels[engine.ComposeService], Exit: exitOf(c, s.Name, told), Signal: StopOf(c).Signal}
		if eventsErr != nil {
			out[i].Unseen = eventsErr.Error()
		}
		if !c.State.Running || c.State.Restarting || c.State.Paused {
			continue // how these ended is said elsewhere
		}
		looks.Go(func() error {
			dump, err := round.look(ctx, c, verify.Request{})
			if err != nil {
				out[i].Unseen = err.Error()
				return nil
			}
			lives(&out[i], c, dump)
			return nil
		})
	}
	_ = looks.Wait() // none returns an error
	return out, ctx.Err()
}

// lives fills a condition by what a probe saw of the container.
func lives(into *doctor.Condition, c engine.Container, dump *verify.Dump) {
	into.MemoryKills = dump.MemoryKills()
	seen := dump.Seen()
	if !seen.Known() {
		into.Unseen = seen.Why
		return
	}
	into.Zombies = zombies(seen.Value)
	stop := StopOf(c)
	number := signals.Number(stop.Signal)
	whole := slices.ContainsFunc(c.Config.Env, func(v string) bool { return strings.HasPrefix(v, signals.GroupVariable+"=") })
	for _, p := range signals.Programs(seen.Value, whole) {
		if why := p.Lost(number, stop.Signal); why != "" && into.Lost == "" && number > 0 {
			into.Lost, into.Bare = why, p.PID == 1 && !p.Handles(number)
		}
	}
}

// zombies are the processes that ended and were not waited for, by their parents. What a health test leaves is waited for outside.
func zombies(all []policy.Process) []doctor.Zombie {
	var out []doctor.Zombie
	for _, p := range all {
		i := slices.IndexFunc(all, func(o policy.Process) bool { return o.PID == p.Parent })
		if p.State != "Z" || i < 0 {
			continue
		}
		z := doctor.Zombie{Parent: all[i].Name, First: all[i].PID == 1}
		j := slices.IndexFunc(out, func(o doctor.Zombie) bool { return o.Parent == z.Parent && o.First == z.First })
		if j < 0 {
			out, j = append(out, z), len(out)
		}
		out[j].Count++
	}
	return out
}

// exitOf is how the latest container of the same service and image ended when it was asked to stop, by the engine's events: of a
// container that runs again, or was replaced, its state says nothing any more.
func exitOf(c engine.Container, project string, told []moby.Message) doctor.Exit {
	var out doctor.Exit
	number := signals.Number(StopOf(c).Signal)
	asked, killed := map[string]time.Time{}, map[string]bool{}
	for _, m := range told {
		of := m.Actor.Attributes
		if m.Type != moby.ContainerEventType || of[engine.ComposeProject] != project || of[engine.ComposeService] != c.Config.Labels[engine.ComposeService] ||
			of[engine.LabelRole] != "" || of[composeImage] != c.Config.Labels[composeImage] {
			continue
		}
		at, id := time.Unix(0, m.TimeNano), m.Actor.ID
		switch m.Action {
		case moby.ActionKill:
			switch signals.Number(of["signal"]) {
			case number:
				if _, ok := asked[id]; !ok {
					asked[id] = at
				}
			case sigkill:
				killed[id] = true
			}
		case moby.ActionDie:
			if since, ok := asked[id]; ok {
				out = doctor.Exit{Took: at.Sub(since), Killed: killed[id]}
			}
			delete(asked, id)
			delete(killed, id)
		case moby.ActionStart:
			delete(asked, id)
			delete(killed, id)
		}
	}
	return out
}

const (
	// composeImage is the label with the id of the image that a container was made from.
	composeImage = "com.docker.compose.image"
	sigkill      = 9
)
