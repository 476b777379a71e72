package converge

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/enginetest"
)

// looping is a container of a service that restarts over and over.
func looping(id, service string, restarts int) engine.Container {
	return engine.Container{InspectResponse: container.InspectResponse{ID: id, Name: "/shop-" + service + "-1", RestartCount: restarts,
		State:      &container.State{Status: container.StateRestarting, Restarting: true, ExitCode: 1},
		HostConfig: &container.HostConfig{RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyAlways}},
		Config:     &container.Config{Labels: map[string]string{engine.ComposeService: service}}}}
}

// What a deploy found in a crash loop is not what failed it: the container that the deploy made is, or what Compose says. What
// Compose says of something else is no fault of a container that is not healthy yet.
// Once Compose is done without an error, what was found is what is deployed.
func TestWhoIsToBlame(t *testing.T) {
	port := errors.New("driver failed: port is already allocated")
	unhealthy := errors.New("dependency failed to start: container shop-app-1 is unhealthy")
	old, fresh := looping("old", "app", 12), looping("new", "app", 1)
	for name, c := range map[string]struct {
		containers []engine.Container
		pending    bool
		err        error
		failed     string // what look returns
		suspect    string
	}{
		"found, about to be replaced":       {[]engine.Container{old}, true, nil, "", ""},
		"found, and Compose failed":         {[]engine.Container{old}, false, port, "", ""},
		"found, and Compose complains":      {[]engine.Container{old}, false, unhealthy, "", "old"},
		"found, and left as it is":          {[]engine.Container{old}, false, nil, "old", "old"},
		"found and made, and Compose fails": {[]engine.Container{old, fresh}, false, port, "", ""},
		"made, about to be waited for":      {[]engine.Container{fresh}, true, nil, "", "new"},
		"made, in a loop":                   {[]engine.Container{looping("new", "app", 3)}, true, nil, "new", "new"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &watcher{services: []string{"app"}, known: map[string]int{"old": 5}, reported: map[string]bool{}, upPending: c.pending, upErr: c.err}
			id := func(c *engine.Container) string {
				if c == nil {
					return ""
				}
				return c.ID
			}
			if got := id(w.look(c.containers)); got != c.failed {
				t.Errorf("failed: %q, want %q", got, c.failed)
			}
			cause := c.err
			if cause == nil {
				cause = errors.New("waiting for health: time is up")
			}
			if got := id(w.suspect(c.containers, cause, c.err != nil)); got != c.suspect {
				t.Errorf("blamed: %q, want %q", got, c.suspect)
			}
		})
	}
}

// Who is interrupted, or out of time, while the engine has stopped answering does not wait for it.
func TestWaitForASilentEngine(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 100)
	e, err := engine.Connect(t.Context(), engine.Endpoint{Bounds: engine.Bounds{Prompt: time.Second}, Host: enginetest.New(t, enginetest.Answers{
		"GET /containers/json": func(w http.ResponseWriter, r *http.Request) {
			asked <- struct{}{}
			enginetest.Silent()(w, r)
		}}).Host()})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	w := &watcher{engine: e, project: "shop", services: []string{"app"}}
	if err := w.wait(ctx, make(chan error)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
