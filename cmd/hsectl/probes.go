package main

import (
	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/app/evidence"
	"github.com/hsectl/hsectl/internal/app/supply"
)

// newSBOMGenerator runs within a build that attests the contents of the image. It implements BuildKit's protocol for
// generators (github.com/moby/buildkit, docs/attestations/sbom-protocol.md), so that an image of this program works
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

// newProbeMachine runs inside a probe that inspects all containers of a machine.
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

// newProbeContainer runs inside the probe of one container; it is not for interactive use.
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
