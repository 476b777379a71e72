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
		Short: "Apply the profile atomically",
		Long: `Deploy checks every variable and secret before anything changes, acquires the stack's lock on the engine, prepares
volumes, delivers secrets as files, applies the stack, waits until every service is healthy, and verifies it. The result
is recorded on the engine as a release.

When a service does not become healthy, verification fails, or you interrupt it, deploy rolls the whole stack back to the
last release: images, configuration and secrets together. The next run detects and cleans up a killed run. A first
deploy that fails is stopped, and its containers keep their logs, unless --keep is given.`,
		Example: `  export JWT_SECRET=… REFRESH_SECRET=…
  hsectl deploy -f profiles/hse-digital.yaml
  hsectl plan --out plan.json && hsectl deploy --plan plan.json
  hsectl deploy --only app               # do not change the other services
  hsectl deploy --monitoring             # also the monitoring stack
  hsectl deploy --probe-load 50          # roll back when a visitor would notice
  hsectl deploy --bundle shop.bundle.tar # on an air-gapped host
  hsectl deploy --abort                  # revert a deploy that was interrupted
  hsectl deploy --host ssh://deploy@web1 # on another machine`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return release.Deploy(cmd.Context(), g, s, o) },
	}
	flags := cmd.Flags()
	sessionFlags(&o.Session, cmd)
	probeLoadFlags(&o.Load, cmd)
	formatFlag(cmd, &o.Format)
	flags.BoolVar(&o.Session.KeepOn, "keep", false, "keep a failed first deploy running")
	flags.StringVar(&o.Plan, "plan", "", "apply exactly this saved plan, or fail")
	flags.StringSliceVar(&o.Only, "only", nil, "change only these services")
	flags.BoolVar(&o.DryRun, "dry-run", false, "print the plan and change nothing; same as hsectl plan")
	flags.BoolVar(&o.Abort, "abort", false, "revert an interrupted deploy, and do nothing else")
	flags.BoolVar(&o.SkipHooks, "skip-hooks", false, "do not run the hooks of the profile")
	flags.StringVar(&o.Bundle, "bundle", "", "deploy a file of hsectl bundle write; no registry is queried, and no profile is read")
	cmd.MarkFlagsMutuallyExclusive("bundle", "plan", "abort")
	flags.BoolVar(&o.Monitoring, "monitoring", false, "also deploy the monitoring stack of the profile")
	acceptQuestions(&o.Accept, cmd)
	return cmd
}

// sessionFlags adds the flags of every verb that changes a stack.
func sessionFlags(o *release.SessionOptions, cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.DurationVar(&o.Timeout, "timeout", 5*time.Minute, "timeout for the whole stack to become healthy")
	flags.DurationVar(&o.LockWait, "lock-wait", 0, "time to wait while another deploy holds the lock")
	flags.DurationVar(&o.Settle, "settle", 6*time.Second, "time for which new containers must stay healthy; 0 to skip")
	flags.BoolVar(&o.Verify, "verify", true, "verify the running stack, and roll back when it is not proven")
	flags.IntVar(&o.Keep, "releases", 10, "releases to keep on the engine")
}

func newMaintenance(g *app.Settings, s app.Streams) *cobra.Command {
	var o release.SessionOptions
	cmd := &cobra.Command{
		Use:   "maintenance on|off",
		Short: "Switch the maintenance page of the edge on or off",
		Long: `With on, the edge of a running stack answers every request with its maintenance page and status 503; with off, the
services answer again. Nothing is restarted, and a deploy keeps the setting.`,
		Example: `  hsectl maintenance on
  hsectl maintenance off --stack shop`,
		Args:      cobra.ExactArgs(1),
		ValidArgs: []string{"on", "off"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] != "on" && args[0] != "off" {
				return &app.UsageError{Err: fmt.Errorf("unknown state %q: write on or off", args[0])}
			}
			return release.SetMaintenance(cmd.Context(), g, s, o, args[0] == "on")
		},
	}
	stackFlag(g, cmd)
	cmd.Flags().DurationVar(&o.LockWait, "lock-wait", 0, "time to wait while another deploy holds the lock")
	return cmd
}

