package ask

import (
	"context"
	"crypto/tls"
	"net/http"
	"strconv"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/hsectl/hsectl/internal/verify/drills"
)

const loadTimeout = 10 * time.Second

// Load sends requests at a constant rate for a time, whatever the service answers, and measures the answers.
func Load(ctx context.Context, url string, perSecond int, duration time.Duration) drills.Loaded {
	attacker := vegeta.NewAttacker(vegeta.Timeout(loadTimeout), vegeta.Redirects(vegeta.NoFollow), vegeta.KeepAlive(true))
	m := attack(ctx, attacker, vegeta.Target{Method: http.MethodGet, URL: url}, perSecond, duration)
	return drills.Loaded{
		Requests: m.Requests, Success: m.Success, Rate: m.Throughput,
		P50: m.Latencies.P50, P95: m.Latencies.P95, P99: m.Latencies.P99, Most: m.Latencies.Max, Errors: m.Errors,
	}
}

// Visit is what visitors of a site do while it is changed: each comes with a new connection, over TLS as browsers do with
// HTTP/2 where the site speaks it.
type Visit struct {
	URL       string
	Host      string // name of the site, where the address in URL is another; also for TLS
	Insecure  bool   // the certificate is not verified
	PerSecond int
}

// Visited is what they saw.
type Visited struct {
	Requests uint64
	Failed   uint64   // without an answer, or with one of 500 and above
	Errors   []string // each kind once
}

// Send lets visitors come until the context ends, and returns what they all saw once the last one has its answer.
func Send(ctx context.Context, v Visit) Visited {
	target := vegeta.Target{Method: http.MethodGet, URL: v.URL}
	if v.Host != "" {
		target.Header = http.Header{"Host": {v.Host}}
	}
	attacker := vegeta.NewAttacker(vegeta.Timeout(loadTimeout), vegeta.Redirects(vegeta.NoFollow), vegeta.KeepAlive(false),
		vegeta.TLSConfig(&tls.Config{MinVersion: tls.VersionTLS12, ServerName: v.Host, InsecureSkipVerify: v.Insecure}),
		vegeta.HTTP2(true)) // last: it goes by the settings for TLS
	m := attack(ctx, attacker, target, v.PerSecond, 0)
	out := Visited{Requests: m.Requests, Errors: m.Errors}
	for code, n := range m.StatusCodes {
		if c, err := strconv.Atoi(code); err != nil || c == 0 || c >= http.StatusInternalServerError {
			out.Failed += uint64(n)
		}
	}
	return out
}

// attack sends requests for a time, or until the context ends when the time is 0.
func attack(ctx context.Context, attacker *vegeta.Attacker, target vegeta.Target, perSecond int, duration time.Duration) vegeta.Metrics {
	stop := context.AfterFunc(ctx, func() { attacker.Stop() })
	defer stop()
	var m vegeta.Metrics
	for result := range attacker.Attack(vegeta.NewStaticTargeter(target), vegeta.Rate{Freq: perSecond, Per: time.Second}, duration, "hsectl") {
		m.Add(result)
	}
	m.Close()
	return m
}
