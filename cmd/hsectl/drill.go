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
		Short:   "Prove behaviour by trying it on a throw-away copy",
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
		Long: `Shutdown starts a throw-away copy of each service with all it depends on, under another name, with volumes of
its own and nothing published, sends the stop signal, and judges the time, the exit code, the log lines in their
order, and that no SIGKILL was needed. The live service is not touched unless --live is given.`,
		Example: `  hsectl drill shutdown app
  hsectl drill shutdown               # every service in turn
  hsectl drill shutdown app --live    # stop the running one, and start it again`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.Check(); err != nil {
				return err
			}
			return drill.Shutdown(cmd.Context(), g, s, args, o)
		},
	}
	reportFlags(&o.ReportOptions, cmd)
	cmd.Flags().BoolVar(&o.Live, "live", false, "stop the running service itself, and start it again")
	cmd.Flags().DurationVar(&o.Timeout, "timeout", 5*time.Minute, "time for the copy to become healthy")
	return cmd
}

func newDrillMemory(g *app.Settings, s app.Streams) *cobra.Command {
	var o app.ReportOptions
	cmd := &cobra.Command{
		Use:   "memory [SERVICE...]",
		Short: "Prove that memory limits hold, and that the runtime's heap fits them",
		Long: `Memory starts a container with the limits of each running service, lets it take twice as much, and judges that the
kernel ends it and that the engine says so. It compares the heap limit of Node.js, Java, Go and Redis with the
service's memory. The service itself is not touched.`,
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
		Short: "Prove that a service keeps its budget under load",
		Long: `Load sends requests at a constant rate to the published port of a running service and measures, beside the answers,
what every container of the stack uses. It judges errors, latency and memory.

With --script the requests are those of an Artillery script, sent by the artillery program of the project that the
script is in, or of PATH; it is not downloaded. The script's target is replaced by the service's published port, and
a threshold of its own that is missed fails the drill.`,
		Example: `  hsectl drill load app --path /api/health --rate 100 --duration 30s --p95 200ms
  hsectl drill load app --script scripts/load-test.yml --p95 500ms
  hsectl drill load app --format html > load.html`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.Check(); err != nil {
				return err
			}
			if f := cmd.Flags(); o.Script != "" && (f.Changed("rate") || f.Changed("duration") || f.Changed("path")) {
				return &app.UsageError{Err: errors.New("--script excludes --rate, --duration and --path"), Hint: "the script's phases and flows say them"}
			}
			return drill.Load(cmd.Context(), g, s, args, o)
		},
	}
	reportFlags(&o.ReportOptions, cmd)
	f := cmd.Flags()
	f.StringVar(&o.URL, "url", "", "address to ask, instead of the service's published port")
	f.StringVar(&o.Path, "path", "", "path to ask; that of the health test unless given")
	f.StringVar(&o.Script, "script", "", "file of an Artillery script to run instead of a constant rate")
	f.IntVar(&o.Rate, "rate", 50, "requests per second")
	f.DurationVar(&o.Duration, "duration", 20*time.Second, "how long")
	f.DurationVar(&o.Budget.P95, "p95", 500*time.Millisecond, "time within which 95% of the answers must come")
	f.Float64Var(&o.Budget.Errors, "max-errors", 0, "share of requests that may fail, from 0 to 1")
	f.Float64Var(&o.Budget.Memory, "max-memory", 0.9, "share of the memory limit that may be used")
	return cmd
}

func recoveryFlags(o *drill.RecoveryOptions, cmd *cobra.Command) {
	reportFlags(&o.ReportOptions, cmd)
	cmd.Flags().DurationVar(&o.Timeout, "timeout", 5*time.Minute, "time for the copy to become healthy")
	cmd.Flags().DurationVar(&o.Budget, "budget", time.Minute, "time in which the service must be healthy again")
}

func newDrillRestart(g *app.Settings, s app.Streams) *cobra.Command {
	var o drill.RecoveryOptions
	cmd := &cobra.Command{
		Use:     "restart [SERVICE...]",
		Short:   "Prove that services come back after a restart, with what they left behind",
		Long:    "Restart starts a throw-away copy of each service, stops it, starts it again with the same volumes, and waits for health.",
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
		Short: "Prove that services notice a lost dependency, and recover",
		Long: `Dependency starts a throw-away copy of each service with all it depends on, stops one dependency after the other,
and judges that the service becomes unhealthy, and healthy again after the dependency came back.`,
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
		Long: `Restore takes the newest backup of each volume that hsectl backs up, compares it with its digest, and brings it back
into a throw-away copy of the service, with volumes of its own. A backup of files must come back byte for byte before the
copy starts from it; what a program dumped is brought back by the profile's restore program. Then the copy must be healthy,
and the profile's check program must end with 0. The live service and its data are not touched. The result is kept beside
the backups, where verify and the checklist look for it.`,
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
