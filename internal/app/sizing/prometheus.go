package sizing

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/ask"
	"github.com/hsectl/hsectl/internal/engine/usage"
	"github.com/hsectl/hsectl/internal/monitoring"
	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/size"
	"github.com/hsectl/hsectl/internal/verify"
)

func usagePlan(m measurement, tmpfs map[string][]string) usage.Plan {
	return usage.Plan{Stack: m.loaded.Stack.Name, Services: m.services, Tmpfs: tmpfs, Interval: m.options.Interval, Duration: m.options.Sample}
}

// Asked in pieces, because an answer that comes through a probe has a bound of 1 MiB: a sample takes less than answerBytes of them.
const (
	answerBytes  = 768 << 10
	sampleBytes  = 40
	mostPoints   = 11_000                  // of one series, by Prometheus' own bound
	inside       = "http://127.0.0.1:9090" // Prometheus, from its own network
	insideBudget = 2*time.Minute + 10*time.Second
)

// steps are the times that one point may stand for: the first is the finest, and a stack with many services gets a coarser one.
func steps() []time.Duration {
	return []time.Duration{5 * time.Minute, 15 * time.Minute, time.Hour}
}

// grid returns the step of a window, and how many services are asked about at once.
func grid(window time.Duration, services int) (step time.Duration, together int) {
	for _, step = range steps() {
		together = max(1, answerBytes/sampleBytes/int(window/step+1))
		if together >= services && int(window/step) < mostPoints {
			break
		}
	}
	return step, together
}

// prometheus asks the Prometheus of the monitoring stack, or the one at an address.
func (m measurement) prometheus(ctx context.Context) (map[string]size.Usage, size.Window, error) {
	p, watched := m.loaded.Profile, m.loaded.Stack
	step, together := grid(m.options.Window, len(m.services))
	to := time.Now().Truncate(time.Minute)
	w := size.Window{From: to.Add(-m.options.Window), To: to, Step: step, Source: "Prometheus"}
	question, done, err := m.question(ctx)
	if err != nil {
		return nil, w, err
	}
	defer done()
	out := map[string]size.Usage{}
	for begin := 0; begin < len(m.services); begin += together {
		services := m.services[begin:min(begin+together, len(m.services))]
		queries, err := monitoring.UsageQueries(p, watched, services, step, m.options.Start)
		if err != nil {
			return nil, w, noSource(fmt.Errorf("asking Prometheus: %w", err))
		}
		for _, q := range queries {
			body, err := question(ctx, q.Expr, w)
			if err != nil {
				return nil, w, unanswered(q.Measure, err)
			}
			answer, err := size.Decode(body, watched.Name, services, w)
			if err != nil {
				return nil, w, unanswered(q.Measure, err)
			}
			w.Dropped += answer.Dropped
			if len(w.Warnings) == 0 {
				w.Warnings = answer.Warnings
			}
			for service, series := range answer.Series {
				out[service] = out[service].With(q.Measure, series)
			}
		}
	}
	return out, w, nil
}

// unanswered says which question was not answered.
func unanswered(m size.Measure, err error) error {
	err = fmt.Errorf("asking Prometheus about %s: %w", m, err)
	if errors.Is(err, ask.ErrTooLarge) {
		return &app.UsageError{Err: err, Hint: "name fewer services, or ask about less time with --window"}
	}
	return err
}

// noSource is that there is no Prometheus to ask.
func noSource(err error) error {
	return &app.UsageError{Err: err, Hint: "add monitoring: to the profile and deploy with --monitoring, or measure now with --sample 10m"}
}

// question returns how Prometheus is asked, and what to do when all is asked.
func (m measurement) question(ctx context.Context) (func(context.Context, string, size.Window) ([]byte, error), func(), error) {
	if m.loaded.Profile.Monitoring == nil {
		return nil, nil, noSource(fmt.Errorf("%s has no monitoring section, so no Prometheus measures %s", m.loaded.Path, m.loaded.Stack.Name))
	}
	if at := m.options.Prometheus; at != "" {
		u, err := url.Parse(at)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, nil, &app.UsageError{Err: errors.New("the address of Prometheus is not a URL"), Hint: "write --prometheus http://127.0.0.1:9090"}
		}
		return func(ctx context.Context, query string, w size.Window) ([]byte, error) {
			return ask.Range(ctx, ask.RangeURL(at, query, w.From, w.To, w.Step))
		}, func() {}, nil
	}
	e, err := m.settings.Connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	name := profile.MonitoringName(m.loaded.Stack.Name)
	ids, err := e.Identities(ctx, name)
	if err == nil && len(ids) == 0 {
		err = noSource(fmt.Errorf("the monitoring stack %s does not run on this engine", name))
	}
	if err != nil {
		return nil, nil, errors.Join(err, e.Close())
	}
	return func(ctx context.Context, query string, w size.Window) ([]byte, error) {
		answer, err := e.Ask(ctx, name, profile.PartPrometheus, verify.Check{URL: ask.RangeURL(inside, query, w.From, w.To, w.Step), Timeout: insideBudget, Keep: true, Any: true})
		switch {
		case err != nil:
			return nil, err
		case !answer.OK:
			return nil, errors.New(answer.Text)
		}
		return []byte(answer.Body), nil
	}, func() { _ = e.Close() }, nil
}
