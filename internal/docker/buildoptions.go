package docker

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
	"github.com/tonistiigi/fsutil"

	"github.com/hsectl/hsectl/internal/image"
)

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
	if r.Epoch > 0 {
		attrs["build-arg:SOURCE_DATE_EPOCH"] = strconv.FormatInt(r.Epoch, 10)
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

// export says where the image goes. The engine's BuildKit keeps it; another one pushes it, or sends it to be loaded.
// What it returns is called with the outcome of the build, and ends the loading.
func (e *Engine) export(ctx context.Context, options *buildkit.SolveOpt, r image.BuildRequest) (func(error) error, error) {
	same := func(err error) error { return err }
	if r.Remote == nil {
		return same, nil
	}
	remote := r.Remote
	if len(remote.Platforms) > 1 && !remote.Push {
		return nil, errors.New("an image of several platforms goes to a registry: it needs --push")
	}
	if len(remote.Platforms) > 0 {
		options.FrontendAttrs["platform"] = strings.Join(remote.Platforms, ",")
	}
	if remote.Provenance {
		options.FrontendAttrs["attest:provenance"] = "mode=max"
	}
	if remote.SBOM {
		options.FrontendAttrs["attest:sbom"] = ""
	}
	attrs := map[string]string{"name": r.Reference}
	if r.Epoch > 0 {
		attrs["rewrite-timestamp"] = "true"
	}
	if remote.Push {
		attrs["push"] = "true"
		options.Exports = []buildkit.ExportEntry{{Type: "image", Attrs: attrs}}
		return same, nil
	}
	reader, writer := io.Pipe()
	loaded := make(chan error, 1)
	go func() {
		err := e.Load(ctx, reader)
		reader.CloseWithError(err) // a load that fails ends the build
		loaded <- err
	}()
	options.Exports = []buildkit.ExportEntry{{Type: "docker", Attrs: attrs, Output: func(map[string]string) (io.WriteCloser, error) { return writer, nil }}}
	return func(err error) error {
		writer.CloseWithError(err)
		return errors.Join(err, <-loaded)
	}, nil
}
