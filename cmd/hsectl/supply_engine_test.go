package main

import (
	"bytes"
	"context"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/hsectl/hsectl/internal/docker"
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

// A bundle is deployed where nothing can be asked: the registry is gone, and so are the images. One that was cut or
// changed is refused before anything happens.
func TestBundleOnAnEngine(t *testing.T) {
	at, server := shelf(t)
	workload := filepath.Join(t.TempDir(), "workload")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", workload, "../../internal/docker/testdata/workload")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the workload: %v\n%s", err, out)
	}
	program, err := os.ReadFile(workload)
	if err != nil {
		t.Fatal(err)
	}
	dir := written(t, map[string]string{
		"app/Dockerfile":  "FROM scratch\nCOPY --chmod=755 hello /hello\nUSER 65532:65532\nENTRYPOINT [\"/hello\"]\n",
		"app/hello":       string(program),
		"base.yaml":       "apiVersion: hsectl/v1\nkind: Profile\nname: base\ndefaults:\n  limits: {cpus: \"0.1\", memory: 32M}\n",
		"stack/app.yaml":  bundleProfile(at),
		"stack/over.yaml": "services:\n  app: {shutdown: {grace: 3s}}\n",
	})
	flags := []string{"-f", filepath.Join(dir, "stack", "app.yaml"), "-f", filepath.Join(dir, "stack", "over.yaml")}
	with := func(args ...string) []string { return append(args, flags...) }
	key := filepath.Join(dir, "stack", "release")
	mustCLI(t, "sign", "--new-key", key)
	mustCLI(t, with("build", "--push", "--sign", key+".key")...)
	mustCLI(t, with("lock")...)
	file := filepath.Join(dir, "carried", "shop.bundle.tar")
	if err := os.Mkdir(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	mustCLI(t, with("bundle", "write", "--out", file)...)

	removeImages(t, at+"/shop/app:1")
	server.Close()
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Cleanup(func() {
		down(t, "hsectl-test-sup-bundle")
		removeImages(t, at+"/shop/app:1")
	})
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"cut":               whole[:len(whole)*2/3],
		"a changed image":   bytes.Replace(whole, []byte("/hello"), []byte("/jello"), 3),
		"a changed profile": bytes.Replace(whole, []byte("lock: required"), []byte("lock: optional"), 1),
		"empty":             nil,
	} {
		damaged := filepath.Join(dir, "damaged.tar")
		if err := os.WriteFile(damaged, bad, 0o644); err != nil {
			t.Fatal(err)
		}
		if code, stdout, stderr := cli(t, "deploy", "--bundle", damaged); code != exitUsage || !strings.Contains(stderr, "damaged") {
			t.Errorf("%s: exit %d\n%s%s", name, code, stdout, stderr)
		}
	}
	if _, err := imageFacts(t, at+"/shop/app:1"); err == nil {
		t.Error("a damaged bundle has brought its image")
	}
	// The secret is at its place beside the bundle; without it nothing is begun.
	if code, _, stderr := cli(t, "deploy", "--bundle", file); code != exitUsage || !strings.Contains(stderr, "token") {
		t.Errorf("without the secret: exit %d\n%s", code, stderr)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(file), "token.txt"), []byte("s3cret-of-the-bundle"), 0o600); err != nil {
		t.Fatal(err)
	}
	probe := filepath.Join(t.TempDir(), "hsectl")
	build = exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", probe, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the probe: %v\n%s", err, out)
	}
	t.Setenv("HSECTL_PROBE_PROGRAM", probe)
	_, stderr := mustCLI(t, "deploy", "--bundle", file, "--settle", "1s")
	if !strings.Contains(stderr, "loading 1 image") || !strings.Contains(stderr, "healthy") {
		t.Errorf("deploy --bundle says:\n%s", stderr)
	}
	if _, stderr := mustCLI(t, "deploy", "--bundle", file); strings.Contains(stderr, "loading") {
		t.Errorf("what is there is loaded again:\n%s", stderr)
	}
	if strings.Contains(string(whole), "s3cret") {
		t.Error("the bundle has the secret")
	}
}

func bundleProfile(at string) string {
	return `apiVersion: hsectl/v1
kind: Profile
name: hsectl-test-sup-bundle
extends: ../base.yaml
services:
  app:
    image: ` + at + `/shop/app:1
    build: {context: ../app}
    user: "65532:65532"
    health: {command: [/hello, health], interval: 1s, timeout: 1s, retries: 5, start_period: 1s}
    command: [serve]
    secrets: [token]
secrets:
  token: {file: token.txt}
supply_chain:
  lock: required
  signatures:
    - {images: "127.0.0.1:*/shop", key: release.pub}
`
}

func down(t *testing.T, stack string) {
	t.Helper()
	engine, err := (&globals{}).connect(context.Background())
	if err != nil {
		t.Error(err)
		return
	}
	defer engine.Close()
	if err := engine.Down(context.Background(), stack, true); err != nil {
		t.Error(err)
	}
}

func imageFacts(t *testing.T, reference string) (docker.ImageFacts, error) {
	t.Helper()
	engine, err := (&globals{}).connect(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	return engine.ImageFacts(context.Background(), reference)
}
