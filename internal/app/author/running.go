package author

import (
	"context"
	"fmt"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/importer"
	"github.com/hsectl/hsectl/internal/verify"
)

// lookAtRunning asks the engine what the running containers of a Compose project show of what its files do not tell. It
// changes none of them.
func lookAtRunning(ctx context.Context, g *app.Settings, s app.Streams, project string) (map[string]importer.Observation, error) {
	engine, err := g.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer engine.Close()
	containers, err := engine.Containers(ctx, project, func(string) verify.Request { return verify.Request{} })
	if err != nil {
		return nil, fmt.Errorf("looking at the containers of %s: %w", project, err)
	}
	out := map[string]importer.Observation{}
	for _, c := range containers {
		if c.Error != "" {
			s.Say("%s could not be looked at: %s", c.Name, c.Error)
			continue
		}
		out[c.Service] = importer.Observation(verify.NeedsOf(c))
	}
	if len(out) == 0 {
		return nil, &app.UsageError{Err: fmt.Errorf("no running container of Compose project %s was found", project),
			Hint: "start it with docker compose up -d and use it for a while; --name says under which project name it runs"}
	}
	s.Say("looked at %s; what a service has not done since its start was not seen", app.Count(len(out), "running service"))
	return out, nil
}
