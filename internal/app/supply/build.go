// Package supply is the way of images: built, locked, scanned and signed, and judged before a deploy uses them.
package supply

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/image"
)

// BuildOptions say what is built, how, and where it goes.
type BuildOptions struct {
	NoCache, Pull bool
	Args          []string
	Target        string
	Network       string
	Services      []string

	CacheFrom, CacheTo, Secrets, SSH []string
	Epoch                            string
	Push, NoLint, Check              bool
	Parallel                         int
	Builder                          string
	Platforms                        []string
	Provenance, SBOM                 bool
	Key                              SigningKey
	signer                           func(ctx context.Context, reference, digest string) error
}

// Build builds the images that the profile builds.
func Build(ctx context.Context, g *app.Settings, s app.Streams, o BuildOptions) error {
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
	if o.Check {
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
	if !o.NoLint {
		if err := lintDockerfiles(ctx, s, l, requests); err != nil {
			return err
		}
	}
	return buildAll(ctx, s, engine, requests, o)
}

func buildRequests(ctx context.Context, l app.Loaded, o BuildOptions) ([]image.BuildRequest, error) {
	for _, name := range o.Services {
		service, ok := l.Stack.Service(name)
		if !ok || service.Build == nil {
			return nil, &app.UsageError{Err: fmt.Errorf("service %q is not built by %s", name, l.Path), Hint: "name a service that has a build"}
		}
	}
	if o.Network != "" && o.Network != "host" && o.Network != "none" {
		return nil, &app.UsageError{Err: fmt.Errorf("there is no build network %q", o.Network), Hint: "write host or none"}
	}
	if err := o.checkSecrets(); err != nil {
		return nil, err
	}
	if err := o.checkHome(); err != nil {
		return nil, err
	}
	remote := o.remoteBuild()
	extra := map[string]string{}
	for _, arg := range o.Args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			return nil, &app.UsageError{Err: fmt.Errorf("--build-arg %q has no value", arg), Hint: "write NAME=VALUE"}
		}
		extra[name] = value
	}
	wanted := map[string]bool{}
	for _, name := range o.Services {
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
		if o.Target != "" {
			target = o.Target
		}
		revision := host.GitRevision(ctx, dir)
		epoch, err := o.seconds(revision.Created)
		if err != nil {
			return nil, err
		}
		out = append(out, image.BuildRequest{
			Service: service.Name, Reference: service.Image, Context: dir, Dockerfile: b.Dockerfile, Target: target, Args: args, NoCache: o.NoCache, Pull: o.Pull, Network: o.Network,
			Caches: image.BuildCaches{From: o.CacheFrom, To: o.CacheTo}, Secrets: o.Secrets, SSH: o.SSH, Epoch: epoch, Platforms: o.Platforms, Provenance: o.Provenance, SBOM: o.SBOM, Remote: remote,
			Labels: image.Labels(image.Origin{Title: l.Stack.Name + "/" + service.Name, Revision: revision.Commit, Source: revision.Source, Created: revision.Created}),
		})
	}
	return out, nil
}
