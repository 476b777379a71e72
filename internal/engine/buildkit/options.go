package buildkit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	buildkit "github.com/moby/buildkit/client"
	"github.com/moby/buildkit/cmd/buildctl/build"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"
	"github.com/moby/buildkit/session/sshforward/sshprovider"
	"github.com/moby/moby/client"
	"github.com/tonistiigi/fsutil"

	"github.com/hsectl/hsectl/internal/image"
)

func (b *Builder) solveOptions(r image.BuildRequest) (buildkit.SolveOpt, error) {
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
	if r.Epoch > 0 {
		attrs["build-arg:SOURCE_DATE_EPOCH"] = strconv.FormatInt(r.Epoch, 10)
	}
	out := buildkit.SolveOpt{
		Frontend: "dockerfile.v0", FrontendAttrs: attrs,
		LocalMounts: map[string]fsutil.FS{"context": sources, "dockerfile": recipes},
		Session: []session.Attachable{authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{
			AuthConfigProvider: authprovider.LoadAuthConfig(b.engine.CLI.ConfigFile()),
		})},
	}
	if r.Network == "host" {
		out.AllowedEntitlements = []string{"network.host"}
	}
	if out.CacheImports, err = build.ParseImportCache(r.Caches.From); err != nil {
		return buildkit.SolveOpt{}, fmt.Errorf("reading where the cache comes from: %w", err)
	}
	if out.CacheExports, err = build.ParseExportCache(r.Caches.To); err != nil {
		return buildkit.SolveOpt{}, fmt.Errorf("reading where the cache goes to: %w", err)
	}
	err = addSession(&out, r) // it changes out, which must not be copied before
	return out, err
}

// addSession lets build steps use secrets and SSH agents. They reach the steps that ask for them, and no layer.
func addSession(out *buildkit.SolveOpt, r image.BuildRequest) error {
	if len(r.Secrets) > 0 {
		secrets, err := build.ParseSecret(r.Secrets)
		if err != nil {
			return fmt.Errorf("reading the build secrets: %w", err)
		}
		out.Session = append(out.Session, secrets)
	}
	if len(r.SSH) > 0 {
		configs, err := build.ParseSSH(r.SSH)
		if err != nil {
			return fmt.Errorf("reading the SSH agents: %w", err)
		}
		agents, err := sshprovider.NewSSHAgentProvider(configs)
		if err != nil {
			return fmt.Errorf("reaching the SSH agents: %w", err)
		}
		out.Session = append(out.Session, agents)
	}
	return nil
}

// ErrImageStore is a build that only engines with the image store of containerd can keep, or a BuildKit of its own.
var ErrImageStore = errors.New("this engine's image store keeps images of one platform without attestations")

// export says where the image goes. The engine's BuildKit keeps it; another one pushes it, or sends it to be loaded.
// What it returns is called with the outcome of the build, and ends the loading.
func (b *Builder) export(ctx context.Context, options *buildkit.SolveOpt, r image.BuildRequest) (func(error) error, error) {
	same := func(err error) error { return err }
	if len(r.Platforms) > 0 {
		options.FrontendAttrs["platform"] = strings.Join(r.Platforms, ",")
	}
	if r.Provenance {
		options.FrontendAttrs["attest:provenance"] = "mode=max"
	}
	attrs := map[string]string{"name": r.Reference}
	if r.Remote == nil {
		keeps, err := b.keepsIndexes(ctx)
		if err != nil {
			return nil, err
		}
		if !keeps && (len(r.Platforms) > 1 || r.Provenance || r.SBOM) {
			return nil, ErrImageStore
		}
		if keeps && r.Epoch > 0 { // the engine unpacks it when the first container is made: an unpacked layer cannot be rewritten
			attrs["rewrite-timestamp"], attrs["unpack"] = "true", "false"
		}
		options.Exports = []buildkit.ExportEntry{{Type: "moby", Attrs: attrs}}
		return same, nil
	}
	if r.Epoch > 0 {
		attrs["rewrite-timestamp"] = "true"
	}
	if r.Remote.Push {
		attrs["push"] = "true"
		options.Exports = []buildkit.ExportEntry{{Type: "image", Attrs: attrs}}
		return same, nil
	}
	if len(r.Platforms) > 1 || r.Provenance || r.SBOM {
		return nil, errors.New("an image of several platforms or with attestations goes from a BuildKit to a registry only")
	}
	reader, writer := io.Pipe()
	loaded := make(chan error, 1)
	go func() {
		err := b.images.Load(ctx, reader)
		reader.CloseWithError(err) // a load that fails ends the build
		loaded <- err
	}()
	options.Exports = []buildkit.ExportEntry{{Type: "docker", Attrs: attrs, Output: func(map[string]string) (io.WriteCloser, error) { return writer, nil }}}
	return func(err error) error {
		writer.CloseWithError(err)
		return errors.Join(err, <-loaded)
	}, nil
}

// keepsIndexes tells whether the engine has the image store of containerd, which keeps an image as it was built: with
// its index, all its platforms and attestations.
func (b *Builder) keepsIndexes(ctx context.Context) (bool, error) {
	info, err := b.engine.API.Info(ctx, client.InfoOptions{})
	if err != nil {
		return false, fmt.Errorf("asking the engine for its image store: %w", err)
	}
	for _, pair := range info.Info.DriverStatus {
		if pair[0] == "driver-type" && strings.HasPrefix(pair[1], "io.containerd.snapshotter") {
			return true, nil
		}
	}
	return false, nil
}
