package main

import (
	"context"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
)

// shelf is a registry of the test's own, on loopback, which the engine reaches too.
func shelf(t *testing.T) (string, *httptest.Server) {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true)))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://"), server
}

// written writes files to a directory of the test's own.
func written(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// What is built is pushed, locked and signed with a key; what was signed by another, or not at all, is refused before
// anything changes.
func TestSigningOnAnEngine(t *testing.T) {
	at, _ := shelf(t)
	dir := written(t, map[string]string{
		"app/Dockerfile": "FROM scratch\nCOPY hello /hello\nUSER 65532:65532\nENTRYPOINT [\"/hello\"]\n",
		"app/hello":      "made for TestSigningOnAnEngine at " + at,
		"hsectl.yaml": `apiVersion: hsectl/v1
kind: Profile
name: hsectl-test-sup-sign
services:
  app:
    image: ` + at + `/shop/app:1
    build: {context: app}
    user: "65532:65532"
    health: {command: [/hello]}
    limits: {cpus: "0.1", memory: 16M}
supply_chain:
  lock: required
  signatures:
    - {images: ` + at + `/shop, key: release.pub}
`})
	file, key := filepath.Join(dir, "hsectl.yaml"), filepath.Join(dir, "release")
	t.Setenv("COSIGN_PASSWORD", "not-hunter2")
	mustCLI(t, "sign", "--new-key", key)
	mustCLI(t, "sign", "--new-key", filepath.Join(dir, "stranger"))
	t.Cleanup(func() { removeImages(t, at+"/shop/app:1") })

	_, stderr := mustCLI(t, "build", "-f", file, "--push")
	if !regexp.MustCompile(`pushed \S+ as sha256:[0-9a-f]{64}`).MatchString(stderr) {
		t.Errorf("build --push says:\n%s", stderr)
	}
	mustCLI(t, "lock", "-f", file)
	check := func(want int, text string) {
		t.Helper()
		code, stdout, stderr := cli(t, "sign", "--check", "-f", file)
		if code != want || !strings.Contains(stdout, text) {
			t.Errorf("sign --check: exit %d, want %d and %q\n%s%s", code, want, text, stdout, stderr)
		}
	}
	check(exitFindings, "there is no signature")
	mustCLI(t, "sign", "-f", file, "--key", filepath.Join(dir, "stranger.key"))
	check(exitFindings, "none of the signatures is valid")
	code, _, stderr := cli(t, "deploy", "-f", file)
	if code != exitFindings || !strings.Contains(stderr, "HSE-IMG-011") || !strings.Contains(stderr, "nothing was changed") {
		t.Errorf("deploy of an image that a stranger signed: exit %d\n%s", code, stderr)
	}
	mustCLI(t, "sign", "-f", file, "--key", key+".key")
	check(exitOK, "signed by key sha256:")

	// Another build is another digest. Signed as it is built, it is good once it is locked.
	if err := os.WriteFile(filepath.Join(dir, "app", "hello"), []byte("another"), 0o644); err != nil {
		t.Fatal(err)
	}
	mustCLI(t, "build", "-f", file, "--push", "--sign", key+".key", "--signature-tag")
	check(exitFindings, "does not know its image by the digest that is locked")
	mustCLI(t, "lock", "-f", file, "--update", "app")
	check(exitOK, "(tag)")
}

func removeImages(t *testing.T, references ...string) {
	t.Helper()
	g := &globals{}
	engine, err := g.connect(context.Background())
	if err != nil {
		t.Error(err)
		return
	}
	defer engine.Close()
	for _, r := range references {
		if err := engine.RemoveImage(context.Background(), r); err != nil {
			t.Error(err)
		}
	}
}
