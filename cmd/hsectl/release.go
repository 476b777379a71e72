package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/app/drill"
	"github.com/hsectl/hsectl/internal/app/release"
)

func newDeploy(g *app.Settings, s app.Streams) *cobra.Command {
	var o release.DeployOptions
	cmd := &cobra.Command{
		Use:   "deploy",
		Short: "Bring the engine to what the profile says, all of it or nothing",
		Long: `Deploy checks every variable and secret before anything changes, takes the stack's lock on the engine, prepares
volumes, delivers secrets as files, applies the stack, waits until every service is healthy, and verifies it. What it
did is kept on the engine as a release.

When a service does not become healthy, or verification fails, or you interrupt it, the whole stack returns to the last
release: images, configuration and secrets together. A run that was killed is recognised by the next one. A first
deploy that fails is stopped, and its containers keep their logs, unless --keep is given.`,
		Example: `  export JWT_SECRET=… REFRESH_SECRET=…
  hsectl deploy -f profiles/hse-digital.yaml
  hsectl plan --out plan.json && hsectl deploy --plan plan.json
  hsectl deploy --only app               # leave the other services alone
  hsectl deploy --monitoring             # and what watches the stack
  hsectl deploy --probe-load 50          # undo it when a visitor would notice
  hsectl deploy --bundle shop.bundle.tar # where there is no network
  hsectl deploy --abort                  # undo what a killed run left behind
  hsectl deploy --host ssh://deploy@web1 # on another machine`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return release.Deploy(cmd.Context(), g, s, o) },
	}
	flags := cmd.Flags()
	sessionFlags(&o.Session, cmd)
	probeLoadFlags(&o.Load, cmd)
	formatFlag(cmd, &o.Format)
	flags.BoolVar(&o.Session.KeepOn, "keep", false, "leave a first deploy that failed running")
	flags.StringVar(&o.Plan, "plan", "", "apply exactly this saved plan, or nothing")
	flags.StringSliceVar(&o.Only, "only", nil, "change only these services")
	flags.BoolVar(&o.DryRun, "dry-run", false, "print the plan and change nothing; the same as hsectl plan")
	flags.BoolVar(&o.Abort, "abort", false, "undo a deploy that was cut off, and do nothing else")
	flags.BoolVar(&o.SkipHooks, "skip-hooks", false, "run no hook of the profile")
	flags.StringVar(&o.Bundle, "bundle", "", "deploy what is in this file of hsectl bundle write; no registry is asked, and no profile is read")
	cmd.MarkFlagsMutuallyExclusive("bundle", "plan", "abort")
	flags.BoolVar(&o.Monitoring, "monitoring", false, "deploy the monitoring stack of the profile too")
	return cmd
}

// sessionFlags are those of every verb that changes a stack.
func sessionFlags(o *release.SessionOptions, cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.DurationVar(&o.Timeout, "timeout", 5*time.Minute, "time for the whole stack to become healthy")
	flags.DurationVar(&o.LockWait, "lock-wait", 0, "time to wait while somebody else deploys")
	flags.DurationVar(&o.Settle, "settle", 6*time.Second, "time for which new containers must stay well; 0 to skip")
	flags.BoolVar(&o.Verify, "verify", true, "verify the running stack, and undo when it is not proven")
	flags.IntVar(&o.Keep, "releases", 10, "releases to keep on the engine")
}

func newMaintenance(g *app.Settings, s app.Streams) *cobra.Command {
	var o release.SessionOptions
	cmd := &cobra.Command{
		Use:   "maintenance on|off",
		Short: "Let the edge show its maintenance page instead of the services",
		Long: `Maintenance lets the edge of a running stack answer every request with its maintenance page and status 503, or lets the
services answer again. Nothing is restarted, and a deploy keeps it as it is.`,
		Example: `  hsectl maintenance on
  hsectl maintenance off --stack shop`,
		Args:      cobra.ExactArgs(1),
		ValidArgs: []string{"on", "off"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] != "on" && args[0] != "off" {
				return &app.UsageError{Err: fmt.Errorf("%q is neither on nor off", args[0])}
			}
			return release.SetMaintenance(cmd.Context(), g, s, o, args[0] == "on")
		},
	}
	stackFlag(g, cmd)
	cmd.Flags().DurationVar(&o.LockWait, "lock-wait", 0, "time to wait while somebody else deploys")
	return cmd
}

