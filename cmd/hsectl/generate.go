package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/host"
)

func newGenerate(g *app.Settings, s app.Streams) *cobra.Command {
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
			l, err := app.Load(g.File)
			if err != nil {
				return err
			}
			if explained != "" {
				return explainValue(s, l, explained)
			}
			if l, err = l.Pinned(); err != nil {
				return err
			}
			l.WarnExpired(s)
			files, err := app.Render(l, out)
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

func checkStale(s app.Streams, out string, files []generate.File) error {
	stale, err := host.Stale(out, files)
	if err != nil {
		return err
	}
	for _, path := range stale {
		fmt.Fprintf(s.Out, "stale  %s\n", filepath.Join(out, path))
	}
	if len(stale) > 0 {
		s.Say("%s in %s stale; write them with: hsectl generate --out %s", app.Count(len(stale), "file"), out, out)
		return app.ErrFindings
	}
	return nil
}
