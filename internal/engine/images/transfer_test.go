package images

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/enginetest"
)

const someDigest = "sha256:1111111111111111111111111111111111111111111111111111111111111111"

// A reference gets the digest of its own repository, however both are written, and no other's.
func TestDigestOfAReference(t *testing.T) {
	t.Parallel()
	known := []string{"registry.example/redis@" + someDigest, "localhost/app@" + someDigest, "redis@" + someDigest, "registry.example:5000/team/app@" + someDigest}
	for ref, want := range map[string]string{
		"redis:8":                            known[2],
		"library/redis:8":                    known[2],
		"docker.io/library/redis:8":          known[2],
		"docker.io/redis":                    known[2],
		"index.docker.io/library/redis:8":    known[2],
		"redis@" + someDigest:                known[2],
		"registry.example/redis:8":           known[0],
		"localhost/app":                      known[1],
		"registry.example:5000/team/app:1":   known[3],
		"registry.example/team/app:1":        "",
		"app":                                "",
		"localhost:5000/app":                 "",
		"Not a reference":                    "",
		"docker.io/registry.example/redis:8": "",
		"docker.io/localhost/app":            "",
	} {
		if got := digestIn(ref, known); got != want {
			t.Errorf("%s: got %q, want %q", ref, got, want)
		}
	}
}

// A registry is given its own credentials and no other's: a local one is not given those of Docker Hub.
func TestCredentials(t *testing.T) {
	login := func(user string) map[string]string {
		return map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte(user + ":word"))}
	}
	config, err := json.Marshal(map[string]any{"auths": map[string]any{"https://index.docker.io/v1/": login("hub"), "registry.example": login("example"), "localhost:5000": login("local")}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), config, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_CONFIG", dir)
	given := make(chan string, 1)
	e, err := engine.Connect(t.Context(), engine.Endpoint{Host: enginetest.New(t, enginetest.Answers{"POST /images/create": func(_ http.ResponseWriter, r *http.Request) {
		given <- r.Header.Get("X-Registry-Auth")
	}}).Host()})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for ref, want := range map[string]string{
		"redis:8": "hub", "team/app": "hub", "docker.io/library/redis": "hub", "registry.example/app:1": "example", "localhost:5000/app": "local",
		"localhost/app": "", "other.example/app": "",
	} {
		if err := New(e).Pull(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
		var auth struct{ Username string }
		header := <-given
		data, err := base64.URLEncoding.DecodeString(header)
		if err == nil && strings.TrimSpace(string(data)) != "" {
			err = json.Unmarshal(data, &auth)
		}
		if err != nil || auth.Username != want {
			t.Errorf("%s: pulled as %q, want %q: %v", ref, auth.Username, want, err)
		}
	}
}
