package deploy

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Engine makes steps happen.
type Engine interface {
	// Observe returns what the engine has of what is desired.
	Observe(ctx context.Context, d Desired) (Observed, error)
	// Apply makes steps happen that do not depend on each other, telling report about their progress.
	Apply(ctx context.Context, steps []Step, report func(Event)) error
}

// Event is progress that a person may want to see.
type Event struct {
	Kind    EventKind `json:"kind,omitempty"`
	Subject string    `json:"subject"` // service, volume, network or image
	Text    string    `json:"text"`    // what happens to it, such as "healthy"
	Done    bool      `json:"done,omitempty"`
}

// EventKind tells what an event is about; empty is the progress of something within a step.
type EventKind string

// The kinds of events.
const (
	StepEvent  EventKind = "step"  // a step was recorded and begins; Subject is the phase
	PhaseEvent EventKind = "phase" // the direction changes
	LogEvent   EventKind = "log"   // a line that a job printed
)

// Execute applies the plan in order and stops at the first failure.
func Execute(ctx context.Context, p Plan, e Engine, report func(Event)) error {
	for _, batch := range batches(p.Steps) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := e.Apply(ctx, batch, report); err != nil {
			return fmt.Errorf("applying %s: %w", strings.Join(names(batch), ", "), err)
		}
	}
	return nil
}

// batches cuts steps where one needs what another has done. Volumes are prepared and filled at once: nothing reads them
// before containers are made.
func batches(steps []Step) [][]Step {
	var out [][]Step
	for i, s := range steps {
		if i > 0 && s.Kind.WritesVolume() && steps[i-1].Kind.WritesVolume() {
			out[len(out)-1] = append(out[len(out)-1], s)
			continue
		}
		out = append(out, []Step{s})
	}
	return out
}

func names(steps []Step) []string {
	var out []string
	for _, s := range steps {
		out = append(out, s.Name())
	}
	return out
}

// RefusedError is a live service that did not load what was delivered to it. What it had loaded before stays in force.
type RefusedError struct {
	Service, Reason string
	Deaf            bool // it did not understand that it was to load something
}

// Error implements error.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("service %q refuses its configuration: %s", e.Service, e.Reason)
}

// UnreachableError is a service that is well and does not answer where its callers stand.
type UnreachableError struct {
	Service, From, URL, Reason string
}

// Error implements error.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("service %q cannot be reached: %s asked %s: %s", e.Service, e.From, e.URL, e.Reason)
}

// UnhealthyError says which service did not become healthy, and everything that helps to see why.
type UnhealthyError struct {
	Service  string
	State    string // such as "exited with code 1" or "unhealthy"
	Untested bool   // it has no health test, so that it could only stay up
	ExitCode int
	OOM      bool
	Health   string   // output of the last health test
	Logs     []string // its last lines, without terminal escapes; more than is shown
	Waited   time.Duration
}

// Error implements error.
func (e *UnhealthyError) Error() string {
	if e.Untested {
		return fmt.Sprintf("service %q did not stay up: %s", e.Service, e.State)
	}
	return fmt.Sprintf("service %q did not become healthy: %s", e.Service, e.State)
}
