package engine_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/enginetest"
)

// connect reaches a fake with the bounds of every day.
func connect(t *testing.T, answers enginetest.Answers) *engine.Connection {
	t.Helper()
	return connectWithin(t, answers, engine.Bounds{})
}

func connectWithin(t *testing.T, answers enginetest.Answers, bounds engine.Bounds) *engine.Connection {
	t.Helper()
	e, err := engine.Connect(t.Context(), engine.Endpoint{Host: enginetest.New(t, answers).Host(), Bounds: bounds})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// Whatever is asked of an engine that has stopped answering ends as the same error, without any word of the caller.
func TestSilentEngine(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		pattern string
		answer  http.HandlerFunc
		ask     func(context.Context, *engine.Connection) error
	}{
		"a question": {"GET /containers/json", enginetest.Silent(), func(ctx context.Context, e *engine.Connection) error {
			_, err := e.Stack(ctx, "shop")
			return err
		}},
		"half an answer": {"GET /containers/json", enginetest.Stalled(`[{"Id":`), func(ctx context.Context, e *engine.Connection) error {
			_, err := e.Stack(ctx, "shop")
			return err
		}},
		"a change": {"POST /containers/{id}/kill", enginetest.Silent(), func(ctx context.Context, e *engine.Connection) error {
			_, err := e.API.ContainerKill(ctx, "x", client.ContainerKillOptions{})
			return err
		}},
		"a stop": {"POST /containers/{id}/stop", enginetest.Silent(), func(ctx context.Context, e *engine.Connection) error {
			now := 0
			_, err := e.API.ContainerStop(ctx, "x", client.ContainerStopOptions{Timeout: &now})
			return err
		}},
		"a stream that does not begin": {"GET /containers/{id}/archive", enginetest.Silent(), readArchive},
		"a stream that does not go on": {"GET /containers/{id}/archive", archiveStalled, readArchive},
		"files from memory": {"PUT /containers/{id}/archive", enginetest.Silent(), func(ctx context.Context, e *engine.Connection) error {
			_, err := e.API.CopyToContainer(ctx, "x", client.CopyToContainerOptions{DestinationPath: "/", Content: bytes.NewBufferString("tar")})
			return err
		}},
		"an upload": {"POST /images/load", enginetest.Silent(), func(ctx context.Context, e *engine.Connection) error {
			return e.LoadImages(ctx, io.LimitReader(zeros{}, 1<<20))
		}},
		"an upload that is not taken": {"POST /images/load", enginetest.Silent(), func(ctx context.Context, e *engine.Connection) error {
			return e.LoadImages(ctx, zeros{})
		}},
		"a cleanup": {"DELETE /containers/{id}", enginetest.Silent(), func(ctx context.Context, e *engine.Connection) error {
			ended, end := context.WithCancel(ctx)
			end()
			return e.Discard(ended, "0123456789ab")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			short := 200 * time.Millisecond
			err := tt.ask(context.WithoutCancel(t.Context()), connectWithin(t, enginetest.Answers{tt.pattern: tt.answer}, engine.Bounds{Answer: short, Change: short, Idle: short}))
			if _, ok := errors.AsType[*engine.SilentError](err); !ok && !(name == "a cleanup" && errors.Is(err, context.DeadlineExceeded)) {
				t.Errorf("got %v", err)
			}
			if _, ok := errors.AsType[*engine.UnreachableError](err); !ok && name != "a cleanup" {
				t.Errorf("%v is not an engine that cannot be reached", err)
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// archiveStalled begins a tar of which nothing comes.
func archiveStalled(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Docker-Container-Path-Stat", "eyJuYW1lIjoieCJ9") // {"name":"x"}
	enginetest.Stalled("begin")(w, r)
}

func readArchive(ctx context.Context, e *engine.Connection) error {
	answer, err := e.API.CopyFromContainer(ctx, "x", client.CopyFromContainerOptions{SourcePath: "/"})
	if err != nil {
		return err
	}
	defer answer.Content.Close()
	_, err = io.Copy(io.Discard, answer.Content)
	return err
}

// The end of the caller is the end of the call, and is called so.
func TestInterruptedQuestion(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	e := connect(t, enginetest.Answers{"POST /containers/{id}/wait": enginetest.Silent(), "GET /containers/json": func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		enginetest.Silent()(w, r)
	}})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	if _, err := e.Stack(ctx, "shop"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// An engine that cannot be spoken with is said to be that when it is reached, not later.
func TestConnect(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answers enginetest.Answers
		old     bool
	}{
		"no version":  {enginetest.Answers{"GET /version": enginetest.Half(`{"Vers`)}, false},
		"refuses":     {enginetest.Answers{"GET /version": enginetest.Status(http.StatusInternalServerError, "not now")}, false},
		"is too old":  {enginetest.Old(), true},
		"stops there": {enginetest.Answers{"GET /version": enginetest.Silent()}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := engine.Connect(t.Context(), engine.Endpoint{Host: enginetest.New(t, tt.answers).Host(), Bounds: engine.Bounds{Prompt: 2 * time.Second}})
			_, unreachable := errors.AsType[*engine.UnreachableError](err)
			_, old := errors.AsType[*engine.TooOldError](err)
			if unreachable == tt.old || old != tt.old {
				t.Errorf("got %v", err)
			}
		})
	}
}
