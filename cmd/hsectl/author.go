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
		Short: "Sort the keys of profiles, keeping every comment",
		Long: `Fmt sorts the keys of a profile in the order of the reference. Only whole lines move, each with the comments above
it. Without FILE it formats every file of -f.`,
		Example: `  hsectl fmt
  hsectl fmt --check profiles/*.yaml   # exit 3 when a file is not sorted`,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = g.File.Files
			}
			return author.Format(s, args, check)
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "write nothing; exit 3 when a file is not sorted")
	return cmd
}

// acceptQuestions adds the flag of what refuses a profile with open questions.
func acceptQuestions(accept *bool, cmd *cobra.Command) {
	cmd.Flags().BoolVar(accept, "accept-questions", false, "go on with open questions: the controls that they are about stay as they are, under their exceptions")
}

func newGenerate(g *app.Settings, s app.Streams) *cobra.Command {
	var o author.GenerateOptions
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Write the hardened Compose file of a profile",
		Long: `Generate renders the profile into a directory: docker-compose.yml, .env.example and hsectl.manifest.json, and
docker-compose.monitoring.yml with its files under monitoring/ when the profile has a monitoring section. With
monitoring.verify it writes a timer that runs verify, under monitoring/verify.
The same profile always produces the same bytes. Files are replaced atomically; a failure keeps the old ones.`,
		Example: `  hsectl generate --out build/
  hsectl generate -f profiles/hse-digital.yaml --out build/ --check   # exit 3 when build/ is stale
  hsectl generate --explain services.app.limits          # show where values come from; writes nothing`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return author.Generate(g, s, o)
		},
	}
	cmd.Flags().StringVarP(&o.Out, "out", "o", "build", "output directory")
	cmd.Flags().StringVar(&o.Explained, "explain", "", "write nothing; show where the value at this path of the profile comes from")
	cmd.Flags().BoolVar(&o.Check, "check", false, "write nothing; exit 3 when the output directory is stale")
	acceptQuestions(&o.Accept, cmd)
	return cmd
}

func newInit(g *app.Settings, s app.Streams) *cobra.Command {
	o := author.InitOptions{}
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a profile from presets or from existing Compose files",
		Long: `Init writes a profile to the file of -f.

With --preset SERVICE=PRESET it writes a new stack of known images. With --from it converts Compose files into a profile:
include, extends, anchors and variables are resolved, images with a preset are detected, and hardening is
added where it breaks nothing: where the image, its preset or the file say what the service needs. Nothing is lost: keys that a
profile does not model go to passthrough:, and settings that fail a control get an exception that expires in 30 days. What is not
known stays as it was, under an exception with a question: in place of a reason; generate and deploy stop at open questions. With
--strict it is guessed instead. Values that look like secrets are not copied.

With --running, the running containers of the project help to answer these questions: the user of their processes, the paths they
wrote, the image's own health test. The containers are not changed or restarted.

On a terminal init prompts for missing flags and prints the equivalent command. In a script it never prompts.`,
		Example: `  hsectl init --preset app=node --preset db=postgres
  hsectl init --from docker-compose.yml
  hsectl init --from docker-compose.yml --running
  hsectl init --from docker-compose.yml --from docker-compose.prod.yml --env-file prod.env -f hsectl.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return author.Init(cmd.Context(), g, s, o)
		},
	}
	cmd.Flags().StringArrayVar(&o.From, "from", nil, "Compose file; repeat to merge further files over it")
	inputFlags(&o.Inputs, cmd)
	cmd.Flags().Lookup("env-file").Usage = "file with variables that the files may use (default: .env next to the first Compose file)"
	cmd.Flags().StringArrayVar(&o.Presets, "preset", nil, "service of a new stack: NAME=PRESET, or PRESET alone")
	cmd.Flags().BoolVar(&o.Running, "running", false, "with --from: also inspect the project's running containers")
	cmd.Flags().StringVar(&o.Name, "name", "", "name of the new stack (default: the name of the directory)")
	cmd.Flags().BoolVar(&o.Except, "except", false, "add an exception of 30 days for each control that still fails, so that the profile can be deployed today")
	cmd.Flags().BoolVar(&o.Force, "force", false, "replace an existing profile")
	cmd.Flags().BoolVar(&o.Strict, "strict", false, "with --from: harden every service, and guess what is not known of its user, paths and limits")
	return cmd
}
