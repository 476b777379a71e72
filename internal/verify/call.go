package verify

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/stack"
)

const (
	// callTimeout is how long an answer may take.
	callTimeout = 5 * time.Second
	// maxCallText bounds what is shown of an answer, which may have any text of the service.
	maxCallText = 200
)

// calls are the questions to the services of a stack.
type calls struct {
	stack stack.Stack
	list  []stack.Call
}

func newCalls(s stack.Stack) calls { return calls{s, s.Calls()} }

// CallCheck is the question of a call.
func CallCheck(c stack.Call) Check {
	return Check{URL: c.URL, Address: c.Address, Status: c.Status, Any: c.Any, Own: c.Own, Hold: true, Insecure: true, Timeout: callTimeout}
}

// from are the questions that a service asks, or the machine of the engine when it has no name.
func (cs calls) from(service string) []Check {
	var out []Check
	for _, c := range cs.list {
		if c.From == service {
			out = append(out, CallCheck(c))
		}
	}
	return out
}

// answers are what came of the questions, by the service that was asked.
func (cs calls) answers(ctx context.Context, o Observer, containers []Container) map[string]policy.Fact[[]policy.Call] {
	told := map[string]func(i int) policy.Call{}
	next := map[string]int{}
	out := map[string]policy.Fact[[]policy.Call]{}
	for _, s := range cs.stack.Services {
		out[s.Name] = policy.Seen[[]policy.Call](nil, finding.Behaved)
	}
	for _, c := range cs.list {
		if told[c.From] == nil {
			told[c.From] = cs.told(ctx, o, c.From, containers)
		}
		call := told[c.From](next[c.From])
		next[c.From]++
		call.From, call.What = c.Caller(), c.What
		fact := out[c.Service]
		fact.Value = append(fact.Value, call)
		out[c.Service] = fact
	}
	return out
}

// told returns the answers that one caller has got, by their number. Of several containers the first that got no good one counts.
func (cs calls) told(ctx context.Context, o Observer, from string, containers []Container) func(int) policy.Call {
	if from == "" {
		answers, err := o.AskOutside(ctx, cs.stack.Name, cs.from(""))
		return func(i int) policy.Call {
			if err != nil {
				return policy.Call{Why: shortened(err.Error())}
			}
			return answered(answers, i)
		}
	}
	callers := slices.DeleteFunc(slices.Clone(containers), func(c Container) bool { return c.Service != from })
	return func(i int) policy.Call {
		if len(callers) == 0 {
			return policy.Call{Why: "it has no container"}
		}
		var out policy.Call
		for _, c := range callers {
			if c.Dump == nil {
				out = policy.Call{Why: shortened(c.Error)}
			} else {
				out = answered(c.Dump.Answers, i)
			}
			if !out.OK {
				return out
			}
		}
		return out
	}
}

func answered(answers []Answer, i int) policy.Call {
	if i >= len(answers) {
		return policy.Call{Why: "the probe did not ask it"}
	}
	a := answers[i]
	return policy.Call{OK: a.OK, Text: shortened(a.Text)}
}

func shortened(text string) string {
	text = display.Name(text)
	if len(text) > maxCallText {
		text = strings.ToValidUTF8(text[:maxCallText], "") + "…"
	}
	if text == "" {
		return "no reason is known"
	}
	return text
}
