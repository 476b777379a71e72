package buildkit

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerui"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Dockerfile may ask that more than the image is described: stages that were only built with, and the build context. It does
// so by arguments (https://docs.docker.com/build/metadata/attestations/sbom/#arguments).
const (
	scanArguments = "BUILDKIT_SBOM_SCAN_"
	sbomExtras    = "/run/src/extras"
)

// extras returns what the Dockerfile asks to be described in addition to the image for one platform, by name. Which stages that are is
// for BuildKit's own code to say, which runs here as it does in the builder.
func extras(ctx context.Context, g gateway.Client, arguments map[string]string, platform ocispecs.Platform) (map[string]llb.State, error) {
	ui, err := dockerui.NewClient(g)
	if err != nil {
		return nil, fmt.Errorf("reading the options of the build: %w", err)
	}
	recipe, err := ui.ReadEntrypoint(ctx, "Dockerfile")
	if err != nil {
		return nil, fmt.Errorf("reading the Dockerfile: %w", err)
	}
	asked := bytes.Contains(recipe.Data, []byte(scanArguments))
	for name := range arguments {
		asked = asked || strings.HasPrefix(name, scanArguments)
	}
	if !asked {
		return nil, nil
	}
	converted, err := dockerfile2llb.Dockerfile2LLB(ctx, recipe.Data, dockerfile2llb.ConvertOpt{Config: ui.Config, Client: ui, SourceMap: recipe.SourceMap, MetaResolver: g, TargetPlatform: &platform})
	if err != nil {
		return nil, fmt.Errorf("finding what else is to be described: %w", err)
	}
	return converted.SBOM.Extras, nil
}
