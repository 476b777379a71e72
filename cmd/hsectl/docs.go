package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/app/author"
	"github.com/hsectl/hsectl/internal/host"
)

func newDocs(s app.Streams) *cobra.Command {
	var format, out string
	cmd := &cobra.Command{
		Use:   "docs",
		Short: "Write the reference: one page per verb, all controls, and every key of a profile",
		Example: `  hsectl docs --format markdown --out docs/reference
  hsectl docs --format man --out man/`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			root := cmd.Root()
			root.DisableAutoGenTag = true
			root.InitDefaultCompletionCmd()
			// An empty tree makes the directory.
			if err := host.WriteTree(out, nil); err != nil {
				return err
			}
			switch format {
			case "man":
				return doc.GenManTree(root, &doc.GenManHeader{Title: "HSECTL", Section: "1", Source: "hsectl"}, out)
			case "markdown":
				if err := doc.GenMarkdownTree(root, out); err != nil {
					return fmt.Errorf("writing the pages of the verbs: %w", err)
				}
				pages, err := author.Reference()
				if err != nil {
					return err
				}
				if err := host.WriteTree(out, pages); err != nil {
					return err
				}
				fmt.Fprintln(s.Out, filepath.Clean(out))
				return nil
			}
			return &app.UsageError{Err: fmt.Errorf("unknown format %q", format), Hint: "write --format man or --format markdown"}
		},
	}
	cmd.Flags().StringVar(&format, "format", "markdown", "man or markdown")
	cmd.Flags().StringVarP(&out, "out", "o", "docs/reference", "output directory")
	return cmd
}
