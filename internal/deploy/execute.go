package deploy

import (
	"context"
	"fmt"
	"regexp"
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
	Logs     []string // last lines, without terminal escapes
	Waited   time.Duration
}

// Error implements error.
func (e *UnhealthyError) Error() string {
	if e.Untested {
		return fmt.Sprintf("service %q did not stay up: %s", e.Service, e.State)
	}
	return fmt.Sprintf("service %q did not become healthy: %s", e.Service, e.State)
}

// refusedPassword is what clients of databases print.
var refusedPassword = regexp.MustCompile(`(?i)password authentication failed|access denied for user|\bWRONGPASS\b`)

// Reason returns the likely cause in the terms of the profile, or nothing when none is recognised.
func (e *UnhealthyError) Reason() string {
	text := strings.Join(e.Logs, "\n") + "\n" + e.Health
	switch {
	case e.OOM:
		return "the kernel killed it for memory: raise limits.memory, or lower the runtime's own heap limit"
	case refusedPassword.MatchString(text):
		return "a service that it needs refuses its password, which that may keep in its data since its first start: hsectl doctor names the secret"
	case e.ExitCode == 126:
		return "its command cannot be executed: a tmpfs is mounted noexec unless exec: true"
	case strings.Contains(text, "EROFS") || strings.Contains(strings.ToLower(text), "read-only file system"):
		return "it writes to a path that is not declared: add the path to writable:"
	case strings.Contains(text, "EACCES") || strings.Contains(strings.ToLower(text), "permission denied"):
		return "its user may not write a path: declare the path under writable:, or check the owner of the files in the volume"
	case strings.Contains(text, "exec format error"):
		return "the image is for another processor architecture than the engine's"
	case e.ExitCode == 127 || strings.Contains(text, "executable file not found"):
		return "a program of its command or health test is not in the image"
	case strings.Contains(text, "Operation not permitted") || strings.Contains(text, "EPERM"):
		return "it needs a capability: add it under capabilities: with a reason"
	case strings.Contains(text, "EAI_AGAIN") || strings.Contains(text, "ENOTFOUND") || strings.Contains(text, "could not translate host name"):
		return "it cannot resolve a name: put both services on one network"
	case strings.Contains(text, "ECONNREFUSED") || strings.Contains(strings.ToLower(text), "connection refused"):
		return "nothing listens where it connects to: check the port and depends_on:"
	case e.Health != "" && e.ExitCode == 0:
		return "it runs, but its health test fails: compare the port and path in health: with the service's own"
	}
	return ""
}
