package docker

import (
	"context"
	"fmt"
	"io"
	"net"

	buildkit "github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/progress/progressui"
	"golang.org/x/sync/errgroup"

	"github.com/hsectl/hsectl/internal/image"
)

// Build implements image.Builder with the engine's own BuildKit, reached through the engine's API.
func (e *Engine) Build(ctx context.Context, r image.BuildRequest, progress io.Writer) (string, error) {
	c, err := e.buildkit(ctx, r.Remote)
	if err != nil {
		return "", err
	}
	defer c.Close()
	options, err := e.solveOptions(r)
	if err != nil {
		return "", err
	}
	finish, err := e.export(ctx, &options, r)
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
		result, err = c.Solve(groupContext, nil, options, status)
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
	return result.ExporterResponse["containerimage.digest"], nil
}

// buildkit reaches the BuildKit of the engine, or another one.
func (e *Engine) buildkit(ctx context.Context, remote *image.RemoteBuild) (*buildkit.Client, error) {
	if remote != nil {
		c, err := buildkit.New(ctx, remote.Address)
		if err != nil {
			return nil, fmt.Errorf("reaching BuildKit at %s: %w", remote.Address, err)
		}
		return c, nil
	}
	c, err := buildkit.New(ctx, "",
		buildkit.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return e.api.DialHijack(ctx, "/grpc", "h2c", nil)
		}),
		buildkit.WithSessionDialer(func(ctx context.Context, proto string, meta map[string][]string) (net.Conn, error) {
			return e.api.DialHijack(ctx, "/session", proto, meta)
		}))
	if err != nil {
		return nil, fmt.Errorf("reaching the engine's BuildKit: %w", err)
	}
	return c, nil
}
