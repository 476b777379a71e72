package main

import (
	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/profile/validation"
)

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
