package main

import (
	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/app/evidence"
	"github.com/hsectl/hsectl/internal/app/supply"
)

// newSBOMGenerator is what runs within a build that attests what is in the image. It is a generator as BuildKit's
// protocol has it (github.com/moby/buildkit, docs/attestations/sbom-protocol.md), so that an image of this program works
// for other tools, too.
func newSBOMGenerator(s app.Streams) *cobra.Command {
	return &cobra.Command{
		Use:    "sbom-generator",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return supply.GenerateSBOM(cmd.Context(), s)
		},
	}
}

// newProbeMachine is what runs inside a probe that looks at all containers of a machine.
func newProbeMachine(s app.Streams) *cobra.Command {
	return &cobra.Command{
		Use:    "probe-machine",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return evidence.ProbeMachine(cmd.Context(), s)
		},
	}
}

// newProbeContainer is what runs inside probes; people have no use for it.
func newProbeContainer(s app.Streams) *cobra.Command {
	return &cobra.Command{
		Use:    "probe-container REQUEST",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return evidence.ProbeContainer(cmd.Context(), s, args[0])
		},
	}
}
