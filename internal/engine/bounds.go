package engine

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Bounds are how long an engine may take. Every call is bounded by one of them, in addition to the caller's own: an engine that
// stops answering ends as a SilentError.
type Bounds struct {
	Prompt time.Duration // a question that is asked again, or whose answer can be missed: is it there, a heartbeat, logs
	Answer time.Duration // any other question
	Change time.Duration // a change, which may move much data: what a volume holds, or the layers of an image
	Idle   time.Duration // between two pieces of what is sent or received in pieces
}

// orDefault fills what is not said.
func (b Bounds) orDefault() Bounds {
	return Bounds{Prompt: cmp.Or(b.Prompt, 15*time.Second), Answer: cmp.Or(b.Answer, time.Minute),
		Change: cmp.Or(b.Change, 10*time.Minute), Idle: cmp.Or(b.Idle, 10*time.Minute)}
}

// Times that are about more than one call.
const (
	// CreateTimeout bounds the creation of a container, which copies an image's content into new volumes.
	CreateTimeout = 2 * time.Minute
	// ProbeTimeout bounds a probe: it takes less than a second, and on a machine that has no time half a minute.
	ProbeTimeout = time.Minute
	// ProbeStart bounds the time between making a probe and starting it.
	ProbeStart = time.Minute
	// PollInterval is how often the containers of a stack are looked at while something is waited for.
	PollInterval = 250 * time.Millisecond
)

// SilentError is an engine that did not answer in time. It comes as the cause of an UnreachableError.
type SilentError struct {
	Call  string
	After time.Duration
}

// Error implements error.
func (e *SilentError) Error() string {
	return fmt.Sprintf("no answer to %s within %s", e.Call, e.After)
}

// kind is how a call takes its time.
type kind int

const (
	question kind = iota // answered at once
	change               // answered when it is done
	stopping             // answered when a container has ended, within its grace period
	stream               // answered in pieces
	upload               // answered when all is sent, whose length is unknown; Upload bounds it
	waiting              // answered when something happens; its caller bounds it
)

// kindOf tells it by method and path. What is not known is a question or a change.
func kindOf(r *http.Request) kind {
	parts := strings.Split(pathOf(r), "/")
	first, last := parts[1], parts[len(parts)-1]
	switch {
	case first == "events", first == "grpc", first == "session", first == "exec" && last == "start":
		return waiting
	case first == "build", first == "images" && last == "load":
		return upload
	case first == "images" && (last == "create" || last == "push" || last == "get"):
		return stream
	case first == "containers":
		switch last {
		case "stop", "restart":
			return stopping
		case "attach", "wait":
			return waiting
		case "logs", "stats", "export":
			return stream
		case "archive":
			switch {
			case r.Method == http.MethodGet:
				return stream
			case r.Method == http.MethodPut && r.ContentLength <= 0:
				return upload
			case r.Method == http.MethodPut: // a few files, from memory
				return question
			}
		}
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return question
	}
	return change
}

// pathOf returns the path of a call without the version.
func pathOf(r *http.Request) string {
	if version, rest, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/"); ok && strings.HasPrefix(version, "v1.") {
		return "/" + rest
	}
	return r.URL.Path
}

// of returns how long a call and its answer may take together; for a stream, how long until it begins. Where it is 0 the caller
// bounds the call.
func (b Bounds) of(r *http.Request) time.Duration {
	switch kindOf(r) {
	case question:
		return b.Answer
	case change, stream:
		return b.Change
	case stopping:
		if grace, err := strconv.Atoi(r.URL.Query().Get("t")); err == nil && grace >= 0 {
			return b.Change + time.Duration(grace)*time.Second
		}
		return 6 * b.Change // the grace period is the container's own
	}
	return 0
}
