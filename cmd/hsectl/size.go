package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/app/sizing"
	"github.com/hsectl/hsectl/internal/size"
)

func newSize(g *app.Settings, s app.Streams) *cobra.Command {
	var o sizing.Options
	cmd := &cobra.Command{
		Use:   "size [SERVICE...]",
		Short: "Propose limits and reservations from what the services used",
		Long: `Size compares the limits and reservations of each service with what its busiest container used, and proposes values with their
reasons. It asks the Prometheus of the profile's own monitoring about the last 14 days or, with --sample, measures the running
containers from now on.

Memory: the peak without file cache × 1.2, a start apart; 25 % more after an OOM kill; never below what the flags of the runtime
promise it (-Xmx, --max-old-space-size, GOMEMLIMIT, shared_buffers, maxmemory). A flag that the preset computes moves with the limit
and still holds what was used. Cpu: the 95th percentile × 1.2, and more where the service was throttled. Processes and tmpfs: the
peak × 2. Reservations: between the median and the 90th percentile. What was not measured is unknown, and gets no proposal.

A service that was measured for less than 24 hours gets no proposal without --force. --write changes the profile; comments and order
are kept. --prove starts a copy of each changed service with the proposed limits, exhausts the memory of a container with them, and
sends load to the copy; with --write, nothing is written when that fails. Exit 3 when a service was not measured, or not for long
enough, or when a proof fails.`,
		Example: `  hsectl size
  hsectl size app --write && hsectl deploy
  hsectl size --prove
  hsectl size --sample 30m --force       # measure now, during a load test
  hsectl size --format patch > size.patch`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Load.Format, o.Load.All = "text", true
			return sizing.Run(cmd.Context(), g, s, args, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Format, "format", "text", "text, json or patch")
	f.StringVar(&o.Prometheus, "prometheus", "", "URL of the stack's own Prometheus (default: asked within its network, through the engine)")
	f.DurationVar(&o.Window, "window", size.DefaultWindow, "time before now that Prometheus is asked about")
	f.DurationVar(&o.Sample, "sample", 0, "measure the running containers for this long, instead of asking Prometheus")
	f.DurationVar(&o.Interval, "interval", 10*time.Second, "time between two measurements of --sample")
	f.DurationVar(&o.Start, "start", size.StartTime, "time after the start of a container that is measured apart")
	f.BoolVar(&o.Force, "force", false, "also propose from less than 24 hours")
	f.BoolVar(&o.Write, "write", false, "write the proposals into the profile")
	f.BoolVar(&o.Prove, "prove", false, "prove the proposals on copies of the services: memory and load")
	f.IntVar(&o.Load.Rate, "rate", 50, "requests per second of --prove")
	f.DurationVar(&o.Load.Duration, "duration", 20*time.Second, "duration of the load of --prove")
	f.DurationVar(&o.Load.Budget.P95, "p95", 500*time.Millisecond, "maximum latency of 95% of the requests of --prove")
	f.Float64Var(&o.Load.Budget.Memory, "max-memory", 0.9, "maximum share of the memory limit under the load of --prove, from 0 to 1")
	return cmd
}
