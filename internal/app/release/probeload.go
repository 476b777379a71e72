package release

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/ask"
	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/stack"
)

// ProbeLoad are the flags by which a deploy is watched with visitors' eyes.
type ProbeLoad struct {
	Rate   int
	URL    string
	Budget float64 // percent of requests that may fail
	visit  ask.Visit
}

// LoadError is a deploy that visitors noticed.
type LoadError struct {
	Seen   ask.Visited
	Budget float64
}

// Error implements error.
func (e *LoadError) Error() string {
	if e.Seen.Requests == 0 {
		return "the probe load could not send any request"
	}
	return fmt.Sprintf("%d of %d requests failed during the deploy (%.2f %%; the budget is %g %%): %s", e.Seen.Failed, e.Seen.Requests,
		share(e.Seen), e.Budget, strings.Join(e.Seen.Errors, "; "))
}

func share(v ask.Visited) float64 { return 100 * float64(v.Failed) / float64(max(v.Requests, 1)) }

// aim decides what is asked, and refuses what cannot be asked before anything changes.
func (o *ProbeLoad) aim(s stack.Stack, local bool) error {
	switch {
	case o.Rate < 0 || o.Budget < 0 || o.Budget >= 100:
		return &app.UsageError{Err: errors.New("--probe-load must not be below 0, and --probe-budget is a percentage below 100")}
	case o.Rate == 0:
		return nil
	case o.URL != "":
		o.visit = ask.Visit{URL: o.URL, PerSecond: o.Rate}
		return nil
	case s.Edge == nil || len(s.Edge.Sites) == 0:
		return &app.UsageError{Err: errors.New("--probe-load: the stack has no edge"), Hint: "name the address with --probe-url"}
	case !local:
		return &app.UsageError{Err: errors.New("--probe-load: the engine is on another machine"), Hint: "name the address by which its edge is reached with --probe-url"}
	}
	site := s.Edge.Sites[0]
	scheme, _, _ := strings.Cut(site.URL, "://")
	o.visit = ask.Visit{URL: scheme + "://" + site.Address + "/", Host: site.Name, Insecure: site.Own(), PerSecond: o.Rate}
	return nil
}

// start sends the load and returns what ends it and judges what was seen.
func (o ProbeLoad) start(ctx context.Context, report func(deploy.Event)) func() error {
	ctx, stop := context.WithCancel(ctx)
	seen := make(chan ask.Visited, 1)
	go func() { seen <- ask.Send(ctx, o.visit) }()
	return func() error {
		stop()
		got := <-seen
		if got.Requests == 0 || share(got) > o.Budget {
			return &LoadError{got, o.Budget}
		}
		report(deploy.Event{Subject: "probe load", Text: fmt.Sprintf("%d requests, %d failed", got.Requests, got.Failed), Done: true})
		return nil
	}
}
