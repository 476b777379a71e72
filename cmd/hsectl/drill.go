package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/app/drill"
)

func newDrill(g *app.Settings, s app.Streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "drill",
		Short:   "Test behaviour on a throw-away copy of the stack",
		Example: "  hsectl drill shutdown app",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newDrillShutdown(g, s), newDrillRestart(g, s), newDrillDependency(g, s), newDrillMemory(g, s), newDrillLoad(g, s), newDrillRestore(g, s))
	return cmd
}

func newDrillShutdown(g *app.Settings, s app.Streams) *cobra.Command {
	var o drill.ShutdownOptions
	cmd := &cobra.Command{
		Use:   "shutdown [SERVICE...]",
		Short: "Prove that services stop as declared",
		Long: `Shutdown starts a throw-away copy of each service and its dependencies, under another name, with its own volumes
and without published ports, sends the stop signal, and checks the duration, the exit code, the order of the log
lines, and that no SIGKILL was needed. It also checks that the program itself got the signal, through inits, shells, npm
and scripts, had a handler for it and was waited for. The live service is not touched unless --live is given.`,
		Example: `  hsectl drill shutdown app
  hsectl drill shutdown               # every service in turn
  hsectl drill shutdown app --live    # stop and restart the running service`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.Check(); err != nil {
				return err
			}
			return drill.Shutdown(cmd.Context(), g, s, args, o)
		},
	}
	reportFlags(&o.ReportOptions, cmd)
	cmd.Flags().BoolVar(&o.Live, "live", false, "stop and restart the running service itself")
	cmd.Flags().DurationVar(&o.Timeout, "timeout", 5*time.Minute, "timeout for the copy to become healthy")
	return cmd
}

func newDrillMemory(g *app.Settings, s app.Streams) *cobra.Command {
	var o app.ReportOptions
	cmd := &cobra.Command{
		Use:   "memory [SERVICE...]",
		Short: "Prove that memory limits are enforced and that the runtime's heap fits them",
		Long: `Memory starts a container with the limits of each running service, allocates twice as much memory in it, and checks that
the kernel kills it and that the engine reports it. It compares the heap limit of Node.js, Java, Go and Redis with the
memory limit of the service. The service itself is not touched.`,
		Example: "  hsectl drill memory app",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.Check(); err != nil {
				return err
			}
			return drill.Memory(cmd.Context(), g, s, args, o)
		},
	}
	reportFlags(&o, cmd)
	return cmd
}

func newDrillLoad(g *app.Settings, s app.Streams) *cobra.Command {
	var o drill.LoadOptions
	cmd := &cobra.Command{
		Use:   "load SERVICE",
		Short: "Prove that a service meets its latency, error and memory budget under load",
		Long: `Load sends requests at a constant rate to the published port of a running service. It measures the responses and the
resource usage of every container of the stack, and checks errors, latency and memory.

With --script it runs an Artillery script, with the artillery program of the project that contains the script, or of
PATH; nothing is downloaded. The script's target is replaced by the service's published port. A missed threshold of
the script fails the drill.`,
		Example: `  hsectl drill load app --path /api/health --rate 100 --duration 30s --p95 200ms
  hsectl drill load app --script scripts/load-test.yml --p95 500ms
  hsectl drill load app --format html > load.html`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.Check(); err != nil {
				return err
			}
			if f := cmd.Flags(); o.Script != "" && (f.Changed("rate") || f.Changed("duration") || f.Changed("path")) {
				return &app.UsageError{Err: errors.New("--script excludes --rate, --duration and --path"), Hint: "the script's phases and flows define them"}
			}
			return drill.Load(cmd.Context(), g, s, args, o)
		},
	}
	reportFlags(&o.ReportOptions, cmd)
	f := cmd.Flags()
	f.StringVar(&o.URL, "url", "", "URL for the requests, instead of the service's published port")
	f.StringVar(&o.Path, "path", "", "path for the requests (default: the path of the health test)")
	f.StringVar(&o.Script, "script", "", "Artillery script to run instead of a constant rate")
	f.IntVar(&o.Rate, "rate", 50, "requests per second")
	f.DurationVar(&o.Duration, "duration", 20*time.Second, "duration of the load")
	f.DurationVar(&o.Budget.P95, "p95", 500*time.Millisecond, "maximum latency of 95% of the requests")
	f.Float64Var(&o.Budget.Errors, "max-errors", 0, "maximum share of failed requests, from 0 to 1")
	f.Float64Var(&o.Budget.Memory, "max-memory", 0.9, "maximum share of the memory limit, from 0 to 1")
	return cmd
}

func recoveryFlags(o *drill.RecoveryOptions, cmd *cobra.Command) {
	reportFlags(&o.ReportOptions, cmd)
	cmd.Flags().DurationVar(&o.Timeout, "timeout", 5*time.Minute, "timeout for the copy to become healthy")
	cmd.Flags().DurationVar(&o.Budget, "budget", time.Minute, "maximum time until the service is healthy again")
}

func newDrillRestart(g *app.Settings, s app.Streams) *cobra.Command {
	var o drill.RecoveryOptions
	cmd := &cobra.Command{
		Use:     "restart [SERVICE...]",
		Short:   "Prove that services restart with their data intact",
		Long:    "Restart starts a throw-away copy of each service, stops it, starts it again with the same volumes, and waits until it is healthy.",
		Example: "  hsectl drill restart postgres --budget 30s",
		RunE: func(cmd *cobra.Command, args []string) error {
			return drill.Restart(cmd.Context(), g, s, args, o)
		},
	}
	recoveryFlags(&o, cmd)
	return cmd
}

func newDrillDependency(g *app.Settings, s app.Streams) *cobra.Command {
	var o drill.RecoveryOptions
	cmd := &cobra.Command{
		Use:   "dependency [SERVICE...]",
		Short: "Prove that services detect a lost dependency and recover",
		Long: `Dependency starts a throw-away copy of each service and its dependencies, stops one dependency after the other, and
checks that the service becomes unhealthy, and healthy again after the dependency is restarted.`,
		Example: "  hsectl drill dependency app",
		RunE: func(cmd *cobra.Command, args []string) error {
			return drill.Dependency(cmd.Context(), g, s, args, o)
		},
	}
	recoveryFlags(&o, cmd)
	return cmd
}

func newDrillRestore(g *app.Settings, s app.Streams) *cobra.Command {
	var o drill.RecoveryOptions
	cmd := &cobra.Command{
		Use:   "restore [VOLUME...]",
		Short: "Prove that the newest backup of a volume can be restored",
		Long: `Restore takes the newest backup of each volume that hsectl backs up, compares it with its digest, and restores it
into a throw-away copy of the service with its own volumes. A backup of files must be restored byte for byte before the
copy starts from it; a dump is restored by the profile's restore program. Then the copy must become healthy, and the
profile's check program must exit with 0. The live service and its data are not touched. The result is stored with
the backups, where verify and the checklist read it.`,
		Example: `  hsectl drill restore
  hsectl drill restore postgres-data --format json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.Check(); err != nil {
				return err
			}
			return drill.Restore(cmd.Context(), g, s, args, o)
		},
	}
	recoveryFlags(&o, cmd)
	return cmd
}
