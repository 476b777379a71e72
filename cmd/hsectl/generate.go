package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/host"
)

func newGenerate(g *globals, s streams) *cobra.Command {
	var out, explained string
	var check bool
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Write the hardened Compose file of a profile",
		Long: `Generate renders the profile into a directory: docker-compose.yml, .env.example and hsectl.manifest.json, and
docker-compose.monitoring.yml with its files under monitoring/ when the profile has a monitoring section. With monitoring.verify it writes a timer that runs verify, under monitoring/verify.
The same profile gives the same bytes. Files are replaced together; a failure leaves the old ones.`,
		Example: `  hsectl generate --out build/
  hsectl generate -f profiles/hse-digital.yaml --out build/ --check   # exit 3 when build/ is stale
  hsectl generate --explain services.app.limits          # where values come from; writes nothing`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			l, err := load(g.file)
			if err != nil {
				return err
			}
			if explained != "" {
				return explainValue(s, l, explained)
			}
			if l, err = l.pinned(); err != nil {
				return err
			}
			files, err := render(l, out)
			if err != nil {
				return err
			}
			if check {
				return checkStale(s, out, files)
			}
			if err := host.WriteTree(out, files); err != nil {
				return err
			}
			for _, f := range files {
				fmt.Fprintf(s.Out, "%s\n", filepath.Join(out, f.Path))
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "build", "directory for the files")
	cmd.Flags().StringVar(&explained, "explain", "", "write nothing; say where the value at this path of the profile comes from")
	cmd.Flags().BoolVar(&check, "check", false, "write nothing; exit 3 when the directory differs from what would be written")
	return cmd
}

// render makes paths in the files relative to the directory they will be in.
func render(l loaded, out string) ([]generate.File, error) {
	absOut, err := filepath.Abs(out)
	if err != nil {
		return nil, fmt.Errorf("finding the output directory: %w", err)
	}
	absDir, err := filepath.Abs(l.dir())
	if err != nil {
		return nil, fmt.Errorf("finding the profile's directory: %w", err)
	}
	root, err := filepath.Rel(absOut, absDir)
	if err != nil {
		root = absDir // another drive on Windows: no relative path exists
	}
	source := generate.Source{
		Profile: filepath.ToSlash(filepath.Base(l.path)), Data: l.data, BuildRoot: filepath.ToSlash(root), Generator: "hsectl",
		Inputs: l.inputs, Choices: l.choices,
	}
	beside, ok, err := l.watching()
	if err != nil {
		return nil, err
	}
	if ok {
		source.Monitoring = &beside.stack
		source.Verify = l.profile.Monitoring.Verify.D
	}
	return generate.Render(l.stack, source)
}

func checkStale(s streams, out string, files []generate.File) error {
	stale, err := host.Stale(out, files)
	if err != nil {
		return err
	}
	for _, path := range stale {
		fmt.Fprintf(s.Out, "stale  %s\n", filepath.Join(out, path))
	}
	if len(stale) > 0 {
		s.say("%s in %s stale; write them with: hsectl generate --out %s", count(len(stale), "file"), out, out)
		return errFindings
	}
	return nil
}
