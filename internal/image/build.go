package image

import (
	"context"
	"fmt"
	"io"
	"time"
)

// BuildRequest says how to build one image.
type BuildRequest struct {
	Reference  string
	Context    string // directory on this machine
	Dockerfile string // path within the context
	Target     string
	Args       map[string]string
	Labels     map[string]string
	NoCache    bool
	Pull       bool   // look for newer base images
	Network    string // host lets build steps use the network of the engine's machine; empty is the engine's default
}

// Builder builds an image and leaves it on the engine. Progress is written as it goes.
type Builder interface {
	Build(ctx context.Context, r BuildRequest, progress io.Writer) (id string, err error)
}

// BuildError is a build that failed.
type BuildError struct {
	Reference string
	Err       error
}

// Error implements error.
func (e *BuildError) Error() string { return fmt.Sprintf("building image %s: %v", e.Reference, e.Err) }

// Unwrap returns the cause.
func (e *BuildError) Unwrap() error { return e.Err }

// Origin is where an image comes from.
type Origin struct {
	Title    string
	Revision string    // git revision, with -dirty when the work tree differs
	Source   string    // address of the repository
	Created  time.Time // of the revision, so that the same sources give the same labels
}

// Labels returns the annotations of an image as the OCI image specification names them
// (github.com/opencontainers/image-spec, annotations.md). What is not known is left out.
func Labels(o Origin) map[string]string {
	out := map[string]string{}
	for key, value := range map[string]string{"title": o.Title, "revision": o.Revision, "source": o.Source} {
		if value != "" {
			out["org.opencontainers.image."+key] = value
		}
	}
	if !o.Created.IsZero() {
		out["org.opencontainers.image.created"] = o.Created.UTC().Format(time.RFC3339)
	}
	return out
}
