package observe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	moby "github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/policy"
)

// entries tells what was started in each container from outside, by the container's id. The engine keeps its last 256
// events for everybody, so the answer says how far back it reaches.
func (obs *Observer) entries(ctx context.Context, list []engine.Container, now time.Time) map[string]policy.Fact[policy.Entries] {
	out := map[string]policy.Fact[policy.Entries]{}
	told, err := obs.remembered(ctx, now)
	for _, c := range list {
		if err != nil {
			out[c.ID] = policy.Unseen[policy.Entries](err.Error())
			continue
		}
		out[c.ID] = is(entriesOf(c, told, now))
	}
	return out
}

// remembered are the events that the engine still has, oldest first.
func (obs *Observer) remembered(ctx context.Context, now time.Time) ([]moby.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, obs.engine.Bounds.Prompt)
	defer cancel()
	stream := obs.engine.API.Events(ctx, client.EventsListOptions{Since: "1", Until: now.Format(time.RFC3339Nano)})
	var out []moby.Message
	for {
		select {
		case m := <-stream.Messages:
			out = append(out, m)
		case err := <-stream.Err:
			if errors.Is(err, io.EOF) {
				return out, nil
			}
			return nil, fmt.Errorf("reading the engine's events: %w", err)
		}
	}
}

func entriesOf(c engine.Container, told []moby.Message, now time.Time) policy.Entries {
	var out policy.Entries
	test := testCommand(c)
	for i, m := range told {
		if i == 0 {
			out.Covered = now.Sub(time.Unix(0, m.TimeNano))
		}
		if m.Actor.ID != c.ID {
			continue
		}
		action, command, _ := strings.Cut(string(m.Action), ": ")
		switch command = strings.TrimSpace(command); {
		case action == string(moby.ActionExecCreate) && command != test:
			program, _, _ := strings.Cut(command, " ") // what follows may hold a password
			out.Commands = append(out.Commands, program)
		case action == string(moby.ActionAttach):
			out.Commands = append(out.Commands, "attach")
		}
	}
	if born, err := time.Parse(time.RFC3339Nano, c.Created); err == nil {
		out.Covered = min(out.Covered, now.Sub(born))
	}
	return out
}

// testCommand is the health test as the engine's events name it: what it starts, with a space between two words.
func testCommand(c engine.Container) string {
	h := c.Config.Healthcheck
	if h == nil || len(h.Test) < 2 {
		return ""
	}
	words := h.Test[1:]
	if h.Test[0] == "CMD-SHELL" {
		shell := c.Config.Shell
		if len(shell) == 0 {
			shell = []string{"/bin/sh", "-c"}
		}
		words = slices.Concat(shell, words)
	}
	return strings.TrimSpace(strings.Join(words, " "))
}