func newPlan(g *app.Settings, s app.Streams) *cobra.Command {
	var o release.PlanOptions
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what deploy would do, and why",
		Long: `Plan compares three places: the running containers, the last release, and the profile. It prints the steps in their
order with their causes, how each service gives way to its successor, and every setting that differs, field by field.
It changes nothing, and what it writes holds no value of a secret. Images that must be pulled are named, not pulled.`,
		Example: `  hsectl plan
  hsectl plan --detailed-exitcode        # 0 no change, 3 changes
  hsectl plan --monitoring
  hsectl plan --out plan.json && hsectl deploy --plan plan.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return release.Plan(cmd.Context(), g, s, o)
		},
	}
	formatFlag(cmd, &o.Format)
	cmd.Flags().StringVarP(&o.Out, "out", "o", "", "file to save the plan in, for deploy --plan")
	cmd.Flags().StringSliceVar(&o.Only, "only", nil, "change only these services")
	cmd.Flags().BoolVar(&o.Monitoring, "monitoring", false, "plan the stack that watches this one, too")
	cmd.Flags().BoolVar(&o.Detailed, "detailed-exitcode", false, "exit 3 when there is something to do")
	return cmd
}

func probeLoadFlags(o *release.ProbeLoad, cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.IntVar(&o.Rate, "probe-load", 0, "send this many requests a second through the edge while it deploys, and undo when too many fail")
	flags.StringVar(&o.URL, "probe-url", "", "address to ask; the first site of the edge unless given")
	flags.Float64Var(&o.Budget, "probe-budget", 0, "percent of these requests that may fail")
}

func newReleases(g *app.Settings, s app.Streams) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "releases",
		Short: "List the releases that the engine keeps of the stack",
		Example: `  hsectl releases
  hsectl releases --stack shop --host ssh://deploy@web1 --format json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := app.CheckFormat(format); err != nil {
				return err
			}
			return release.List(cmd.Context(), g, s, format)
		},
	}
	formatFlag(cmd, &format)
	stackFlag(g, cmd)
	return cmd
}

func newRollback(g *app.Settings, s app.Streams) *cobra.Command {
	var o release.DeployOptions
	cmd := &cobra.Command{
		Use:   "rollback [RELEASE]",
		Short: "Return the whole stack to an earlier release",
		Long: `Rollback brings images, configuration and secrets back to what they were in an earlier release: the one before the
current one, or the one named. It needs neither the profile's sources nor the values of secrets, only the engine. A
deploy that was cut off is undone first; without a number, that is all it does. No hook runs, unless --hooks asks for those
of the profile at hand: a program that only the engine has on record never runs on this machine.

The names of images keep their newest meaning: the next deploy brings the file and the newest images again.`,
		Example: `  hsectl rollback
  hsectl rollback 7
  hsectl rollback --stack shop --host ssh://deploy@web1`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			number := 0
			if len(args) > 0 {
				var err error
				if number, err = strconv.Atoi(args[0]); err != nil || number < 1 {
					return &app.UsageError{Err: fmt.Errorf("%q is not the number of a release", args[0]), Hint: "list them with: hsectl releases"}
				}
			}
			return release.Rollback(cmd.Context(), g, s, o, number)
		},
	}
	sessionFlags(&o.Session, cmd)
	cmd.Flags().BoolVar(&o.Hooks, "hooks", false, "run the hooks of the profile, too")
	formatFlag(cmd, &o.Format)
	stackFlag(g, cmd)
	return cmd
}

func newStatus(g *app.Settings, s app.Streams) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the release that the stack is at, its services, where to look, and who deploys",
		Long: `Status asks only the engine: the current release, whether each service still runs as that release left it and where
it is reached, a deploy that was cut off, who holds the lock, and the same of the stack that watches it. Exit 3 when a
service is not well, was changed, or a deploy was cut off. Whether each control holds is what verify says.`,
		Example: `  hsectl status
  hsectl status --stack shop --format json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := app.CheckFormat(format); err != nil {
				return err
			}
			return release.Status(cmd.Context(), g, s, format)
		},
	}
	formatFlag(cmd, &format)
	stackFlag(g, cmd)
	return cmd
}

func newBackup(g *app.Settings, s app.Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "backup [VOLUME...]",
		Short: "Make the backups that the profile declares",
		Long: `Backup makes one backup now of each volume that has backup: {to: DIRECTORY} in the profile, or of those that are named.

Where the profile has a dump program, that runs in a container with the very settings of the service, and what it leaves in
/backup is taken; otherwise the volume's own files are, as they are at that moment. Nothing needs a shell, and the engine
may be a remote one. The archive and its record, with digests, are readable by this user only. What is kept beyond
keep: goes after a new backup is complete. With encrypt: the archive can be read by the age identities of its recipients only,
and this machine needs none of them. Prove that they can be restored with: hsectl drill restore`,
		Example: `  hsectl backup
  hsectl backup postgres-data -f profiles/shop.yaml`,
		RunE: func(cmd *cobra.Command, args []string) error { return drill.Backup(cmd.Context(), g, s, args) },
	}
}
