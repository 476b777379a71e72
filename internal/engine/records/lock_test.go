package records_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/deploy/lock"
	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/enginetest"
	"github.com/hsectl/hsectl/internal/engine/records"
	"github.com/hsectl/hsectl/internal/engine/volumes"
	"github.com/hsectl/hsectl/internal/record"
)

// store returns the records of a fake.
func store(t *testing.T, answers enginetest.Answers, bounds engine.Bounds) *records.Store {
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
	return records.New(e, volumes.New(e))
}

// locking are the answers of an engine on which the lock is free.
func locking(more enginetest.Answers) enginetest.Answers {
	out := enginetest.Containers("shop", enginetest.Container("lock00000000", "hsectl.lock.shop", "", nil))
	out["POST /containers/create"] = enginetest.JSON(map[string]any{"Id": "lock00000000"})
	out["DELETE /containers/{id}"] = enginetest.Nothing()
	for pattern, answer := range more {
		out[pattern] = answer
	}
	return out
}

// A write that hangs ends, and who lets the lock go waits no longer for it than an engine may take.
func TestWriteThatHangs(t *testing.T) {
	t.Parallel()
	writing := make(chan struct{})
	st := store(t, locking(enginetest.Answers{"PUT /containers/{id}/archive": func(w http.ResponseWriter, r *http.Request) {
		close(writing)
		enginetest.Silent()(w, r)
	}}), engine.Bounds{Answer: 2 * time.Second})
	l, err := st.Lock(t.Context(), "shop", records.LockOptions{Holder: lock.Holder{By: "a test"}, Report: func(deploy.Event) {}})
	if err != nil {
		t.Fatal(err)
	}
	wrote := make(chan error)
	go func() { wrote <- l.Write(t.Context(), record.Journal{Sequence: 1}) }()
	<-writing
	_ = l.Unlock(t.Context()) // that it returns is what is tested
	err = <-wrote
	if _, ok := errors.AsType[*engine.SilentError](err); !ok {
		t.Errorf("got %v", err)
	}
}

// A lock that an engine does not describe is not taken, and one that it does not let us make is an error.
func TestLockOfABrokenEngine(t *testing.T) {
	t.Parallel()
	for name, answers := range map[string]enginetest.Answers{
		"no name for it":     {"POST /containers/create": enginetest.JSON(nil)},
		"no answer":          {"POST /containers/create": enginetest.Nothing()},
		"half an answer":     {"POST /containers/create": enginetest.Half(`{"Id":"lo`)},
		"not described":      {"GET /containers/{id}/json": enginetest.JSON(nil)},
		"half a description": {"GET /containers/{id}/json": enginetest.Half(`{"Id":"lock00000000"`)},
		"refused":            {"POST /containers/create": enginetest.Status(http.StatusInternalServerError, "not now")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := store(t, locking(answers), engine.Bounds{}).Lock(t.Context(), "shop", records.LockOptions{Holder: lock.Holder{By: "a test"}, Report: func(deploy.Event) {}})
			if err == nil {
				t.Errorf("taken: %v", l.Unlock(t.Context()))
			}
		})
	}
}
