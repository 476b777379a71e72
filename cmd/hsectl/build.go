package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/image"
)

type buildOptions struct {
	noCache, pull bool
	args          []string
	target        string
	network       string
	services      []string

	cacheFrom, cacheTo, secrets, ssh []string
	epoch                            string
	push, noLint, check              bool
	parallel                         int
	builder                          string
	platforms                        []string
	provenance, sbom                 bool
	key                              signingKey
	signer                           func(ctx context.Context, reference, digest string) error
}

func newBuild(g *app.Settings, s app.Streams) *cobra.Command {
	var o buildOptions
	cmd := &cobra.Command{
		Use:   "build [SERVICE...]",
		Short: "Build the images that the profile builds",
		Long: `Build uses the engine's own BuildKit over its API; no plugin is needed. Images get the title, revision and
source of their sources as OCI labels. The Dockerfile is checked first, with BuildKit's own rules
and the image controls; one that puts a secret into a layer, or switches verification off, is not built.

An engine with the image store of containerd, the default since Docker 29, builds for several platforms and attests how
an image was built. Older ones do not; a BuildKit of its own (--builder) does, and pushes what it built. With --push it
needs no engine at all.`,
		Example: `  hsectl build
  hsectl build app --no-cache --build-arg NODE_ENV=production
  hsectl build --secret id=npmrc,src=$HOME/.npmrc --source-date-epoch git
  hsectl build --builder tcp://buildkit:1234 --platform linux/amd64,linux/arm64 --push --provenance --sbom`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.services = args
			return runBuild(cmd.Context(), g, s, o)
		},
	}
	cmd.Flags().BoolVar(&o.noCache, "no-cache", false, "build every step anew")
	cmd.Flags().BoolVar(&o.pull, "pull", false, "look for newer base images")
	cmd.Flags().StringArrayVar(&o.args, "build-arg", nil, "NAME=VALUE, wins over the profile's")
	cmd.Flags().StringVar(&o.target, "target", "", "stage to build, wins over the profile's")
	cmd.Flags().StringVar(&o.network, "network", "", "host lets build steps use the network of the engine's machine")
	f := cmd.Flags()
	f.StringArrayVar(&o.cacheFrom, "cache-from", nil, "where layers of earlier builds come from, such as type=registry,ref=ghcr.io/example/cache")
	f.StringArrayVar(&o.cacheTo, "cache-to", nil, "where they go to, such as type=inline or type=local,dest=cache")
	f.StringArrayVar(&o.secrets, "secret", nil, "secret of build steps: id=NAME,env=VARIABLE or id=NAME,src=FILE")
	f.StringArrayVar(&o.ssh, "ssh", nil, "SSH agent of build steps: default, or id=SOCKET")
	f.StringVar(&o.epoch, "source-date-epoch", "", "time of the image in seconds, or git for that of the revision; SOURCE_DATE_EPOCH unless written")
	f.BoolVar(&o.push, "push", false, "push the image to the registry of its reference")
	o.key.flags(cmd, "sign")
	f.BoolVar(&o.noLint, "no-lint", false, "do not check the Dockerfile")
	f.BoolVar(&o.check, "check", false, "check the Dockerfiles and build nothing; needs no engine")
	f.IntVar(&o.parallel, "parallel", 2, "number of images built at once")
	f.StringVar(&o.builder, "builder", "", "address of a BuildKit; the engine's own unless written")
	f.StringSliceVar(&o.platforms, "platform", nil, "platforms of the image; several need an engine with the containerd image store, or --builder with --push")
	f.BoolVar(&o.provenance, "provenance", false, "attest how the image was built; needs the same")
	f.BoolVar(&o.sbom, "sbom", false, "attest what is in the image, as this program sees it within the build; needs the same")
	cmd.MarkFlagsMutuallyExclusive("check", "no-lint")
	return cmd
}

func runBuild(ctx context.Context, g *app.Settings, s app.Streams, o buildOptions) error {
	l, err := app.Load(g.File)
	if err != nil {
		return err
	}
	if err := o.openKey(); err != nil {
		return err
	}
	requests, err := buildRequests(ctx, l, o)
	if err != nil {
		return err
	}
	if len(requests) == 0 {
		s.Say("nothing to build: no service of %s has a build", l.Stack.Name)
		return nil
	}
	if o.check {
		err := lintDockerfiles(ctx, s, l, requests)
		if err == nil {
			s.Say("checked %s; none is refused", app.Count(len(requests), "Dockerfile"))
		}
		return err
	}
	engine, err := o.connect(ctx, g)
	if err != nil {
		return err
	}
	defer engine.Close()
	if !o.noLint {
		if err := lintDockerfiles(ctx, s, l, requests); err != nil {
			return err
		}
	}
	return buildAll(ctx, s, engine, requests, o)
}

func buildRequests(ctx context.Context, l app.Loaded, o buildOptions) ([]image.BuildRequest, error) {
	for _, name := range o.services {
		service, ok := l.Stack.Service(name)
		if !ok || service.Build == nil {
			return nil, &app.UsageError{Err: fmt.Errorf("service %q is not built by %s", name, l.Path), Hint: "name a service that has a build"}
		}
	}
	if o.network != "" && o.network != "host" && o.network != "none" {
		return nil, &app.UsageError{Err: fmt.Errorf("there is no build network %q", o.network), Hint: "write host or none"}
	}
	if err := o.checkSecrets(); err != nil {
		return nil, err
	}
	if err := o.checkHome(); err != nil {
		return nil, err
	}
	remote := o.remoteBuild()
	extra := map[string]string{}
	for _, arg := range o.args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			return nil, &app.UsageError{Err: fmt.Errorf("--build-arg %q has no value", arg), Hint: "write NAME=VALUE"}
		}
		extra[name] = value
	}
	wanted := map[string]bool{}
	for _, name := range o.services {
		wanted[name] = true
	}
	var out []image.BuildRequest
	for _, service := range l.Stack.Services {
		b := service.Build
		if b == nil || len(wanted) > 0 && !wanted[service.Name] {
			continue
		}
		dir := b.Context
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(l.Dir(), dir)
		}
		args := map[string]string{}
		for k, v := range b.Args {
			args[k] = v
		}
		for k, v := range extra {
			args[k] = v
		}
		target := b.Target
		if o.target != "" {
			target = o.target
		}
		revision := host.GitRevision(ctx, dir)
		epoch, err := o.seconds(revision.Created)
		if err != nil {
			return nil, err
		}
		out = append(out, image.BuildRequest{
			Service: service.Name, Reference: service.Image, Context: dir, Dockerfile: b.Dockerfile, Target: target, Args: args, NoCache: o.noCache, Pull: o.pull, Network: o.network,
			Caches: image.BuildCaches{From: o.cacheFrom, To: o.cacheTo}, Secrets: o.secrets, SSH: o.ssh, Epoch: epoch, Platforms: o.platforms, Provenance: o.provenance, SBOM: o.sbom, Remote: remote,
			Labels: image.Labels(image.Origin{Title: l.Stack.Name + "/" + service.Name, Revision: revision.Commit, Source: revision.Source, Created: revision.Created}),
		})
	}
	return out, nil
}
