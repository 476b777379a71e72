package release

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/deploy/lock"
	"github.com/hsectl/hsectl/internal/engine/enginetest"
)

const streamed = `apiVersion: hsectl/v1
kind: Profile
name: shop
services: {cache: {preset: redis, secrets: []}}
`

// held are the answers of an engine on which another deploy holds the lock of the stack.
func held() enginetest.Answers {
	out := enginetest.Containers("shop", enginetest.Container("hsectl.lock.shop", "hsectl.lock.shop", "", map[string]any{
		"Created": "2026-11-30T11:59:58Z", // by the clock of the engine just now
		"Config":  map[string]any{"Labels": map[string]string{"dev.hsectl.lock.owner": "alice", "dev.hsectl.lock.host": "elsewhere", "dev.hsectl.lock.pid": "7"}},
	}))
	maps.Copy(out, enginetest.Answers{"POST /containers/create": enginetest.Status(http.StatusConflict, "the name is in use"), "GET /containers/json": enginetest.JSON([]any{})})
	return out
}

// Every verb that prints a stream ends it with a result, whatever the reason for its end, and sends its span.
func TestStreamsEndWithAResult(t *testing.T) {
	spans := &atomic.Int32{}
	collector := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { spans.Add(1) }))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	profile := filepath.Join(t.TempDir(), "hsectl.yaml")
	if err := os.WriteFile(profile, []byte(streamed), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(filepath.Dir(profile), "missing.yaml")
	verbs := map[string]func(context.Context, *app.Settings, app.Streams) error{
		"deploy": func(ctx context.Context, g *app.Settings, s app.Streams) error {
			return Deploy(ctx, g, s, DeployOptions{Format: "json"})
		},
		"abort": func(ctx context.Context, g *app.Settings, s app.Streams) error {
			return Deploy(ctx, g, s, DeployOptions{Format: "json", Abort: true})
		},
		"rollback": func(ctx context.Context, g *app.Settings, s app.Streams) error {
			return Rollback(ctx, g, s, DeployOptions{Format: "json"}, 0)
		},
	}
	for name, verb := range verbs {
		for what, c := range map[string]struct {
			host, profile, want string
			spans               bool
		}{
			"a held lock":       {enginetest.New(t, held()).Host(), profile, "shop is being deployed by alice on elsewhere (process 7)", true},
			"no engine":         {"unix:///no/engine.sock", profile, "engine", false},
			"no profile":        {"unix:///no/engine.sock", missing, "missing.yaml not found", false},
			"an engine's fault": {enginetest.New(t, enginetest.Answers{"POST /containers/create": enginetest.Status(http.StatusInternalServerError, "disk full")}).Host(), profile, "disk full", true},
		} {
			var out bytes.Buffer
			before := spans.Load()
			err := verb(t.Context(), &app.Settings{Host: c.host, File: app.Selection{Files: []string{c.profile}}}, app.Streams{Out: &out, Err: io.Discard})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s, %s: %v", name, what, err)
				continue
			}
			if what == "a held lock" && !app.IsType[*lock.HeldError](err) {
				t.Errorf("%s: the exit code of %T", name, err)
			}
			results := 0
			lines := slices.Collect(strings.Lines(out.String()))
			for i, line := range lines {
				var event struct {
					Kind, Verdict, Error string
					Done                 bool
				}
				if err := json.Unmarshal([]byte(line), &event); err != nil {
					t.Errorf("%s, %s: %q: %v", name, what, line, err)
				}
				if event.Kind != "result" {
					continue
				}
				results++
				if i != len(lines)-1 || event.Verdict != "failed" || event.Done || event.Error != err.Error() {
					t.Errorf("%s, %s: %q ends it", name, what, line)
				}
			}
			if results != 1 {
				t.Errorf("%s, %s: %d results in %q", name, what, results, out.String())
			}
			if sent := spans.Load() > before; sent != c.spans {
				t.Errorf("%s, %s: a span was sent: %v", name, what, sent)
			}
		}
	}
}
