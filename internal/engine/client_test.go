package engine

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// What is slow but moves goes on; only silence ends it, and says how long it was.
func TestCallThatMoves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, ctx := newCall(t.Context(), "GET /slow", time.Minute)
		for range 10 {
			time.Sleep(50 * time.Second) // of the clock of this test
			c.moved(time.Minute)
		}
		if ctx.Err() != nil {
			t.Fatalf("ended while it moved: %v", context.Cause(ctx))
		}
		time.Sleep(61 * time.Second)
		synctest.Wait()
		silent, ok := errors.AsType[*SilentError](context.Cause(ctx))
		if !ok || silent.After != time.Minute || silent.Call != "GET /slow" {
			t.Errorf("got %v", context.Cause(ctx))
		}
		c.moved(time.Minute) // what comes too late changes nothing
		if ctx.Err() == nil {
			t.Error("the call came back to life")
		}
	})
}

// A call that has ended leaves no timer behind that would end anything else.
func TestCallThatEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, ctx := newCall(t.Context(), "GET /done", time.Minute)
		c.cancel(nil)
		synctest.Wait()
		time.Sleep(2 * time.Minute)
		if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
			t.Errorf("got %v", cause)
		}
	})
}
