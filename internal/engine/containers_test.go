package engine_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"testing"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/enginetest"
)

const id = "0123456789ab"

// What an engine says of a container is enough, or an error that says what it lacks; nothing later asks again.
func TestInspectedContainer(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		changes map[string]any
		lacks   string // nothing where it is enough
	}{
		"complete":            {nil, ""},
		"no State":            {map[string]any{"State": nil}, "no State"},
		"no Config":           {map[string]any{"Config": nil}, "no Config"},
		"no HostConfig":       {map[string]any{"HostConfig": nil}, "no HostConfig"},
		"no id":               {map[string]any{"Id": ""}, "no id"},
		"no NetworkSettings":  {map[string]any{"NetworkSettings": nil}, ""},
		"no labels":           {map[string]any{"Config": map[string]any{}}, ""},
		"a network of null":   {map[string]any{"NetworkSettings": map[string]any{"Networks": map[string]any{"web": nil}}}, ""},
		"a test of null":      {map[string]any{"State": map[string]any{"Status": "running", "Running": true, "Health": map[string]any{"Status": "unhealthy", "Log": []any{nil}}}}, ""},
		"an empty container":  {map[string]any{"Id": "", "State": nil, "Config": nil, "HostConfig": nil, "NetworkSettings": nil}, "no id"},
		"health without logs": {map[string]any{"State": map[string]any{"Status": "running", "Health": map[string]any{}}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said := enginetest.Container(id, "shop-app-1", "app", tt.changes)
			e := connect(t, enginetest.Answers{"GET /containers/json": enginetest.JSON([]map[string]any{{"Id": id}}), "GET /containers/{id}/json": enginetest.JSON(said)})
			list, err := e.Stack(t.Context(), "shop")
			invalid, ok := errors.AsType[*engine.InvalidError](err)
			switch {
			case tt.lacks == "" && (err != nil || len(list) != 1):
				t.Fatalf("%d containers, %v", len(list), err)
			case tt.lacks != "" && (!ok || invalid.Lacks != tt.lacks):
				t.Fatalf("got %v, want one that says %s", err, tt.lacks)
			case tt.lacks != "":
				return
			}
			c := list[0]
			_, _ = engine.Well(c), engine.State(c)
			for _, n := range c.Networks() {
				_ = n.IPAddress
			}
			if c.State.Health != nil {
				for _, test := range c.State.Health.Log {
					_ = test.Output
				}
			}
		})
	}
}

// Whatever an engine answers instead of what was asked is an error or nothing, and never the end of this program.
func TestAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	answers := map[string]http.HandlerFunc{
		"nothing": enginetest.Nothing(), "null": enginetest.JSON(nil), "half": enginetest.Half(`[{"Id":"01`), "a text": enginetest.Text("<html>not an engine</html>"),
		"a number": enginetest.Text("5"), "nulls": enginetest.Text("[null,null]"), "an empty object": enginetest.Text("{}"),
		"refused": enginetest.Status(http.StatusInternalServerError, "not now"), "unknown": enginetest.Status(http.StatusNotFound, "page not found"),
	}
	for name, ask := range map[string]struct {
		pattern string
		ask     func(context.Context, *engine.Connection) error
		empty   []string // answers that are good, and say that there is nothing
	}{
		"the containers of a stack": {"GET /containers/json", func(ctx context.Context, e *engine.Connection) error { _, err := e.Stack(ctx, "shop"); return err }, []string{"null"}},
		"a container":               {"GET /containers/{id}/json", func(ctx context.Context, e *engine.Connection) error { _, err := e.Inspect(ctx, id); return err }, nil},
		"the engine itself":         {"GET /info", func(ctx context.Context, e *engine.Connection) error { _, err := e.Daemon(ctx); return err }, nil},
		"what a container uses":     {"GET /containers/{id}/stats", func(ctx context.Context, e *engine.Connection) error { _, err := e.Stats(ctx, id); return err }, []string{"null", "an empty object"}},
		"logs":                      {"GET /containers/{id}/logs", func(ctx context.Context, e *engine.Connection) error { _, err := e.Logs(ctx, id, 0); return err }, []string{"nothing", "null", "a number", "an empty object"}}, // fewer bytes than a frame has
		"a loaded image": {"POST /images/load", func(ctx context.Context, e *engine.Connection) error {
			return e.LoadImages(ctx, io.LimitReader(zeros{}, 10))
		}, []string{"nothing", "null", "an empty object"}},
	} {
		for said, answer := range answers {
			t.Run(name+", "+said, func(t *testing.T) {
				t.Parallel()
				all := enginetest.Containers("shop", enginetest.Container(id, "shop-app-1", "app", nil))
				maps.Copy(all, enginetest.Answers{ask.pattern: answer})
				err := ask.ask(t.Context(), connect(t, all))
				good := false
				for _, e := range ask.empty {
					good = good || e == said
				}
				if (err == nil) != good {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}
