//go:build engine && buildkit

package main

import (
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	buildkit "github.com/moby/buildkit/client"

	"github.com/hsectl/hsectl/internal/image"
)

// These tests want a BuildKit of its own, which scripts/buildkit starts: its address is in HSECTL_TEST_BUILDKIT. They are not
// part of the gate.

// standalone is a profile with one image to build, and the flags by which that BuildKit builds it.
type standalone struct {
	dir, registry, reference, address string
}

func newStandalone(t *testing.T, dockerfile string) standalone {
	t.Helper()
	address := os.Getenv("HSECTL_TEST_BUILDKIT")
	if address == "" {
		t.Fatal("HSECTL_TEST_BUILDKIT is not set: run scripts/buildkit")
	}
	at, _ := localRegistry(t)
	b := standalone{registry: at, reference: at + "/build/app:1", address: address}
	b.dir = written(t, map[string]string{"app/Dockerfile": dockerfile, "checker.go": checker, "token": "s3cret-of-the-build", "key": privateKey(t),
		"app/db/var/lib/dpkg/status": "Package: openssl\nStatus: install ok installed\nVersion: 3.0.16-1\nArchitecture: amd64\n\nPackage: zlib1g\nStatus: install ok installed\nVersion: 1:1.2.13\nArchitecture: amd64\n\n",
		"app/db/etc/os-release":      "ID=debian\nVERSION_ID=12\nVERSION_CODENAME=bookworm\n",
		"hsectl.yaml": `apiVersion: hsectl/v1
kind: Profile
name: hsectl-test-buildkit
services:
  app:
    image: ` + b.reference + `
    build: {context: app}
    user: "65532:65532"
    health: {command: [/checker]}
    limits: {cpus: "0.1", memory: 16M}
`})
	for target, source := range map[string]string{filepath.Join(b.dir, "app", "checker"): filepath.Join(b.dir, "checker.go"), filepath.Join(b.dir, "hsectl"): "."} {
		compile := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", target, source)
		compile.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := compile.CombinedOutput(); err != nil {
			t.Fatalf("building %s: %v\n%s", source, err, out)
		}
	}
	t.Setenv("HSECTL_PROBE_PROGRAM", filepath.Join(b.dir, "hsectl"))
	return b
}

func (b standalone) build(t *testing.T, flags ...string) (stdout, stderr string) {
	t.Helper()
	return mustCLI(t, append([]string{"build", "-f", filepath.Join(b.dir, "hsectl.yaml"), "--builder", b.address}, flags...)...)
}

