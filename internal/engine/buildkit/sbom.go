package buildkit

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	buildkit "github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	gatewaypb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/result"
	"github.com/moby/buildkit/util/staticfs"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"

	"github.com/hsectl/hsectl/internal/image"
)

// A bill of materials is written within the build, by BuildKit's protocol for generators
// (github.com/moby/buildkit, docs/attestations/sbom-protocol.md): a program finds the image's files below one
// directory and leaves documents in another. The protocol names an image that has the program; we send the program, so
// that nothing has to be pulled or trusted that is not here already.
const (
	sbomVerb    = "sbom-generator" // the hidden verb that is the generator
	sbomMount   = "hsectl-program" // how the build calls the directory that has the program
	sbomName    = "sbom"           // of the document about the image itself
	sbomSource  = "/run/src/core/" + sbomName
	sbomTarget  = "/run/out/"
	sbomSPDX    = "https://spdx.dev/Document"
	sbomProgram = "program"
)

// ForeignBuilderError is a builder that cannot run this program, which writes the bill of materials within the build.
type ForeignBuilderError struct {
	Program string   // platform that the program is for
	Builder []string // platforms that the builder runs
}

// Error implements error.
func (e *ForeignBuilderError) Error() string {
	return fmt.Sprintf("hsectl itself writes the bill of materials within the build: this one is for %s, and the builder runs %s", e.Program, strings.Join(e.Builder, ", "))
}

// solve runs a build. With a bill of materials its parts are put together here; everything else is BuildKit's own.
func (b *Builder) solve(ctx context.Context, c *buildkit.Client, options buildkit.SolveOpt, r image.BuildRequest, status chan *buildkit.SolveStatus) (*buildkit.SolveResponse, error) {
	if !r.SBOM {
		return c.Solve(ctx, nil, options, status)
	}
	program, err := b.program()
	if err != nil {
		close(status)
		return nil, err
	}
	options.LocalMounts[sbomMount] = programFiles(program)
	ask := gateway.SolveRequest{Frontend: options.Frontend, FrontendOpt: options.FrontendAttrs}
	for _, from := range options.CacheImports {
		ask.CacheImports = append(ask.CacheImports, gateway.CacheOptionsEntry{Type: from.Type, Attrs: from.Attrs})
	}
	return c.Build(ctx, options, "", func(ctx context.Context, g gateway.Client) (*gateway.Result, error) {
		platform, err := runsOn(program, g.BuildOpts().Workers)
		if err != nil {
			return nil, err
		}
		built, err := g.Solve(ctx, ask)
		if err != nil {
			return nil, err
		}
		return built, attestContents(ctx, g, built, platform, r)
	}, status)
}

// programFiles is the directory that is sent into the build: one file.
func programFiles(program []byte) fsutil.FS {
	out := staticfs.NewFS()
	out.Add(sbomProgram, &types.Stat{Mode: 0o755}, program)
	return out
}

// runsOn returns the platform of the program when the builder runs that.
func runsOn(program []byte, workers []gateway.WorkerInfo) (ocispecs.Platform, error) {
	out := ocispecs.Platform{OS: "linux"}
	if file, err := elf.NewFile(bytes.NewReader(program)); err == nil {
		out.Architecture = map[elf.Machine]string{elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64", elf.EM_RISCV: "riscv64", elf.EM_S390: "s390x",
			elf.EM_PPC64: "ppc64le"}[file.Machine]
	}
	var known []string
	for _, w := range workers {
		for _, p := range w.Platforms {
			if p.OS == out.OS && p.Architecture == out.Architecture {
				return out, nil
			}
			known = append(known, p.OS+"/"+p.Architecture)
		}
	}
	slices.Sort(known)
	return out, &ForeignBuilderError{out.OS + "/" + out.Architecture, slices.Compact(known)}
}

