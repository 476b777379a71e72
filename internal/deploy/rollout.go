package deploy

import (
	"fmt"
	"slices"
	"time"

	"github.com/hsectl/hsectl/internal/stack"
)

// Gate is where the edge of a stack learns which container of a service answers.
type Gate struct {
	Volume    string     // on the engine, with the edge's configuration
	Owner     stack.User // of the files in it
	Upstreams []string   // services that have slots
}

// RollStep replaces the containers of one service start-first, one after the other: the next one is started beside those that
// answer and must become healthy, then the edge sends it its share of the traffic, and then an old one is stopped, unless
// there were too few. A container that is already what it should be stays, and what is too many goes.
type RollStep struct {
	Compose ComposeStep // whose only service it is
	Gate    Gate
	Settle  time.Duration // for which the next container must stay healthy before it gets traffic
	Drain   time.Duration // between the move of the traffic and the end of the old one
	Force   bool          // even a container that Compose would keep is replaced
}

// gate returns where the edge of a stack looks for its slots, or false when it has no edge.
func gate(in stack.Stack, configs map[string]string) (Gate, bool) {
	if in.Edge == nil || configs[in.Edge.Service] == "" {
		return Gate{}, false
	}
	edge, _ := in.Service(in.Edge.Service)
	return Gate{Volume: configs[in.Edge.Service], Owner: edge.User, Upstreams: in.Edge.Upstreams}, true
}

// Gate returns where the edge of a release looks for its slots, or false when it has no edge.
func (r Release) Gate() (Gate, bool) { return gate(r.Model, r.Configs) }

// startsFirst tells whether the next container of a service can start beside the running one.
func startsFirst(in stack.Stack, s stack.Service, running []Running) bool {
	return in.Behind(s.Name) && s.Rollout.StopFirst == "" && len(running) > 0
}

// transition returns the steps by which the containers follow a file: first everything that is replaced stop-first, the
// edge among it, then each service that starts first, and at last the whole, by which Compose has the last word. In a
// quiet one nothing else is replaced.
func transition(whole ComposeStep, rolled map[string]Step, quiet bool, cause string) []Step {
	if len(rolled) == 0 {
		return []Step{{Kind: Converge, Subject: whole.Stack, Cause: cause, Compose: &whole}}
	}
	var out []Step
	others := whole
	others.Partial, others.Gate = true, nil
	others.Services = slices.DeleteFunc(slices.Clone(whole.Services), func(name string) bool { _, ok := rolled[name]; return ok })
	others.Force = slices.DeleteFunc(slices.Clone(whole.Force), func(name string) bool { _, ok := rolled[name]; return ok })
	if len(others.Services) > 0 && !quiet {
		out = append(out, Step{Kind: Converge, Subject: whole.Stack, Cause: "the edge and what it needs come first", Compose: &others})
	}
	for _, name := range whole.Services {
		step, ok := rolled[name]
		if !ok {
			continue
		}
		step.Roll.Compose = whole
		step.Roll.Compose.Services, step.Roll.Compose.Partial, step.Roll.Compose.Force, step.Roll.Compose.Gate = []string{name}, true, nil, nil
		out = append(out, step)
	}
	whole.Force = nil // done by the steps before
	return append(out, Step{Kind: Converge, Subject: whole.Stack, Cause: "Compose has the last word", Compose: &whole})
}

func newRoll(s stack.Service, g Gate, force bool, cause string) Step {
	return Step{Kind: Roll, Subject: s.Name, Cause: cause, Roll: &RollStep{Gate: g, Settle: s.Rollout.Settle, Drain: s.Rollout.Drain, Force: force}}
}

// rollCause is why the containers of a service change behind the edge.
func rollCause(c ServiceChange) string {
	if c.Action == Scale {
		return c.Causes[0]
	}
	return "containers follow the rendered stack"
}

// replacement says how the containers of a service give way to the next ones.
func replacement(in stack.Stack, s stack.Service, running []Running) string {
	if startsFirst(in, s, running) {
		if s.Wanted() > 1 {
			return fmt.Sprintf("start-first, one at a time: the edge moves the traffic, %s after each is healthy", s.Rollout.Settle)
		}
		return fmt.Sprintf("start-first: the edge moves the traffic, %s after it is healthy", s.Rollout.Settle)
	}
	if s.Rollout.StopFirst == "" {
		return "stop-first: nothing in front of it can move its traffic"
	}
	return "stop-first: " + s.Rollout.StopFirst
}
