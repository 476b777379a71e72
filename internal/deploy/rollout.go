package deploy

import (
	"fmt"
	"slices"
	"time"

	"github.com/hsectl/hsectl/internal/record"
	"github.com/hsectl/hsectl/internal/stack"
)

// Gate is where the edge of a stack learns which container of a service answers.
type Gate struct {
	Service   string     // that is the edge
	Volume    string     // on the engine, with the edge's configuration
	Owner     stack.User // of the files in it
	Upstreams []string   // services that have slots
}

// RollStep replaces the containers of one service start-first, one after the other: the next one is started next to those that
// answer and must become healthy, then the edge sends it its share of the traffic, and then an old one is stopped, unless
// there were too few. A container that is already what it should be stays, and what is too many goes. Without an edge in front
// the same happens, but no traffic is moved.
type RollStep struct {
	Compose ComposeStep   // whose only service it is
	Gate    Gate          // without a volume when the edge does not lead to the service
	Settle  time.Duration // for which the next container must stay healthy before it gets traffic
	Drain   time.Duration // between the move of the traffic and the end of the old one, at least
	Open    time.Duration // for which connections of the edge that are still open then keep the old one running, at most
	Changed []string      // ids of containers that were changed outside hsectl: they are replaced, although Compose would keep them
	Calls   []stack.Call  // by which the edge reaches the next container, before it gets traffic
}

// gate returns where the edge of a stack looks for its slots, or false when it has no edge.
func gate(in stack.Stack, configs map[string]string) (Gate, bool) {
	if in.Edge == nil || configs[in.Edge.Service] == "" {
		return Gate{}, false
	}
	edge, _ := in.Service(in.Edge.Service)
	return Gate{Service: in.Edge.Service, Volume: configs[in.Edge.Service], Owner: edge.User, Upstreams: in.Edge.Upstreams}, true
}

// GateOf returns where the edge of a release looks for its slots, or false when it has no edge.
func GateOf(r record.Release) (Gate, bool) { return gate(r.Model(), mounts(r).Configs) }

// startsFirst tells whether the next container of a service can start next to those that run, and replaces one of them: the
// edge moves the traffic, or there are others that answer.
func startsFirst(in stack.Stack, s stack.Service, running []Running) bool {
	return s.Rollout.StopFirst == "" && len(running) > 0 && (in.Behind(s.Name) || s.Wanted() > 1)
}

// transition brings the containers to a file: first everything that is replaced stop-first, the edge among it, then each
// service that starts first, and at last the whole, in a final `compose up`.
type transition struct {
	whole  ComposeStep
	load   *Step           // by which the edge loads what was delivered to it; nil when it has
	late   bool            // the edge goes on running: it loads that when what it shall lead to is there
	rolled map[string]Step // that start first, by service
	calls  []stack.Call    // by which the edge reaches what it leads to; none on the way back, which must depend on nothing
	quiet  bool            // nothing else is made or replaced
	cause  string
}

func (t transition) steps() []Step {
	var out []Step
	if t.load != nil && !t.late {
		out = append(out, t.loading())
	}
	if len(t.rolled) == 0 && (t.load == nil || !t.late) {
		return append(out, Step{Kind: Converge, Subject: t.whole.Stack, Cause: t.cause, Compose: &t.whole})
	}
	others := t.whole
	others.Partial, others.Gate = true, nil
	others.Services, others.Force = t.unrolled(t.whole.Services), t.unrolled(t.whole.Force)
	if len(others.Services) > 0 && !t.quiet {
		out = append(out, Step{Kind: Converge, Subject: t.whole.Stack, Cause: "the edge and what it needs come first", Compose: &others})
	}
	if t.load != nil && t.late {
		out = append(out, t.loading())
	}
	for _, name := range t.whole.Services {
		if step, ok := t.rolled[name]; ok {
			step.Roll.Compose = t.only(name)
			if step.Roll.Gate.Volume != "" {
				step.Roll.Calls = slices.DeleteFunc(slices.Clone(t.calls), func(c stack.Call) bool { return c.Service != name })
			}
			out = append(out, step)
		}
	}
	last := t.whole
	last.Force = nil // done by the steps before
	return append(out, Step{Kind: Converge, Subject: t.whole.Stack, Cause: "final `compose up`", Compose: &last})
}

// unrolled are those of some services that do not start first.
func (t transition) unrolled(services []string) []string {
	return slices.DeleteFunc(slices.Clone(services), func(name string) bool { _, ok := t.rolled[name]; return ok })
}

// only is the whole, of which one service is touched.
func (t transition) only(service string) ComposeStep {
	out := t.whole
	out.Services, out.Partial, out.Force, out.Gate = []string{service}, true, nil, nil
	return out
}

func (t transition) loading() Step {
	step := *t.load
	load := *step.Load
	load.Compose = t.only(step.Subject)
	load.Calls = slices.DeleteFunc(slices.Clone(t.calls), func(c stack.Call) bool { _, later := t.rolled[c.Service]; return later })
	step.Load = &load
	return step
}

func newRoll(in stack.Stack, s stack.Service, g Gate, running []Running, cause string) Step {
	if !in.Behind(s.Name) {
		g = Gate{}
	}
	return Step{Kind: Roll, Subject: s.Name, Cause: cause, Roll: &RollStep{Gate: g, Settle: s.Rollout.Settle, Drain: s.Rollout.Drain, Open: s.Rollout.Open, Changed: changed(running)}}
}

// changed are the ids of containers that differ from what the release had rendered.
func changed(running []Running) []string {
	var out []string
	for _, c := range running {
		if len(c.Differences) > 0 {
			out = append(out, c.ID)
		}
	}
	return out
}

// rollCause is why the containers of a service change behind the edge.
func rollCause(c ServiceChange) string {
	if c.Action == Scale {
		return c.Causes[0]
	}
	return "containers follow the rendered stack"
}

// goal is what a container must become before it gets traffic: without a health test it can only run.
func goal(s stack.Service) string {
	if s.Health == nil {
		return "running"
	}
	return "healthy"
}

// replacement says how the containers of a service give way to the next ones.
func replacement(in stack.Stack, s stack.Service, running []Running) string {
	if startsFirst(in, s, running) {
		if !in.Behind(s.Name) {
			return fmt.Sprintf("start-first, one at a time: an old one stops %s after the next one is %s", s.Rollout.Settle, goal(s))
		}
		if s.Wanted() > 1 {
			return fmt.Sprintf("start-first, one at a time: the edge moves the traffic, %s after each is %s", s.Rollout.Settle, goal(s))
		}
		return fmt.Sprintf("start-first: the edge moves the traffic, %s after it is %s", s.Rollout.Settle, goal(s))
	}
	if s.Rollout.StopFirst == "" {
		return "stop-first: no edge can switch its traffic"
	}
	return "stop-first: " + s.Rollout.StopFirst
}
