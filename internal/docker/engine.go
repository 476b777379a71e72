// Package docker wires the rooms of an engine together.
package docker

import (
	"context"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/buildkit"
	"github.com/hsectl/hsectl/internal/engine/converge"
	"github.com/hsectl/hsectl/internal/engine/images"
	"github.com/hsectl/hsectl/internal/engine/observe"
	"github.com/hsectl/hsectl/internal/engine/records"
	"github.com/hsectl/hsectl/internal/engine/symptoms"
	"github.com/hsectl/hsectl/internal/engine/tasks"
	"github.com/hsectl/hsectl/internal/engine/trials"
	"github.com/hsectl/hsectl/internal/engine/usage"
	"github.com/hsectl/hsectl/internal/engine/volumes"
)

// Engine is one engine with all that is asked of it, each part in a room of its own.
type Engine struct {
	*engine.Connection
	*volumes.Archive
	*records.Store
	*images.Transfer
	*converge.Applier
	*observe.Observer
	*symptoms.Gatherer
	*observe.Probes
	*trials.Drills
	*buildkit.Builder
	*tasks.Runner
	*usage.Meter
}

// Connect reaches the engine. Program returns the program that runs inside probes: this one, for Linux.
func Connect(ctx context.Context, at engine.Endpoint, program func() ([]byte, error)) (*Engine, error) {
	e, err := engine.Connect(ctx, at)
	if err != nil {
		return nil, err
	}
	return assemble(e, program), nil
}

// NoEngine is for what needs none: a BuildKit of its own that pushes what it builds. Nothing else may be asked of it.
func NoEngine(program func() ([]byte, error)) (*Engine, error) {
	e, err := engine.NoEngine()
	if err != nil {
		return nil, err
	}
	return assemble(e, program), nil
}

func assemble(e *engine.Connection, program func() ([]byte, error)) *Engine {
	v, i, p := volumes.New(e), images.New(e), observe.NewProbes(e, program)
	r := records.New(e, v)
	return &Engine{Connection: e, Archive: v, Store: r, Transfer: i, Applier: converge.New(e, v, r, i, p), Observer: observe.New(e, r, i, p), Gatherer: symptoms.New(e, i), Probes: p,
		Drills: trials.New(e, p), Builder: buildkit.New(e, i, program), Runner: tasks.New(e, v), Meter: usage.New(e, p)}
}
