package observe

import (
	"slices"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	moby "github.com/moby/moby/api/types/events"

	"github.com/hsectl/hsectl/internal/engine"
)

// The health test starts a process in the container, too, and is told of in the same words.
func TestEntriesOfAContainer(t *testing.T) {
	now := time.Unix(10_000, 0)
	at := func(seconds int64, id string, action moby.Action) moby.Message {
		return moby.Message{Action: action, Actor: moby.Actor{ID: id}, TimeNano: (10_000 - seconds) * 1e9}
	}
	told := []moby.Message{
		at(600, "other", "exec_create: bash "),
		at(500, "mine", "exec_create: /bin/sh -c curl -f http://127.0.0.1/ || exit 1"),
		at(500, "mine", "exec_start: /bin/sh -c curl -f http://127.0.0.1/ || exit 1"),
		at(500, "mine", "exec_die"),
		at(400, "mine", "exec_create: psql -c select 1"),
		at(400, "mine", "exec_start: psql -c select 1"),
		at(300, "mine", "attach"),
		at(200, "mine", "health_status: healthy"),
	}
	of := func(test []string, created string) engine.Container {
		c := engine.Container{InspectResponse: container.InspectResponse{ID: "mine", Created: created, Config: &container.Config{}}}
		if test != nil {
			c.Config.Healthcheck = &container.HealthConfig{Test: test}
		}
		return c
	}
	got := entriesOf(of([]string{"CMD-SHELL", "curl -f http://127.0.0.1/ || exit 1"}, ""), told, now)
	if !slices.Equal(got.Commands, []string{"psql", "attach"}) || got.Covered != 10*time.Minute {
		t.Errorf("with a test in a shell: %+v", got)
	}
	if got := entriesOf(of([]string{"CMD", "psql", "-c", "select 1"}, now.Add(-time.Minute).UTC().Format(time.RFC3339Nano)), told, now); len(got.Commands) != 2 || got.Covered != time.Minute {
		t.Errorf("with a test of its own, a minute old: %+v", got)
	}
	if got := entriesOf(of(nil, ""), nil, now); len(got.Commands) != 0 || got.Covered != 0 {
		t.Errorf("of an engine that remembers nothing: %+v", got)
	}
}
