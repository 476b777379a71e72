package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/app/author"
	"github.com/hsectl/hsectl/internal/profile/validation"
)

func newVersion(s app.Streams) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  hsectl version",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			fmt.Fprintf(s.Out, "hsectl %s %s/%s %s\n", app.Version(), runtime.GOOS, runtime.GOARCH, runtime.Version())
			return nil
		},
	}
}

func newControls(s app.Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "controls [ID]",
		Short: "List the controls, or explain one",
		Example: `  hsectl controls
  hsectl controls HSE-FS-001`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return author.Controls(s, args)
		},
	}
}

func newPresets(s app.Streams) *cobra.Command {
	var raw bool
	cmd := &cobra.Command{
		Use:   "presets [NAME]",
		Short: "List the presets, or show one",
		Example: `  hsectl presets
  hsectl presets postgres
  hsectl presets postgres --yaml   # the file itself, as a template for your own preset`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return author.Presets(s.Out, args, raw)
		},
	}
	cmd.Flags().BoolVar(&raw, "yaml", false, "print the file of the preset")
	return cmd
}

func newSchema(s app.Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of profiles, for editors",
		Example: `  hsectl schema > profile.schema.json
  # then, at the top of a profile:
  # yaml-language-server: $schema=profile.schema.json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			data, err := validation.Schema()
			if err != nil {
				return err
			}
			_, err = s.Out.Write(data)
			return err
		},
	}
}
