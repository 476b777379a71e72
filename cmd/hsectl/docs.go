package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/policy/controls"
	"github.com/hsectl/hsectl/internal/profile/validation"
)

func newDocs(s app.Streams) *cobra.Command {
	var format, out string
	cmd := &cobra.Command{
		Use:   "docs",
		Short: "Write the reference: a page for each verb, all controls, and every key of a profile",
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
				pages, err := referencePages()
				if err != nil {
					return err
				}
				if err := host.WriteTree(out, pages); err != nil {
					return err
				}
				fmt.Fprintln(s.Out, filepath.Clean(out))
				return nil
			}
			return &app.UsageError{Err: fmt.Errorf("there is no format %q", format), Hint: "write --format man or --format markdown"}
		},
	}
	cmd.Flags().StringVar(&format, "format", "markdown", "man or markdown")
	cmd.Flags().StringVarP(&out, "out", "o", "docs/reference", "directory for the pages")
	return cmd
}

// referencePages are made from the tables and types that the program itself uses.
func referencePages() ([]generate.File, error) {
	schema, err := validation.Schema()
	if err != nil {
		return nil, err
	}
	presets, err := presetsPage()
	if err != nil {
		return nil, err
	}
	return []generate.File{
		{Path: "controls.md", Data: controlsPage()}, {Path: "profile.md", Data: profilePage()},
		{Path: "presets.md", Data: presets}, {Path: "profile.schema.json", Data: schema},
	}, nil
}

func controlsPage() []byte {
	var b strings.Builder
	b.WriteString("# Controls\n\nOne table judges the rendered stack and the running containers. CIS numbers are those of docker-bench-security, which\nimplements CIS Docker Benchmark 1.6.0.\n")
	for _, c := range controls.Catalogue() {
		fmt.Fprintf(&b, "\n## %s — %s\n\n*%s; %s.* %s\n\n- **Mend:** %s\n- **See:** %s\n", c.ID, c.Title, c.Severity, "judged "+judgedBy(c), c.Rationale, c.Remedy, strings.Join(c.References, ", "))
	}
	return []byte(b.String())
}

func profilePage() []byte {
	var b strings.Builder
	b.WriteString("# The profile\n\nEvery key. `NAME` stands for any name, `[]` for an entry of a list. What a service does not set comes from the stack's\n`defaults`, then from its preset, then from the built-in baseline. [profile.schema.json](profile.schema.json) says the same to editors.\n\n| key | type | what it is |\n|---|---|---|\n")
	for _, k := range validation.Describe() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.Path, k.Type, strings.ReplaceAll(k.Doc, "|", "\\|"))
	}
	return []byte(b.String())
}
