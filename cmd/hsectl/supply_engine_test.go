//go:build engine

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/engine/images"
)

// localRegistry is a registry of the test's own, on loopback, which the engine reaches too.
func localRegistry(t *testing.T) (string, *httptest.Server) {
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
	at, _ := localRegistry(t)
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
	check(exitFindings, "no signature found")
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
	check(exitFindings, "does not have its image under the locked digest")
	mustCLI(t, "lock", "-f", file, "--update", "app")
	check(exitOK, "(tag)")
}

func removeImages(t *testing.T, references ...string) {
	t.Helper()
	for _, r := range references {
		if out, err := exec.Command("docker", "image", "rm", r).CombinedOutput(); err != nil && !strings.Contains(strings.ToLower(string(out)), "no such image") {
			t.Errorf("removing image %s: %v\n%s", r, err, out)
		}
	}
}

// A bundle is deployed where nothing can be asked: the registry is gone, and so are the images. One that was cut or
// changed is refused before anything happens.
func TestBundleOnAnEngine(t *testing.T) {
	at, server := localRegistry(t)
	program := staticProgram(t, "../../internal/docker/testdata/workload")
	dir := written(t, map[string]string{
		"app/Dockerfile":  "FROM scratch\nCOPY --chmod=755 hello /hello\nUSER 65532:65532\nENTRYPOINT [\"/hello\"]\n",
		"app/hello":       program,
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
	// The secret is at its place next to the bundle; without it nothing is begun.
	if code, _, stderr := cli(t, "deploy", "--bundle", file); code != exitUsage || !strings.Contains(stderr, "token") {
		t.Errorf("without the secret: exit %d\n%s", code, stderr)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(file), "token.txt"), []byte("s3cret-of-the-bundle"), 0o600); err != nil {
		t.Fatal(err)
	}
	ownProbe(t)
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

// staticProgram builds a package and returns the program.
func staticProgram(t *testing.T, source string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	compiled(t, source, path, runtime.GOARCH)
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(program)
}

// ownProbe lets probes run hsectl itself, which the test's binary cannot be.
func ownProbe(t *testing.T) {
	t.Helper()
	probe := filepath.Join(t.TempDir(), "hsectl")
	compiled(t, ".", probe, runtime.GOARCH)
	t.Setenv("HSECTL_PROBE_PROGRAM", probe)
}

// compiled builds a static Go program.
func compiled(t *testing.T, source, target, arch string) {
	t.Helper()
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", target, source)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+arch)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", source, err, out)
	}
}

// What a bundle brought has no digest of a registry on the engine. Next to the lock it is known by its content, and another
// content is not.
func TestLockedContentOfABundle(t *testing.T) {
	at, server := localRegistry(t)
	profile := strings.ReplaceAll(lockedProfile, "IMAGE", at+"/shop/pulled:1")
	dir := written(t, map[string]string{
		"app/Dockerfile": "FROM scratch\nCOPY --chmod=755 hello /hello\nUSER 65532:65532\nENTRYPOINT [\"/hello\"]\n",
		"app/hello":      staticProgram(t, "../../internal/docker/testdata/workload"),
		"build.yaml":     strings.Replace(profile, "user:", "build: {context: app}\n    user:", 1),
		"run.yaml":       profile,
	})
	run, lockFile, file := filepath.Join(dir, "run.yaml"), filepath.Join(dir, "hsectl.lock"), filepath.Join(dir, "pulled.bundle.tar")
	mustCLI(t, "build", "-f", filepath.Join(dir, "build.yaml"), "--push")
	mustCLI(t, "lock", "-f", run)
	mustCLI(t, "bundle", "write", "-f", run, "--out", file)
	removeImages(t, at+"/shop/pulled:1")
	server.Close()
	t.Cleanup(func() {
		down(t, "hsectl-test-sup-locked")
		removeImages(t, at+"/shop/pulled:1")
	})
	ownProbe(t)
	mustCLI(t, "deploy", "--bundle", file, "--settle", "1s")

	locked, err := os.ReadFile(lockFile)
	if err != nil {
		t.Fatal(err)
	}
	digest := regexp.MustCompile(`sha256:[0-9a-f]{64}`)
	for name, c := range map[string]struct{ lock, want string }{
		"the locked content": {string(locked), "HSE-IMG-002 pass"},
		"another content":    {digest.ReplaceAllString(string(locked), "sha256:"+strings.Repeat("0", 64)), "HSE-IMG-002 fail"},
	} {
		if err := os.WriteFile(lockFile, []byte(c.lock), 0o644); err != nil {
			t.Fatal(err)
		}
		_, stdout, _ := cli(t, "verify", "-f", run, "--format", "json")
		var evidence struct {
			Findings []struct{ Control, Status string }
		}
		if err := json.Unmarshal([]byte(stdout), &evidence); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, stdout)
		}
		var got []string
		for _, f := range evidence.Findings {
			got = append(got, f.Control+" "+f.Status)
		}
		if !slices.Contains(got, c.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

const lockedProfile = `apiVersion: hsectl/v1
kind: Profile
name: hsectl-test-sup-locked
services:
  app:
    image: IMAGE
    user: "65532:65532"
    health: {command: [/hello, health], interval: 1s, timeout: 1s, retries: 5, start_period: 1s}
    command: [serve]
    limits: {cpus: "0.1", memory: 32M}
`

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
	engine, err := (&app.Settings{}).Connect(context.Background())
	if err != nil {
		t.Error(err)
		return
	}
	defer engine.Close()
	if err := engine.Down(context.Background(), stack, true); err != nil {
		t.Error(err)
	}
}

func imageFacts(t *testing.T, reference string) (images.ImageFacts, error) {
	t.Helper()
	engine, err := (&app.Settings{}).Connect(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	return engine.ImageFacts(context.Background(), reference)
}
