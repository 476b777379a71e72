package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/deploy"
)

// run is the whole program as a function of its inputs. It returns the exit code.
func run(ctx context.Context, args []string, s app.Streams) int {
	root := newRoot(s)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil && !errors.Is(err, app.ErrFindings) {
		if ctx.Err() != nil {
			s.Say("interrupted")
			if failed, ok := errors.AsType[*deploy.FailedError](err); ok {
				s.Say("%s", failed.State())
			}
		} else {
			explain(s.Err, err)
		}
	}
	return exitCode(ctx, err)
}

func newRoot(s app.Streams) *cobra.Command {
	g := &app.Settings{}
	root := &cobra.Command{
		Use:   "hsectl",
		Short: "Harden, deploy and prove a Docker Compose stack from one reviewed profile",
		Long: `hsectl compiles one profile into a hardened Docker Compose stack, builds and deploys it,
and proves on the running containers that every control holds.

  hsectl generate --out build/     write the Compose file and the files it needs
  hsectl build                     build the images that the profile builds
  hsectl plan                      show what deploy would do, and why
  hsectl deploy                    apply the profile atomically
  hsectl rollback                  return to the previous release
  hsectl verify                    prove every control on the running containers
  hsectl status                    show the release, the services and their addresses
  hsectl drill shutdown            prove that a service stops as declared

Exit codes: 0 ok, 1 failed, 2 wrong usage or invalid profile, 3 findings or not proven, 4 another
deploy holds the lock, 130 interrupted.`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return configure(cmd)
		},
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	flags := root.PersistentFlags()
	flags.StringArrayVarP(&g.File.Files, "file", "f", []string{"hsectl.yaml"}, "profile file; repeat to merge further files over it")
	flags.StringVarP(&g.File.Environment, "env", "e", "", "environment to apply (a key under environments:)")
	flags.StringArrayVar(&g.File.Set, "set", nil, "set one value of the profile, such as services.app.limits.memory=2G")
	flags.StringSliceVar(&g.File.Profiles, "profiles", nil, "also include services whose profiles: lists one of these names; * for all")
	flags.StringVarP(&g.Host, "host", "H", "", "address of the engine, such as unix:///run/docker.sock or ssh://user@host")
	flags.StringVarP(&g.Context, "context", "c", "", "Docker context of the engine")
	flags.StringVar(&g.Identity, "age-identity", "", "age identity file that decrypts secrets (HSECTL_AGE_IDENTITY may also hold the key itself)")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &app.UsageError{Err: err, Hint: "see: " + cmd.CommandPath() + " --help"}
	})
	addVerbs(root, g, s)
	positional(root)
	return root
}

// addVerbs adds the verbs in groups; groups and verbs stand in the order in which a new user needs them.
func addVerbs(root *cobra.Command, g *app.Settings, s app.Streams) {
	cobra.EnableCommandSorting = false
	for _, group := range []struct {
		title string
		verbs []*cobra.Command
	}{
		{"Write and check a profile:", []*cobra.Command{newInit(g, s), newGenerate(g, s), newLint(g, s), newReview(g, s), newFmt(g, s)}},
		{"Images:", []*cobra.Command{newBuild(g, s), newLock(g, s), newScan(g, s), newSign(g, s), newBundle(g, s)}},
		{"The running stack:", []*cobra.Command{newPlan(g, s), newDeploy(g, s), newRollback(g, s), newReleases(g, s), newStatus(g, s), newMaintenance(g, s), newBackup(g, s), newSecrets(g, s)}},
		{"Evidence:", []*cobra.Command{newVerify(g, s), newProbe(g, s), newDrill(g, s), newSize(g, s), newChecklist(g, s), newDoctor(g, s)}},
		{"Reference:", []*cobra.Command{newControls(s), newPresets(s), newSchema(s), newDocs(s), newVersion(s)}},
	} {
		root.AddGroup(&cobra.Group{ID: group.title, Title: group.title})
		for _, verb := range group.verbs {
			verb.GroupID = group.title
			root.AddCommand(verb)
		}
	}
	last := root.Groups()[len(root.Groups())-1].ID
	root.SetHelpCommandGroupID(last)
	root.SetCompletionCommandGroupID(last)
	root.AddCommand(newProbeContainer(s), newProbeMachine(s), newSBOMGenerator(s))
}

// positional reports a wrong number of arguments as a usage error, like an unknown flag.
func positional(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		positional(sub)
	}
	check := cmd.Args
	if check == nil {
		return
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return &app.UsageError{Err: errors.New(strings.TrimSpace(err.Error())), Hint: "see: " + cmd.CommandPath() + " --help"}
		}
		return nil
	}
}
