package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/image"
)

type buildOptions struct {
	noCache, pull bool
	args          []string
	target        string
	network       string
	services      []string
}

func newBuild(g *globals, s streams) *cobra.Command {
	var o buildOptions
	cmd := &cobra.Command{
		Use:   "build [SERVICE...]",
		Short: "Build the images that the profile builds",
		Long: `Build uses the engine's own BuildKit over its API; no plugin is needed. Images get the title, revision and
source of their sources as OCI labels.`,
		Example: `  hsectl build
  hsectl build app --no-cache --build-arg NODE_ENV=production`,
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
	return cmd
}

func runBuild(ctx context.Context, g *globals, s streams, o buildOptions) error {
	l, err := load(g.file)
	if err != nil {
		return err
	}
	requests, err := buildRequests(ctx, l, o)
	if err != nil {
		return err
	}
	if len(requests) == 0 {
		s.say("nothing to build: no service of %s has a build", l.stack.Name)
		return nil
	}
	engine, err := g.connect(ctx)
	if err != nil {
		return err
	}
	defer engine.Close()
	var builder image.Builder = engine
	for _, r := range requests {
		started := time.Now()
		s.say("building %s from %s", r.Reference, r.Context)
		id, err := builder.Build(ctx, r, s.Err)
		if err != nil {
			return err
		}
		s.say("built %s in %s", r.Reference, time.Since(started).Round(100*time.Millisecond))
		fmt.Fprintf(s.Out, "%s %s\n", r.Reference, id)
	}
	return nil
}

func buildRequests(ctx context.Context, l loaded, o buildOptions) ([]image.BuildRequest, error) {
	for _, name := range o.services {
		service, ok := l.stack.Service(name)
		if !ok || service.Build == nil {
			return nil, &usageError{fmt.Errorf("service %q is not built by %s", name, l.path), "name a service that has a build"}
		}
	}
	if o.network != "" && o.network != "host" && o.network != "none" {
		return nil, &usageError{fmt.Errorf("there is no build network %q", o.network), "write host or none"}
	}
	extra := map[string]string{}
	for _, arg := range o.args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			return nil, &usageError{fmt.Errorf("--build-arg %q has no value", arg), "write NAME=VALUE"}
		}
		extra[name] = value
	}
	wanted := map[string]bool{}
	for _, name := range o.services {
		wanted[name] = true
	}
	var out []image.BuildRequest
	for _, service := range l.stack.Services {
		b := service.Build
		if b == nil || len(wanted) > 0 && !wanted[service.Name] {
			continue
		}
		dir := b.Context
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(l.dir(), dir)
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
		out = append(out, image.BuildRequest{
			Reference: service.Image, Context: dir, Dockerfile: b.Dockerfile, Target: target, Args: args, NoCache: o.noCache, Pull: o.pull, Network: o.network,
			Labels: image.Labels(image.Origin{Title: l.stack.Name + "/" + service.Name, Revision: revision.Commit, Source: revision.Source, Created: revision.Created}),
		})
	}
	return out, nil
}
