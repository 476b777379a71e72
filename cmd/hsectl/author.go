package main

import (
	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/app/author"
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
			return author.Format(s, args, check)
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "write nothing; exit 3 when a file is not in order")
	return cmd
}

func newGenerate(g *app.Settings, s app.Streams) *cobra.Command {
	var o author.GenerateOptions
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
			return author.Generate(g, s, o)
		},
	}
	cmd.Flags().StringVarP(&o.Out, "out", "o", "build", "directory for the files")
	cmd.Flags().StringVar(&o.Explained, "explain", "", "write nothing; say where the value at this path of the profile comes from")
	cmd.Flags().BoolVar(&o.Check, "check", false, "write nothing; exit 3 when the directory differs from what would be written")
	return cmd
}

func newInit(g *app.Settings, s app.Streams) *cobra.Command {
	o := author.InitOptions{}
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a profile, from presets or from the Compose files that you have",
		Long: `Init writes a profile to the file of -f.

With --preset SERVICE=PRESET it writes a new stack of known images. With --from it turns Compose files into a profile:
include, extends, anchors and variables are resolved, images with a preset are recognised, and hardening is
added where it can be justified. Nothing is lost: keys that have no place in a profile go to passthrough:, settings that
are weaker than they should be get an exception that ends in 30 days, and what the files do not tell is asked in comments
that begin with TODO(hsectl). Values that look like secrets are not copied.

With --running the containers of that project answer what the files do not tell: the user of their processes, where they
wrote, the memory that they held, the image's own test of health. Nothing in them is changed or restarted.

On a terminal init asks what the flags do not say, and tells the flags for the next time. In a script nothing is asked.`,
		Example: `  hsectl init --preset app=node --preset db=postgres
  hsectl init --from docker-compose.yml
  hsectl init --from docker-compose.yml --running
  hsectl init --from docker-compose.yml --from docker-compose.prod.yml --env-file prod.env -f hsectl.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return author.Init(cmd.Context(), g, s, o)
		},
	}
	cmd.Flags().StringArrayVar(&o.From, "from", nil, "a Compose file; repeated, each further file is laid over it")
	cmd.Flags().StringArrayVar(&o.EnvFiles, "env-file", nil, "variables of the Compose files; .env beside the first when not given")
	cmd.Flags().StringArrayVar(&o.Presets, "preset", nil, "a service of a new stack: NAME=PRESET, or PRESET alone")
	cmd.Flags().BoolVar(&o.Running, "running", false, "with --from: let the project's running containers answer what the files do not tell")
	cmd.Flags().StringVar(&o.Name, "name", "", "name of the new stack; that of the directory when not given")
	cmd.Flags().BoolVar(&o.Except, "except", false, "give each control that still fails an exception of 30 days, so that deploy takes the profile today")
	cmd.Flags().BoolVar(&o.Force, "force", false, "replace the profile when there is one")
	return cmd
}
