package evidence

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/ask"
	"github.com/hsectl/hsectl/internal/probe"
	"github.com/hsectl/hsectl/internal/verify"
	"github.com/hsectl/hsectl/internal/verify/drills"
)

// ProbeMachine looks at all containers of a machine, from a probe on it.
func ProbeMachine(ctx context.Context, s app.Streams) error {
	var subjects []verify.Subject
	if err := json.NewDecoder(s.In).Decode(&subjects); err != nil {
		return fmt.Errorf("reading the request: %w", err)
	}
	return probe.Survey(ctx, subjects, json.NewEncoder(s.Out).Encode)
}

// ProbeContainer answers one request, from a probe next to a container.
func ProbeContainer(ctx context.Context, s app.Streams, request string) error {
	var r verify.Request
	if err := json.Unmarshal([]byte(request), &r); err != nil {
		return fmt.Errorf("reading the request: %w", err)
	}
	if r.Take > 0 {
		lines := json.NewEncoder(s.Out)
		return probe.TakeMemory(ctx, r.Take, func(t drills.Taken) error { return lines.Encode(t) })
	}
	if r.Hold != nil {
		lines := json.NewEncoder(s.Out)
		return probe.Hold(ctx, *r.Hold, func(h drills.Held) error { return lines.Encode(h) })
	}
	if r.Ask != nil {
		answer := ask.Check(ctx, *r.Ask)
		return json.NewEncoder(s.Out).Encode(verify.Dump{Answer: &answer})
	}
	return json.NewEncoder(s.Out).Encode(probe.Run("/", r))
}
