package main

import (
	"bytes"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/profile/parser"
)

func newFmt(g *app.Settings, s app.Streams) *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use:   "fmt [FILE...]",
		Short: "Put the keys of profiles in order, keeping every comment",
		Long: `Fmt puts the keys of a profile in the order of the reference. Only whole lines move, each with the comments above
it. Without FILE it formats the profile and what -f lays over it.`,
		Example: `  hsectl fmt
  hsectl fmt --check profiles/*.yaml   # exit 3 when one is not in order`,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = g.File.Files
			}
			return runFmt(s, args, check)
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "write nothing; exit 3 when a file is not in order")
	return cmd
}

// runFmt prints the files that are not in order, and writes them unless it only checks.
func runFmt(s app.Streams, files []string, check bool) error {
	var disorder bool
	for _, file := range files {
		data, err := app.ReadProfile(host.ReadFile, file)
		if err != nil {
			return err
		}
		formatted, err := parser.Format(file, data)
		if err != nil {
			return err
		}
		if bytes.Equal(data, formatted) {
			continue
		}
		disorder = true
		fmt.Fprintln(s.Out, file)
		if check {
			continue
		}
		if err := host.WriteTree(filepath.Dir(file), []generate.File{{Path: filepath.Base(file), Data: formatted}}); err != nil {
			return err
		}
	}
	if check && disorder {
		s.Say("not in order; mend with: hsectl fmt")
		return app.ErrFindings
	}
	return nil
}