// forget empties the BuildKit's own cache, so that only one that is imported can help.
func (b standalone) forget(t *testing.T) {
	t.Helper()
	c, err := buildkit.New(t.Context(), b.address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Prune(t.Context(), nil, buildkit.PruneAll); err != nil {
		t.Fatal(err)
	}
}

const copied = "FROM scratch\nCOPY --chmod=755 checker /checker\nCOPY db/ /\nUSER 65532:65532\n"

// An image of two platforms with provenance and bill of materials goes to a registry, and no Docker engine is asked. Nothing is
// emulated: its files are only copied.
func TestBuildKitPushes(t *testing.T) {
	b := newStandalone(t, copied)
	t.Setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
	stdout, stderr := b.build(t, "--push", "--platform", "linux/amd64,linux/arm64", "--sbom", "--provenance")
	digest := regexp.MustCompile(`sha256:[0-9a-f]{64}`).FindString(stdout)
	for _, p := range []string{"linux/amd64", "linux/arm64"} {
		if !regexp.MustCompile("attested for " + p + `: (its provenance and )?a bill of materials of 3 packages( and its provenance)?\n`).MatchString(stderr) {
			t.Errorf("not attested for %s:\n%s", p, stderr)
		}
	}
	resolved, err := image.Resolve(t.Context(), b.reference)
	if err != nil || len(resolved.Platforms) != 2 || resolved.Digest != digest {
		t.Errorf("the registry has %+v, %v; hsectl says %s", resolved, err, digest)
	}
}

// The same sources give the same bytes, whatever the clock and the times of the files; with a bill of materials, too.
func TestBuildKitReproduces(t *testing.T) {
	b := newStandalone(t, copied)
	var ids []string
	for i := range 2 {
		when := time.Unix(int64(1800000000+i), 0)
		if err := os.Chtimes(filepath.Join(b.dir, "app", "checker"), when, when); err != nil {
			t.Fatal(err)
		}
		b.forget(t)
		stdout, _ := b.build(t, "--push", "--no-cache", "--sbom", "--source-date-epoch", "1700000000")
		ids = append(ids, stdout)
	}
	if ids[0] != ids[1] {
		t.Errorf("two builds of the same sources are %s and %s", ids[0], ids[1])
	}
}

// What a Dockerfile asks to be described next to the image has a document of its own: a stage that was only built with, and the
// build context; and nothing has when it does not ask.
func TestBuildKitDescribesMore(t *testing.T) {
	b := newStandalone(t, "ARG BUILDKIT_SBOM_SCAN_CONTEXT=true\nFROM scratch AS tools\nARG BUILDKIT_SBOM_SCAN_STAGE=true\nCOPY db/ /\nFROM scratch AS unused\nARG BUILDKIT_SBOM_SCAN_STAGE=true\nCOPY db/ /\nFROM scratch\nCOPY --from=tools /etc/os-release /etc/os-release\nCOPY --chmod=755 checker /checker\nUSER 65532:65532\n")
	documents := func() []int {
		t.Helper()
		found, err := image.Attestations(t.Context(), b.reference)
		if err != nil {
			t.Fatal(err)
		}
		var packages []int
		for _, a := range found {
			if a.SBOM() {
				packages = append(packages, a.Packages)
			}
		}
		slices.Sort(packages)
		return packages
	}
	b.build(t, "--push", "--sbom")
	if got := documents(); !slices.Equal(got, []int{1, 1, 2}) { // the program, the program in the context, and what Debian has in the stage
		t.Errorf("three documents were asked for: %v", got)
	}
	b.build(t, "--push", "--sbom", "--build-arg", "BUILDKIT_SBOM_SCAN_CONTEXT=false", "--build-arg", "BUILDKIT_SBOM_SCAN_STAGE=false")
	if got := documents(); len(got) != 1 {
		t.Errorf("one document was asked for: %v", got)
	}
}

// An image of one platform needs no registry: it is loaded into the engine. What only an index can hold is refused before
// anything is built.
func TestBuildKitLoads(t *testing.T) {
	b := newStandalone(t, everyStep)
	steps := []string{"--secret", "id=token,src=" + filepath.Join(b.dir, "token"), "--ssh", "default=" + filepath.Join(b.dir, "key")}
	t.Cleanup(func() { removeImages(t, b.reference) })
	b.build(t, append(steps, "--target", "first", "--build-arg", "WHO=me")...)
	if facts, err := imageFacts(t, b.reference); err != nil || facts.Labels["who"] != "me" {
		t.Errorf("got %+v, %v", facts, err)
	}
	for _, flags := range [][]string{{"--sbom"}, {"--provenance"}, {"--platform", "linux/amd64,linux/arm64"}} {
		code, _, stderr := cli(t, append([]string{"build", "-f", filepath.Join(b.dir, "hsectl.yaml"), "--builder", b.address}, flags...)...)
		if code != exitUsage || !strings.Contains(stderr, "hint: add --push") {
			t.Errorf("%v: exit %d\n%s", flags, code, stderr)
		}
	}
}

// Layers of an earlier build come back from a registry, from a directory and from GitHub's cache.
func TestBuildKitCaches(t *testing.T) {
	b := newStandalone(t, "FROM scratch\nCOPY --chmod=755 checker /checker\nRUN [\"/checker\", \"/checker\"]\nCOPY db/ /\nUSER 65532:65532\n")
	github := newGitHubCache(t)
	t.Setenv("ACTIONS_CACHE_SERVICE_V2", "true")
	t.Setenv("ACTIONS_RESULTS_URL", github.URL)
	t.Setenv("ACTIONS_RUNTIME_TOKEN", githubToken())
	for _, cache := range []string{"type=registry,mode=max,ref=" + b.registry + "/build/cache", "type=local,mode=max,dest=" + filepath.Join(b.dir, "cache"), "type=gha,mode=max,scope=app"} {
		t.Run(cache[:strings.IndexByte(cache, ',')], func(t *testing.T) {
			b.forget(t)
			b.build(t, "--push", "--cache-to", cache)
			b.forget(t)
			_, stderr := b.build(t, "--push", "--cache-from", strings.Replace(strings.Replace(cache, "mode=max,", "", 1), "dest=", "src=", 1))
			if !regexp.MustCompile(`(?m)^#(\d+) .*RUN (?s:.*)^#\d+ CACHED$`).MatchString(stderr) {
				t.Errorf("the step is not taken from the cache:\n%s", stderr)
			}
		})
	}
	if len(github.entries()) == 0 || !slices.ContainsFunc(github.entries(), func(k string) bool { return strings.HasPrefix(k, "index-app-") }) {
		t.Errorf("GitHub's cache has %q", github.entries())
	}
}

// githubCache is as much of the second version of GitHub's cache service as BuildKit uses: three calls that name entries, and
// Azure's blobs, which hold them.
type githubCache struct {
	*httptest.Server
	lock   sync.Mutex
	blobs  map[string][]byte
	blocks map[string][]byte
	keys   map[string]bool
}

func newGitHubCache(t *testing.T) *githubCache {
	c := &githubCache{blobs: map[string][]byte{}, blocks: map[string][]byte{}, keys: map[string]bool{}}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

// githubToken has the claims that a runner's has. Its signature is not checked.
func githubToken() string {
	part := func(v any) string {
		data, _ := json.Marshal(v) // maps of strings and numbers
		return base64.RawURLEncoding.EncodeToString(data)
	}
	return part(map[string]string{"alg": "HS256", "typ": "JWT"}) + "." +
		part(map[string]any{"ac": `[{"Scope":"refs/heads/main","Permission":3}]`, "exp": time.Now().Add(time.Hour).Unix(), "nbf": time.Now().Add(-time.Hour).Unix()}) + "." +
		base64.RawURLEncoding.EncodeToString([]byte("unsigned"))
}

func (c *githubCache) entries() []string {
	c.lock.Lock()
	defer c.lock.Unlock()
	var out []string
	for k := range c.keys {
		out = append(out, k)
	}
	return out
}

// ServeHTTP implements http.Handler.
func (c *githubCache) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.lock.Lock()
	defer c.lock.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if _, call, ok := strings.Cut(r.URL.Path, "CacheService/"); ok {
		c.call(w, call, body)
		return
	}
	w.Header().Set("x-ms-request-id", "1")
	w.Header().Set("ETag", `"1"`)
	w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
	name, query := r.URL.Path, r.URL.Query()
	switch {
	case r.Method == http.MethodPut && query.Get("comp") == "block":
		c.blocks[name+query.Get("blockid")] = body
	case r.Method == http.MethodPut && query.Get("comp") == "blocklist":
		var list struct{ Latest, Uncommitted []string }
		if err := xml.Unmarshal(body, &list); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		var whole []byte
		for _, id := range append(list.Latest, list.Uncommitted...) {
			whole = append(whole, c.blocks[name+id]...)
		}
		c.blobs[name] = whole
	case r.Method == http.MethodPut:
		c.blobs[name] = body
	case r.Method == http.MethodGet:
		from := 0
		for _, header := range []string{"x-ms-range", "Range"} {
			if text, ok := strings.CutPrefix(r.Header.Get(header), "bytes="); ok {
				from, _ = strconv.Atoi(strings.Split(text, "-")[0])
			}
		}
		data := c.blobs[name]
		if from > len(data) {
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(data)-from))
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write(data[from:]) // the client is gone when it fails
		return
	}
	w.WriteHeader(http.StatusCreated)
}

func (c *githubCache) call(w http.ResponseWriter, name string, body []byte) {
	var in struct {
		Key         string
		RestoreKeys []string `json:"restore_keys"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	at := func(key string) string { return c.URL + "/blobs/" + base64.RawURLEncoding.EncodeToString([]byte(key)) }
	out := map[string]any{"ok": true}
	switch name {
	case "CreateCacheEntry":
		out["signed_upload_url"] = at(in.Key)
	case "FinalizeCacheEntryUpload":
		c.keys[in.Key] = true
		out["entry_id"] = "1"
	case "GetCacheEntryDownloadURL":
		found := ""
		for _, want := range append([]string{in.Key}, in.RestoreKeys...) {
			for have := range c.keys {
				if strings.HasPrefix(have, want) && (found == "" || have > found) {
					found = have
				}
			}
		}
		out["ok"], out["matched_key"], out["signed_download_url"] = found != "", found, at(found)
	default:
		http.Error(w, fmt.Sprintf("there is no call %q", name), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out) // the client is gone when it fails
}
