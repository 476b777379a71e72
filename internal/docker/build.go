package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	buildkit "github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"
	"github.com/moby/buildkit/util/progress/progressui"
	"github.com/tonistiigi/fsutil"
	"golang.org/x/sync/errgroup"

	"github.com/hsectl/hsectl/internal/image"
)

// Build implements image.Builder with the engine's own BuildKit, reached through the engine's API.
func (e *Engine) Build(ctx context.Context, r image.BuildRequest, progress io.Writer) (string, error) {
	c, err := buildkit.New(ctx, "",
		buildkit.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return e.api.DialHijack(ctx, "/grpc", "h2c", nil)
		}),
		buildkit.WithSessionDialer(func(ctx context.Context, proto string, meta map[string][]string) (net.Conn, error) {
			return e.api.DialHijack(ctx, "/session", proto, meta)
		}))
	if err != nil {
		return "", fmt.Errorf("reaching the engine's BuildKit: %w", err)
	}
	defer c.Close()
	options, err := e.solveOptions(r)
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
	if err := group.Wait(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", &image.BuildError{Reference: r.Reference, Err: err}
	}
	return result.ExporterResponse["containerimage.digest"], nil
}

func (e *Engine) solveOptions(r image.BuildRequest) (buildkit.SolveOpt, error) {
	info, err := os.Stat(r.Context)
	if err == nil && !info.IsDir() {
		err = errors.New("is not a directory")
	}
	if err != nil {
		return buildkit.SolveOpt{}, fmt.Errorf("reading the build context %s: %w", r.Context, err)
	}
	sources, err := fsutil.NewFS(r.Context)
	if err != nil {
		return buildkit.SolveOpt{}, fmt.Errorf("reading the build context: %w", err)
	}
	recipes, err := fsutil.NewFS(filepath.Join(r.Context, filepath.Dir(r.Dockerfile)))
	if err != nil {
		return buildkit.SolveOpt{}, fmt.Errorf("reading the directory of the Dockerfile: %w", err)
	}
	attrs := map[string]string{"filename": filepath.Base(r.Dockerfile)}
	for key, value := range map[string]string{"target": r.Target, "force-network-mode": r.Network} {
		if value != "" {
			attrs[key] = value
		}
	}
	for key, value := range r.Args {
		attrs["build-arg:"+key] = value
	}
	for key, value := range r.Labels {
		attrs["label:"+key] = value
	}
	if r.NoCache {
		attrs["no-cache"] = ""
	}
	if r.Pull {
		attrs["image-resolve-mode"] = "pull"
	}
	out := buildkit.SolveOpt{
		Frontend: "dockerfile.v0", FrontendAttrs: attrs,
		LocalMounts: map[string]fsutil.FS{"context": sources, "dockerfile": recipes},
		Exports:     []buildkit.ExportEntry{{Type: "moby", Attrs: map[string]string{"name": r.Reference}}},
		Session: []session.Attachable{authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{
			AuthConfigProvider: authprovider.LoadAuthConfig(e.cli.ConfigFile()),
		})},
	}
	if r.Network == "host" {
		out.AllowedEntitlements = []string{"network.host"}
	}
	return out, nil
}
