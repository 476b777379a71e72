package trials

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/enginetest"
)

// A service without a health test counts as recovered once it has stayed up for a while, and one that keeps on dying never does.
func TestAwaitWithoutAHealthTest(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		dies bool
		want bool
	}{"it stays up": {false, true}, "it dies again and again": {true, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var looks atomic.Int64
			id := strings.Repeat("a", 64)
			labels := map[string]string{engine.ComposeProject: "shop", engine.ComposeService: "app"}
			e := connect(t, enginetest.Answers{
				"GET /containers/json": enginetest.JSON([]any{map[string]any{"Id": id, "Labels": labels}}),
				"GET /containers/{id}/json": func(w http.ResponseWriter, _ *http.Request) {
					started := "2026-01-01T00:00:00Z"
					if n := looks.Add(1); tt.dies {
						started = time.Date(2026, 1, 1, 0, 0, int(n), 0, time.UTC).Format(time.RFC3339)
					}
					_ = json.NewEncoder(w).Encode(map[string]any{"Id": id, "Name": "/shop-app-1", "State": map[string]any{"Status": "running", "Running": true, "StartedAt": started},
						"Config": map[string]any{"Labels": labels}, "HostConfig": map[string]any{}})
				}})
			back, err := drillsOf(e).Await(t.Context(), "shop", "app", true, 2*time.Second)
			if err != nil || back.Healthy != tt.want || looks.Load() < 2 {
				t.Errorf("%+v after %d looks, %v", back, looks.Load(), err)
			}
		})
	}
}
