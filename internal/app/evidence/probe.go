package evidence

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/ask"
	"github.com/hsectl/hsectl/internal/verify"
)

// ProbeOptions say what is asked, from where, and for how long.
type ProbeOptions struct {
	Check    verify.Check
	Inside   string
	Interval time.Duration
	Deadline time.Duration
	Watch    bool
}

// Probe checks whether a service, or an address, works.
func Probe(ctx context.Context, g *app.Settings, s app.Streams, what string, o ProbeOptions) error {
	var l app.Loaded
	var err error
	if !strings.Contains(what, "://") || o.Inside != "" {
		if l, err = app.LoadPinned(g.File); err != nil {
			return err
		}
	}
	if o.Check.URL = what; !strings.Contains(what, "://") {
		o.Inside = what
		if o.Check.URL, err = healthURL(l, what); err != nil {
			return err
		}
	}
	u, err := url.Parse(o.Check.URL)
	if err != nil || !slices.Contains(verify.Schemes(), u.Scheme) || u.Host == "" {
		return &app.UsageError{Err: fmt.Errorf("%q is not a URL or a service", what), Hint: "write scheme://host:port with one of: " + strings.Join(verify.Schemes(), ", ")}
	}
	ask := func() (verify.Answer, error) { return ask.Check(ctx, o.Check), nil }
	if o.Inside != "" {
		if _, err := app.Services(l, []string{o.Inside}); err != nil {
			return err
		}
		engine, err := g.Connect(ctx)
		if err != nil {
			return err
		}
		defer engine.Close()
		ask = func() (verify.Answer, error) { return engine.Ask(ctx, l.Stack.Name, o.Inside, o.Check) }
	}
	return probeUntil(ctx, s, o, ask)
}

// healthURL is the question that a service's own profile has.
func healthURL(l app.Loaded, service string) (string, error) {
	if _, err := app.Services(l, []string{service}); err != nil {
		return "", err
	}
	from := l.Profile.Services[service]
	switch h := from.Health; {
	case h != nil && h.HTTP != nil:
		return fmt.Sprintf("http://127.0.0.1:%d%s", h.HTTP.Port, h.HTTP.Path), nil
	case h != nil && h.TCP != 0:
		return fmt.Sprintf("tcp://127.0.0.1:%d", h.TCP), nil
	case slices.Contains([]string{"postgres", "mysql", "redis"}, from.Preset):
		return from.Preset + "://127.0.0.1", nil
	case len(from.Verify.Listen) > 0:
		return "tcp://127.0.0.1:" + strconv.Itoa(from.Verify.Listen[0]), nil
	}
	return "", &app.UsageError{Err: fmt.Errorf("the profile defines no probe for service %s", service), Hint: "write a URL and --inside " + service}
}

// probeUntil asks until the answer is good, the deadline is over, or, when watching, until it is interrupted.
func probeUntil(ctx context.Context, s app.Streams, o ProbeOptions, ask func() (verify.Answer, error)) error {
	begun := time.Now()
	last := ""
	ticker := time.NewTicker(max(o.Interval, 100*time.Millisecond))
	defer ticker.Stop()
	for {
		answer, err := ask()
		if err != nil {
			answer = verify.Answer{Text: err.Error()}
		}
		if line := outcome(answer); line != last || !o.Watch {
			fmt.Fprintf(s.Out, "%s %s %s (%s)\n", map[bool]string{true: "✓", false: "✗"}[answer.OK], o.Check.URL, answer.Text, answer.Took.Round(time.Millisecond))
			last = line
		}
		switch {
		case answer.OK && !o.Watch:
			return nil
		case !o.Watch && time.Since(begun) >= o.Deadline:
			return app.ErrFindings
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// outcome is the part of an answer whose change is news.
func outcome(a verify.Answer) string { return fmt.Sprint(a.OK, a.Text) }
