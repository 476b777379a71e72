package docker

import (
	"context"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/buildkit"
	"github.com/hsectl/hsectl/internal/engine/converge"
	"github.com/hsectl/hsectl/internal/engine/images"
	"github.com/hsectl/hsectl/internal/engine/records"
	"github.com/hsectl/hsectl/internal/engine/tasks"
	"github.com/hsectl/hsectl/internal/image"
)

// Names by which callers know what has moved to the rooms.
type (
	// Endpoint is engine.Endpoint.
	Endpoint = engine.Endpoint
	// UnreachableError is engine.UnreachableError.
	UnreachableError = engine.UnreachableError
	// TooOldError is engine.TooOldError.
	TooOldError = engine.TooOldError
	// Lock is records.Lock.
	Lock = records.Lock
	// LockOptions is records.LockOptions.
	LockOptions = records.LockOptions
	// Task is tasks.Task.
	Task = tasks.Task
	// TaskError is tasks.TaskError.
	TaskError = tasks.TaskError
	// ImageFacts is images.ImageFacts.
	ImageFacts = images.ImageFacts
	// ForeignBuilderError is buildkit.ForeignBuilderError.
	ForeignBuilderError = buildkit.ForeignBuilderError
)

// Errors of the rooms.
var (
	ErrNoImage    = images.ErrNoImage
	ErrImageStore = buildkit.ErrImageStore
	ErrEpoch      = buildkit.ErrEpoch
	ErrNoBuilder  = buildkit.ErrNoBuilder
	ErrOpenFiles  = converge.ErrOpenFiles
)

// Clean is engine.Clean.
func Clean(line string) string { return engine.Clean(line) }

// Instructions is buildkit.Instructions.
func Instructions(name string, data []byte) ([]image.Instruction, error) {
	return buildkit.Instructions(name, data)
}

// LintDockerfile is buildkit.LintDockerfile.
func LintDockerfile(ctx context.Context, name string, data []byte, r image.BuildRequest) ([]image.LintWarning, error) {
	return buildkit.LintDockerfile(ctx, name, data, r)
}