// attestContents attests of the image of each platform what is in it, and in what else the Dockerfile asks for.
func attestContents(ctx context.Context, g gateway.Client, built *gateway.Result, runs ocispecs.Platform, r image.BuildRequest) error {
	of, err := exptypes.ParsePlatforms(built.Metadata)
	if err != nil {
		return fmt.Errorf("reading the platforms of the image: %w", err)
	}
	for _, p := range of.Platforms {
		root := llb.Scratch()
		if ref, ok := built.FindRef(p.ID); ok && ref != nil { // an image without a file has none
			if root, err = ref.ToState(); err != nil {
				return fmt.Errorf("reading the image for %s: %w", p.ID, err)
			}
		}
		others, err := extras(ctx, g, r.Args, p.Platform)
		if err != nil {
			return err
		}
		documents, err := runGenerator(ctx, g, described{root, others, "[" + p.ID + "] writing the bill of materials"}, runs, generatorTime(r))
		if err != nil {
			return fmt.Errorf("writing the bill of materials for %s: %w", p.ID, err)
		}
		built.AddAttestation(p.ID, gateway.Attestation{Kind: gatewaypb.AttestationKind_Bundle, Ref: documents,
			Metadata: map[string][]byte{result.AttestationReasonKey: []byte(result.AttestationReasonSBOM), result.AttestationSBOMCore: []byte(sbomName)},
			InToto:   result.InTotoAttestation{PredicateType: sbomSPDX}})
	}
	return nil
}

// described is what a bill of materials is about.
type described struct {
	root   llb.State            // file system of the image
	others map[string]llb.State // what else the Dockerfile asks for, by name
	title  string               // of the step, for people
}

// runGenerator runs this program over what is described, which it can only read, without a network. It returns the directory of
// documents.
func runGenerator(ctx context.Context, g gateway.Client, d described, runs ocispecs.Platform, when int64) (gateway.Reference, error) {
	options := []llb.RunOption{llb.Args([]string{"/" + sbomProgram, sbomVerb}), llb.AddEnv("BUILDKIT_SCAN_SOURCE", sbomSource),
		llb.AddEnv("BUILDKIT_SCAN_DESTINATION", sbomTarget), llb.Network(llb.NetModeNone), llb.ReadonlyRootFS(), llb.WithCustomName(d.title),
		llb.AddMount("/tmp", llb.Scratch(), llb.Tmpfs()), llb.AddMount(sbomSource, d.root, llb.Readonly)}
	if len(d.others) > 0 {
		options = append(options, llb.AddEnv("BUILDKIT_SCAN_SOURCE_EXTRAS", sbomExtras))
	}
	for _, name := range slices.Sorted(maps.Keys(d.others)) { // always in the same order, or no step is found in the cache
		options = append(options, llb.AddMount(sbomExtras+"/"+sbomName+"-"+name, d.others[name], llb.Readonly))
	}
	if when > 0 {
		options = append(options, llb.AddEnv("SOURCE_DATE_EPOCH", strconv.FormatInt(when, 10)))
	}
	sent := llb.Local(sbomMount, llb.SharedKeyHint(sbomMount), llb.WithCustomName("sending hsectl, which writes the bill of materials"))
	// What was sent belongs to one session, and its copy is known by its content: so nothing is sent or looked at twice.
	program := llb.Scratch().File(llb.Copy(sent, sbomProgram, "/"+sbomProgram), llb.WithCustomName("keeping hsectl for the next build"))
	target := program.Run(options...).AddMount(sbomTarget, llb.Scratch())
	definition, err := target.Marshal(ctx, llb.Platform(runs))
	if err != nil {
		return nil, err
	}
	done, err := g.Solve(ctx, gateway.SolveRequest{Definition: definition.ToPB(), Evaluate: true})
	if err != nil {
		return nil, err
	}
	return done.SingleRef()
}

// generatorTime is the time that the documents have: that of the image or of its sources, so that the same sources give
// the same bytes; zero is the time of the build.
func generatorTime(r image.BuildRequest) int64 {
	if r.Epoch > 0 {
		return r.Epoch
	}
	created, err := time.Parse(time.RFC3339, r.Labels["org.opencontainers.image.created"])
	if err != nil {
		return 0
	}
	return created.Unix()
}
