// Package buildkit builds images, describes what is in them while they are built, and reads Dockerfiles.
package buildkit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	buildkit "github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/progress/progressui"
	"golang.org/x/sync/errgroup"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/images"
	"github.com/hsectl/hsectl/internal/image"
)

// Builder builds images with the BuildKit of an engine, or with another one.
type Builder struct {
	engine  *engine.Connection
	images  *images.Transfer
	program func() ([]byte, error) // the program that describes what is in an image
}

// New returns a builder. Program returns the program that runs inside builds: this one, for Linux.
func New(e *engine.Connection, i *images.Transfer, program func() ([]byte, error)) *Builder {
	return &Builder{e, i, program}
}

// Build implements image.Builder with the engine's own BuildKit, reached through the engine's API.
func (b *Builder) Build(ctx context.Context, r image.BuildRequest, progress io.Writer) (string, error) {
	c, err := b.reach(ctx, r.Remote)
	if err != nil {
		return "", err
	}
	defer c.Close()
	options, err := b.solveOptions(r)
	if err != nil {
		return "", err
	}
	finish, err := b.export(ctx, &options, r)
	if err != nil {
		return "", err
	}
	display, err := progressui.NewDisplay(progress, progressui.AutoMode)
	if err != nil {
		return "", fmt.Errorf("preparing the progress display: %w", err)
	}
	status := make(chan *buildkit.SolveStatus)
	var result *buildkit.SolveResponse
	group, groupContext := errgroup.WithContext(ctx)
	group.Go(func() error {
		var err error
		result, err = b.solve(groupContext, c, options, r, status)
		return err
	})
	group.Go(func() error {
		// The display drains the channel to its end, also when the build fails.
		_, err := display.UpdateFrom(context.WithoutCancel(ctx), status)
		return err
	})
	if err := finish(group.Wait()); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", &image.BuildError{Reference: r.Reference, Err: err}
	}
	digest := result.ExporterResponse["containerimage.digest"]
	return digest, b.reproducible(ctx, r)
}

// ErrEpoch is a builder that took a time for the image and did not use it.
var ErrEpoch = errors.New("this BuildKit does not know SOURCE_DATE_EPOCH: the image has the time of its build and is not reproducible")

// reproducible sees that the image has the time that was asked for: builders before BuildKit 0.11 say nothing and use
// their own.
func (b *Builder) reproducible(ctx context.Context, r image.BuildRequest) error {
	if r.Epoch == 0 || r.Remote != nil {
		return nil
	}
	found, err := b.engine.API.ImageInspect(ctx, r.Reference)
	if err != nil {
		return fmt.Errorf("looking for image %s: %w", r.Reference, err)
	}
	created, err := time.Parse(time.RFC3339Nano, found.Created)
	if err != nil || created.Unix() != r.Epoch {
		return &image.BuildError{Reference: r.Reference, Err: ErrEpoch}
	}
	return nil
}

// ErrNoBuilder is a BuildKit that does not answer.
var ErrNoBuilder = errors.New("cannot reach BuildKit")

// reach reaches the BuildKit of the engine, or another one.
func (b *Builder) reach(ctx context.Context, remote *image.RemoteBuild) (*buildkit.Client, error) {
	if remote != nil {
		c, err := buildkit.New(ctx, remote.Address)
		if err != nil {
			return nil, fmt.Errorf("reaching BuildKit at %s: %w", remote.Address, err)
		}
		asked, cancel := context.WithTimeout(ctx, b.engine.Bounds.Prompt)
		defer cancel()
		if _, err := c.ListWorkers(asked); err != nil {
			return nil, errors.Join(fmt.Errorf("%w at %s: %w", ErrNoBuilder, remote.Address, err), c.Close())
		}
		return c, nil
	}
	c, err := buildkit.New(ctx, "",
		buildkit.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return b.dial(ctx, "/grpc", "h2c", nil)
		}),
		buildkit.WithSessionDialer(func(ctx context.Context, proto string, meta map[string][]string) (net.Conn, error) {
			return b.dial(ctx, "/session", proto, meta)
		}))
	if err != nil {
		return nil, fmt.Errorf("reaching the engine's BuildKit: %w", err)
	}
	return c, nil
}

// dial opens a connection of its own to a service of the engine. Only opening it is bounded: what goes over it takes its time.
func (b *Builder) dial(ctx context.Context, path, proto string, meta map[string][]string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, b.engine.Bounds.Prompt)
	defer cancel()
	return b.engine.API.DialHijack(ctx, path, proto, meta)
}
