package expectation_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/enginetest"
	"github.com/hsectl/hsectl/internal/engine/expectation"
)

const shop = `name: shop
services:
  app:
    image: shop/app
    environment: {LEVEL: "${LEVEL:-3}"}
    networks: [back, front]
    depends_on: [db]
    volumes:
      - {type: volume, source: data, target: /data}
      - {type: volume, source: hsectl-secrets-app, target: /run/secrets, read_only: true}
    deploy: {replicas: 3}
  db:
    image: shop/db
    network_mode: none
    pid: "service:init"
    depends_on: [init]
  init:
    image: shop/app
    network_mode: none
networks:
  back: {internal: true}
  front: {name: proxy, external: true}
volumes:
  data: {}
  hsectl-secrets-app: {name: shop_app_secrets_1, external: true}
`

func connect(t testing.TB, answers enginetest.Answers) (*engine.Connection, *enginetest.Server) {
	t.Helper()
	answers["GET /images/{ref...}"] = func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.PathValue("ref"), "shop/") {
			enginetest.Status(http.StatusNotFound, "no such image")(w, r)
			return
		}
		enginetest.JSON(map[string]any{"Id": "sha256:" + strings.Repeat("a", 64), "Architecture": "amd64", "Os": "linux"})(w, r)
	}
	answers["GET /networks"] = enginetest.JSON([]any{map[string]any{"Name": "proxy", "Id": strings.Repeat("b", 64)}})
	answers["GET /volumes/shop_app_secrets_1"] = enginetest.JSON(map[string]any{"Name": "shop_app_secrets_1", "Driver": "local"})
	// What exists already must not keep Compose from asking for it.
	answers["GET /volumes/shop_data"] = enginetest.JSON(map[string]any{"Name": "shop_data", "Driver": "local"})
	answers["GET /networks/shop_back"] = enginetest.JSON(map[string]any{"Name": "shop_back", "Id": strings.Repeat("c", 64)})
	server := enginetest.New(t, answers)
	e, err := engine.Connect(t.Context(), engine.Endpoint{Host: server.Host()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e, server
}

// Compose says what it wants of an engine, and the engine is asked nothing but questions.
func TestRead(t *testing.T) {
	e, server := connect(t, enginetest.Answers{})
	got, err := expectation.Read(t.Context(), e, expectation.Source{File: []byte(shop), Environment: map[string]string{"LEVEL": "7"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Containers) != 3 || len(got.Networks) != 1 || len(got.Volumes) != 2 || len(got.Made) != 3 {
		t.Errorf("got %d containers, %d networks, %d volumes, %d ids", len(got.Containers), len(got.Networks), len(got.Volumes), len(got.Made))
	}
	var app struct {
		Env              []string
		NetworkingConfig struct {
			EndpointsConfig map[string]struct{ Aliases []string }
		}
	}
	if err := json.Unmarshal(got.Containers["app"].Create, &app); err != nil {
		t.Fatal(err)
	}
	if got.Containers["app"].Name != "shop-app-1" || !slices.Equal(app.Env, []string{"LEVEL=7"}) {
		t.Errorf("got %s with %v", got.Containers["app"].Name, app.Env)
	}
	joined := app.NetworkingConfig.EndpointsConfig
	if len(joined) != 2 || !slices.Contains(joined["shop_back"].Aliases, "app") || !slices.Contains(joined["proxy"].Aliases, "shop-app-1") {
		t.Errorf("joins %v", joined)
	}
	var db struct{ HostConfig struct{ PidMode string } }
	if err := json.Unmarshal(got.Containers["db"].Create, &db); err != nil || got.Made[strings.TrimPrefix(db.HostConfig.PidMode, "container:")] != "init" {
		t.Errorf("shares %s, %v", db.HostConfig.PidMode, err)
	}
	for _, asked := range server.Asked() {
		if !strings.HasPrefix(asked, "GET ") && !strings.HasPrefix(asked, "HEAD ") {
			t.Errorf("the engine was asked to %s", asked)
		}
	}
}

// Older engines join further networks after the container is made.
func TestReadOlder(t *testing.T) {
	old := func(answer http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Api-Version", "1.41")
			answer(w, r)
		}
	}
	e, _ := connect(t, enginetest.Answers{"GET /_ping": old(enginetest.Text("OK")), "HEAD /_ping": old(enginetest.Nothing()),
		"GET /version": old(enginetest.JSON(map[string]any{"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12", "Os": "linux", "Arch": "amd64"}))})
	got, err := expectation.Read(t.Context(), e, expectation.Source{File: []byte(shop)})
	if err != nil {
		t.Fatal(err)
	}
	if connects := got.Containers["app"].Connect; len(connects) != 1 {
		t.Errorf("joins %v afterwards", connects)
	}
}

// What Compose could only have by changing the engine is refused, and so nothing is expected.
func TestReadRefuses(t *testing.T) {
	for name, file := range map[string]string{
		"a missing image":  strings.Replace(shop, "shop/db", "missing/db", 1),
		"a missing volume": strings.Replace(shop, "shop_app_secrets_1", "gone", 1),
		"no Compose file":  "services: [",
	} {
		e, server := connect(t, enginetest.Answers{})
		got, err := expectation.Read(t.Context(), e, expectation.Source{File: []byte(file)})
		if err == nil || len(got.Containers) > 0 {
			t.Errorf("%s: %v, %v", name, got.Containers, err)
		}
		if refused := (*expectation.RefusedError)(nil); name == "a missing image" && (!errors.As(err, &refused) || refused.Method != http.MethodPost) {
			t.Errorf("%s: %v", name, err)
		}
		for _, asked := range server.Asked() {
			if strings.HasPrefix(asked, "POST ") {
				t.Errorf("%s: the engine was asked to %s", name, asked)
			}
		}
	}
}
