package trials

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/enginetest"
	"github.com/hsectl/hsectl/internal/engine/observe"
)

// elsewhen is the time on an engine whose clock is years from ours.
func elsewhen() time.Time { return time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC) }

func connect(t *testing.T, answers enginetest.Answers) *engine.Connection {
	t.Helper()
	if _, ok := answers["GET /info"]; !ok {
		answers["GET /info"] = enginetest.JSON(map[string]any{"SystemTime": elsewhen().Format(time.RFC3339Nano)})
	}
	s := enginetest.New(t, answers)
	e, err := engine.Connect(t.Context(), engine.Endpoint{Host: s.Host()})
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

func drillsOf(e *engine.Connection) *Drills {
	return New(e, observe.NewProbes(e, func() ([]byte, error) { return []byte("program"), nil }))
}

// Whether the engine had to kill is asked about the engine's own time.
func TestKilledByTheEnginesClock(t *testing.T) {
	t.Parallel()
	answers := enginetest.Containers("shop", enginetest.Container("0123456789ab", "shop-app-1", "app", nil))
	answers["POST /containers/{id}/stop"] = enginetest.Nothing()
	answers["GET /containers/{id}/logs"] = enginetest.Nothing()
	answers["GET /events"] = func(w http.ResponseWriter, r *http.Request) {
		at := elsewhen().Unix()
		since, errS := strconv.ParseInt(r.URL.Query().Get("since"), 10, 64)
		until, errU := strconv.ParseInt(r.URL.Query().Get("until"), 10, 64)
		if errS == nil && errU == nil && since <= at && at <= until {
			_ = json.NewEncoder(w).Encode(map[string]any{"Type": "container", "Action": "kill", "Actor": map[string]any{"ID": "0123456789ab", "Attributes": map[string]string{"signal": "9"}}})
		}
	}
	e := connect(t, answers)
	stopped, err := drillsOf(e).Stop(t.Context(), "shop", "app")
	if err != nil || !stopped.Killed {
		t.Errorf("%+v, %v", stopped, err)
	}
}

// The end of the engine's events is no error, and anything else is.
func TestEventsThatEnd(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		events http.HandlerFunc
		good   bool
	}{
		"none":        {enginetest.Nothing(), true},
		"cut off":     {enginetest.Half(`{"Type":"container","Action":"ki`), false},
		"no events":   {enginetest.Text("<html>"), false},
		"refused":     {enginetest.Status(http.StatusInternalServerError, "not now"), false},
		"no such API": {enginetest.Status(http.StatusNotFound, "page not found"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answers := enginetest.Containers("shop", enginetest.Container("0123456789ab", "shop-app-1", "app", nil))
			answers["POST /containers/{id}/stop"], answers["GET /containers/{id}/logs"], answers["GET /events"] = enginetest.Nothing(), enginetest.Nothing(), tt.events
			e := connect(t, answers)
			if stopped, err := drillsOf(e).Stop(t.Context(), "shop", "app"); (err == nil) != tt.good {
				t.Errorf("%+v, %v", stopped, err)
			}
		})
	}
}

// Sampling ends with its context, whatever the engine answers.
func TestSamplesOfBrokenAnswers(t *testing.T) {
	t.Parallel()
	for said, answer := range map[string]http.HandlerFunc{"nothing": enginetest.Nothing(), "null": enginetest.JSON(nil), "an object": enginetest.Text("{}"),
		"nulls": enginetest.Text("[null]"), "half": enginetest.Half(`{"Id":"0123`), "refused": enginetest.Status(http.StatusInternalServerError, "not now")} {
		t.Run(said, func(t *testing.T) {
			t.Parallel()
			answers := enginetest.Containers("shop", enginetest.Container("0123456789ab", "shop-app-1", "app", nil))
			answers["GET /containers/{id}/stats"] = answer
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			_, err := drillsOf(connect(t, answers)).Sample(ctx, "shop", time.Millisecond)
			t.Log(err) // that it comes to an end is what is tested
		})
	}
}
