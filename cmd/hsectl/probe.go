package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/verify"
)

// probeOptions say what is asked, from where, and for how long.
type probeOptions struct {
	check    verify.Check
	inside   string
	interval time.Duration
	deadline time.Duration
	watch    bool
}

func newProbe(g *app.Settings, s app.Streams) *cobra.Command {
	var o probeOptions
	cmd := &cobra.Command{
		Use:   "probe URL|SERVICE",
		Short: "Ask a service whether it works, from outside or from inside its network",
		Long: `Probe puts one question and judges the answer; images need no curl. The scheme of the URL says how: http, https,
tcp, tls (days until the certificate ends), dns, postgres, mysql, redis (without a password: is it ready?), grpc and
grpcs (the health service). The name of a service asks what its profile has under health:, from inside.
Exit 3 when no good answer comes before the deadline.`,
		Example: `  hsectl probe http://127.0.0.1:3001/api/health --body ok --max-latency 500ms
  hsectl probe app                                  # as its profile says, from inside
  hsectl probe postgres://postgres --inside app     # does the app reach its database?
  hsectl probe tls://example.org --days 14
  hsectl probe app --deadline 2m                    # wait until it works
  hsectl probe app --watch`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runProbe(cmd.Context(), g, s, args[0], o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.inside, "inside", "", "ask from the network of this service")
	f.IntVar(&o.check.Status, "status", 0, "HTTP status that must come; any from 200 to 399 unless given")
	f.StringVar(&o.check.Body, "body", "", "text that the answer must hold")
	f.StringVar(&o.check.Header, "header", "", "header that the answer must have, as \"Name: value\"")
	f.DurationVar(&o.check.Latency, "max-latency", 0, "time within which the answer must come")
	f.DurationVar(&o.check.Timeout, "timeout", 5*time.Second, "time for one attempt")
	f.IntVar(&o.check.Days, "days", 14, "days that a certificate must still be valid")
	f.BoolVar(&o.check.Insecure, "insecure", false, "do not check who signed the certificate")
	f.DurationVar(&o.interval, "interval", 2*time.Second, "time between two attempts")
	f.DurationVar(&o.deadline, "deadline", 0, "ask again until this time is over")
	f.BoolVarP(&o.watch, "watch", "w", false, "ask until interrupted, and print what changes")
	return cmd
}

func runProbe(ctx context.Context, g *app.Settings, s app.Streams, what string, o probeOptions) error {
	var l app.Loaded
	var err error
	if !strings.Contains(what, "://") || o.inside != "" {
		if l, err = app.LoadPinned(g.File); err != nil {
			return err
		}
	}
	if o.check.URL = what; !strings.Contains(what, "://") {
		o.inside = what
		if o.check.URL, err = healthURL(l, what); err != nil {
			return err
		}
	}
	u, err := url.Parse(o.check.URL)
	if err != nil || !slices.Contains(verify.Schemes(), u.Scheme) || u.Host == "" {
		return &app.UsageError{Err: fmt.Errorf("%q is no address to ask", what), Hint: "write scheme://host:port with one of: " + strings.Join(verify.Schemes(), ", ")}
	}
	ask := func() (verify.Answer, error) { return host.Ask(ctx, o.check), nil }
	if o.inside != "" {
		if _, err := app.Services(l, []string{o.inside}); err != nil {
			return err
		}
		engine, err := g.Connect(ctx)
		if err != nil {
			return err
		}
		defer engine.Close()
		ask = func() (verify.Answer, error) { return engine.Inside(ctx, l.Stack.Name, o.inside, o.check) }
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
	return "", &app.UsageError{Err: fmt.Errorf("the profile does not say how service %s is asked", service), Hint: "write a URL and --inside " + service}
}

// probeUntil asks until the answer is good, the deadline is over, or, when watching, until somebody ends it.
func probeUntil(ctx context.Context, s app.Streams, o probeOptions, ask func() (verify.Answer, error)) error {
	begun := time.Now()
	last := ""
	ticker := time.NewTicker(max(o.interval, 100*time.Millisecond))
	defer ticker.Stop()
	for {
		answer, err := ask()
		if err != nil {
			answer = verify.Answer{Text: err.Error()}
		}
		if line := outcome(answer); line != last || !o.watch {
			fmt.Fprintf(s.Out, "%s %s %s (%s)\n", map[bool]string{true: "✓", false: "✗"}[answer.OK], o.check.URL, answer.Text, answer.Took.Round(time.Millisecond))
			last = line
		}
		switch {
		case answer.OK && !o.watch:
			return nil
		case !o.watch && time.Since(begun) >= o.deadline:
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
