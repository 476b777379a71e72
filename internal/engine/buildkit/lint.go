package buildkit

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/image"
)

// LintDockerfile runs BuildKit's own linter (https://docs.docker.com/reference/build-checks/) within this program: an
// engine need not be new enough to know it, and no base image is fetched.
func LintDockerfile(ctx context.Context, name string, data []byte, r image.BuildRequest) ([]image.LintWarning, error) {
	source := llb.NewSourceMap(nil, name, "Dockerfile", data)
	source.Definition = &llb.Definition{} // the linter reads it, and no build needs it here
	options := dockerfile2llb.ConvertOpt{
		Config:       dockerui.Config{BuildArgs: r.Args, Labels: r.Labels, Target: r.Target},
		SourceMap:    source,
		MetaResolver: emptyBase{},
	}
	found, err := dockerfile2llb.DockerfileLint(ctx, data, options)
	if err != nil {
		return nil, fmt.Errorf("checking %s: %w", name, err)
	}
	if found.Error != nil {
		return nil, fmt.Errorf("checking %s: %s", name, display.Clean(found.Error.Message))
	}
	var out []image.LintWarning
	for _, w := range found.Warnings {
		warning := image.LintWarning{Rule: w.RuleName, Text: display.Clean(w.Detail), See: w.URL}
		if w.Location != nil && len(w.Location.Ranges) > 0 {
			warning.Line = int(w.Location.Ranges[0].Start.Line)
		}
		out = append(out, warning)
	}
	slices.SortStableFunc(out, func(a, b image.LintWarning) int { return a.Line - b.Line })
	return out, nil
}

// emptyBase says of every base image that it has nothing: what is checked is the Dockerfile.
type emptyBase struct{}

// ResolveImageConfig implements llb.ImageMetaResolver.
func (emptyBase) ResolveImageConfig(_ context.Context, ref string, o sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	platform := ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	if o.ImageOpt != nil && o.ImageOpt.Platform != nil {
		platform = *o.ImageOpt.Platform
	}
	config, err := json.Marshal(ocispecs.Image{Platform: platform})
	return ref, digest.FromBytes(config), config, err
}
