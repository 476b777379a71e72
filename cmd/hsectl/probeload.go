package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/stack"
)

// probeLoad are the flags by which a deploy is watched with visitors' eyes.
type probeLoad struct {
	rate   int
	url    string
	budget float64 // percent of requests that may fail
	visit  host.Visit
}

func (o *probeLoad) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.IntVar(&o.rate, "probe-load", 0, "send this many requests a second through the edge while it deploys, and undo when too many fail")
	flags.StringVar(&o.url, "probe-url", "", "address to ask; the first site of the edge unless given")
	flags.Float64Var(&o.budget, "probe-budget", 0, "percent of these requests that may fail")
}

// LoadError is a deploy that visitors noticed.
type LoadError struct {
	Seen   host.Visited
	Budget float64
}

// Error implements error.
func (e *LoadError) Error() string {
	if e.Seen.Requests == 0 {
		return "the probe load got no request out"
	}
	return fmt.Sprintf("%d of %d requests failed while it was deployed (%.2f %%, and the budget is %g %%): %s", e.Seen.Failed, e.Seen.Requests,
		share(e.Seen), e.Budget, strings.Join(e.Seen.Errors, "; "))
}

func share(v host.Visited) float64 { return 100 * float64(v.Failed) / float64(max(v.Requests, 1)) }

// aim decides what is asked, and refuses what cannot be asked before anything changes.
func (o *probeLoad) aim(s stack.Stack, local bool) error {
	switch {
	case o.rate < 0 || o.budget < 0 || o.budget >= 100:
		return &app.UsageError{Err: errors.New("--probe-load must not be below 0, and --probe-budget is a percentage below 100")}
	case o.rate == 0:
		return nil
	case o.url != "":
		o.visit = host.Visit{URL: o.url, PerSecond: o.rate}
		return nil
	case s.Edge == nil || len(s.Edge.Sites) == 0:
		return &app.UsageError{Err: errors.New("--probe-load: the stack has no edge"), Hint: "name the address to ask with --probe-url"}
	case !local:
		return &app.UsageError{Err: errors.New("--probe-load: the engine is on another machine"), Hint: "name the address by which its edge is reached with --probe-url"}
	}
	site := s.Edge.Sites[0]
	scheme, _, _ := strings.Cut(site.URL, "://")
	o.visit = host.Visit{URL: scheme + "://" + site.Address + "/", Host: site.Name, Insecure: site.Own(), PerSecond: o.rate}
	return nil
}

// start sends the load and returns what ends it and judges what was seen.
func (o probeLoad) start(ctx context.Context, report func(deploy.Event)) func() error {
	ctx, stop := context.WithCancel(ctx)
	seen := make(chan host.Visited, 1)
	go func() { seen <- host.Send(ctx, o.visit) }()
	return func() error {
		stop()
		got := <-seen
		if got.Requests == 0 || share(got) > o.budget {
			return &LoadError{got, o.budget}
		}
		report(deploy.Event{Subject: "probe load", Text: fmt.Sprintf("%d requests, %d failed", got.Requests, got.Failed), Done: true})
		return nil
	}
}
