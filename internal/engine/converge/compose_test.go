package converge

import (
	"errors"
	"fmt"
	"testing"

	composeapi "github.com/docker/compose/v5/pkg/api"
	"github.com/moby/moby/api/types/container"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/engine"
)

// An error of the engine or of Compose is shown with its own service, and not with another one that is not healthy yet.
func TestErrorsHaveTheirService(t *testing.T) {
	missing := "Error response from daemon: invalid mount config for type \"bind\": bind source path does not exist: /nginx.conf"
	starting := func(service, said string) engine.Container {
		return engine.Container{InspectResponse: container.InspectResponse{ID: service, Name: "/shop-" + service + "-1", HostConfig: &container.HostConfig{},
			State:  &container.State{Status: container.StateRunning, Running: true, Error: said, Health: &container.Health{Status: container.Starting}},
			Config: &container.Config{Labels: map[string]string{engine.ComposeService: service}}}}
	}
	for name, tt := range map[string]struct {
		events     []composeapi.Resource
		containers []engine.Container
		err        error
		want       string
	}{
		"it could not be created": {[]composeapi.Resource{{ID: "service:web:1", Status: composeapi.Error, Text: missing}},
			[]engine.Container{starting("db", "")}, errors.New(missing), `service "web": ` + missing},
		"it could not be replaced": {[]composeapi.Resource{{ID: "Container 0123456789ab_shop-web-1", Status: composeapi.Error, Text: missing}},
			[]engine.Container{starting("db", "")}, errors.New(missing), `service "web": ` + missing},
		"the engine could not start it": {nil, []engine.Container{starting("db", ""), starting("web", "driver failed: port is already allocated")},
			errors.New("Error response from daemon: driver failed: port is already allocated"), `service "web": Error response from daemon: driver failed: port is already allocated`},
		"nothing says whose it is": {[]composeapi.Resource{{ID: "Network shop_back", Status: composeapi.Error, Text: "no address left"}},
			[]engine.Container{starting("db", "")}, errors.New("no address left"), "no address left"},
		"it was waited for": {[]composeapi.Resource{{ID: "Container shop-db-1", Status: composeapi.Error, Text: composeapi.StatusError, Details: "dependency db failed to start"}},
			[]engine.Container{starting("web", "")}, errors.New("dependency failed to start: container shop-db-1 is unhealthy"), "dependency failed to start: container shop-db-1 is unhealthy"},
	} {
		t.Run(name, func(t *testing.T) {
			told := &events{project: "shop", report: func(deploy.Event) {}, errors: map[string]string{}}
			told.On(tt.events...)
			w := &watcher{services: []string{"db", "web"}, known: map[string]int{}, events: told, upErr: tt.err}
			if got := fmt.Sprint(w.blame(t.Context(), tt.containers, tt.err)); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}