func newPlan(g *app.Settings, s app.Streams) *cobra.Command {
	var o release.PlanOptions
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what deploy would do, and why",
		Long: `Plan compares the running containers, the last release, and the profile. It prints the steps in order with their causes,
how each service is replaced, and every field of a container that is not as the last release had it rendered. It changes nothing, and its output contains
no secret values. Images that must be pulled are listed, not pulled.`,
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
	cmd.Flags().StringVarP(&o.Out, "out", "o", "", "save the plan to this file, for deploy --plan")
	cmd.Flags().StringSliceVar(&o.Only, "only", nil, "change only these services")
	cmd.Flags().BoolVar(&o.Monitoring, "monitoring", false, "also plan the monitoring stack")
	cmd.Flags().BoolVar(&o.Detailed, "detailed-exitcode", false, "exit 3 when the plan has changes")
	return cmd
}

func probeLoadFlags(o *release.ProbeLoad, cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.IntVar(&o.Rate, "probe-load", 0, "requests per second to send through the edge during the deploy; roll back when too many fail")
	flags.StringVar(&o.URL, "probe-url", "", "URL for these requests (default: the first site of the edge)")
	flags.Float64Var(&o.Budget, "probe-budget", 0, "maximum percentage of these requests that may fail")
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
		Long: `Rollback restores images, configuration and secrets of an earlier release: the previous one, or RELEASE. It needs neither
the profile's sources nor the values of secrets, only the engine. An interrupted deploy is reverted first; without RELEASE,
rollback stops there. Hooks run only with --hooks, and only those of the local profile: a program that is recorded only on
the engine never runs on this machine.

Image tags keep their newest image: the next deploy applies the profile with the newest images again.`,
		Example: `  hsectl rollback
  hsectl rollback 7
  hsectl rollback --stack shop --host ssh://deploy@web1`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			number := 0
			if len(args) > 0 {
				var err error
				if number, err = strconv.Atoi(args[0]); err != nil || number < 1 {
					return &app.UsageError{Err: fmt.Errorf("%q is not a release number", args[0]), Hint: "list them with: hsectl releases"}
				}
			}
			return release.Rollback(cmd.Context(), g, s, o, number)
		},
	}
	sessionFlags(&o.Session, cmd)
	cmd.Flags().BoolVar(&o.Hooks, "hooks", false, "also run the hooks of the profile")
	formatFlag(cmd, &o.Format)
	stackFlag(g, cmd)
	return cmd
}

func newStatus(g *app.Settings, s app.Streams) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the current release, its services and their addresses, and running deploys",
		Long: `Status queries only the engine. It shows the current release, the state, drift and addresses of each service, an
interrupted deploy, the holder of the lock, and the same for the monitoring stack. Exit 3 when a service is not well or has
drifted, or when a deploy was interrupted. To check every control, run verify.`,
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
		Long: `Backup makes one backup of each volume that has backup: {to: DIRECTORY} in the profile, or of each VOLUME.

When the profile has a dump program, it runs in a container with the same settings as the service, and the files it writes to
/backup are archived; otherwise the files of the volume are archived as they are. Nothing needs a shell, and the engine may
be remote. The archive and its record, with digests, are readable by this user only. Backups beyond keep: are pruned after a
new backup is complete. With encrypt: only the age identities of the recipients can decrypt the archive, and this machine
needs none of them. Prove that the backups can be restored with: hsectl drill restore`,
		Example: `  hsectl backup
  hsectl backup postgres-data -f profiles/shop.yaml`,
		RunE: func(cmd *cobra.Command, args []string) error { return drill.Backup(cmd.Context(), g, s, args) },
	}
}
