package host

import (
	"context"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/hsectl/hsectl/internal/verify"
)

// Load sends requests at a constant rate for a time, whatever the service answers, and measures the answers.
func Load(ctx context.Context, url string, perSecond int, duration time.Duration) verify.Loaded {
	attacker := vegeta.NewAttacker(vegeta.Timeout(10*time.Second), vegeta.Redirects(vegeta.NoFollow), vegeta.KeepAlive(true))
	targets := vegeta.NewStaticTargeter(vegeta.Target{Method: "GET", URL: url})
	stop := context.AfterFunc(ctx, func() { attacker.Stop() })
	defer stop()
	var m vegeta.Metrics
	for result := range attacker.Attack(targets, vegeta.Rate{Freq: perSecond, Per: time.Second}, duration, "hsectl") {
		m.Add(result)
	}
	m.Close()
	return verify.Loaded{
		Requests: m.Requests, Success: m.Success, Rate: m.Throughput,
		P50: m.Latencies.P50, P95: m.Latencies.P95, P99: m.Latencies.P99, Most: m.Latencies.Max, Errors: m.Errors,
	}
}
