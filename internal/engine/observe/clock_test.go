package observe

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/enginetest"
	"github.com/hsectl/hsectl/internal/engine/images"
	"github.com/hsectl/hsectl/internal/engine/records"
	"github.com/hsectl/hsectl/internal/engine/volumes"
	"github.com/hsectl/hsectl/internal/verify"
)

// elsewhen is the time on an engine whose clock is years from ours.
func elsewhen() time.Time { return time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC) }

func connect(t *testing.T, answers enginetest.Answers) (*engine.Connection, *enginetest.Server) {
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
	return e, s
}

func observer(e *engine.Connection) *Observer {
	i := images.New(e)
	return New(e, records.New(e, volumes.New(e)), i, NewProbes(e, func() ([]byte, error) { return []byte("program"), nil }))
}

// A probe is left behind when it is old on the engine's clock: one that another run has just made is not, whatever ours shows.
func TestProbesOfOthers(t *testing.T) {
	t.Parallel()
	created := func(ago time.Duration, id, state string) map[string]any {
		return map[string]any{"Id": id, "Names": []string{"/" + id}, "State": state, "Created": elsewhen().Add(-ago).Unix()}
	}
	probes := []map[string]any{
		created(time.Second, "fresh", "running"), created(time.Second, "made", "created"), created(time.Second, "ended", "exited"),
		created(time.Hour, "old", "running"), created(90*time.Second, "forgotten", "created"),
	}
	e, s := connect(t, enginetest.Answers{
		"GET /containers/json": func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Query().Get("filters"), "dev.hsectl.role=probe") {
				enginetest.JSON(probes)(w, r)
				return
			}
			enginetest.JSON([]any{})(w, r)
		},
		"DELETE /containers/{id}": enginetest.Nothing(),
	})
	if _, err := observer(e).Containers(t.Context(), "shop", func(string) verify.Request { return verify.Request{} }, nil); err != nil {
		t.Fatal(err)
	}
	var removed []string
	for _, asked := range s.Asked() {
		if id, ok := strings.CutPrefix(asked, "DELETE /containers/"); ok {
			removed = append(removed, id)
		}
	}
	slices.Sort(removed)
	if want := []string{"ended", "forgotten", "old"}; !slices.Equal(removed, want) {
		t.Errorf("removed %v, want %v", removed, want)
	}
}
