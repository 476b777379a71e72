//go:build engine

package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// checker is what build steps run: it wants files, one of them with a content.
const checker = `package main

import (
	"os"
	"strings"
)

func main() {
	for _, want := range os.Args[1:] {
		name, text, compare := strings.Cut(want, "=")
		if strings.HasPrefix(name, "$") {
			name = os.Getenv(name[1:])
		}
		data, err := os.ReadFile(name)
		if _, exists := os.Stat(name); exists != nil || compare && (err != nil || string(data) != text) {
			os.Exit(1)
		}
	}
}
`

const everyStep = `FROM scratch AS first
ARG WHO=none
LABEL who=$WHO
COPY --chmod=755 witness /witness
RUN --mount=type=secret,id=token ["/witness", "/run/secrets/token=s3cret-of-the-build"]
RUN --mount=type=ssh ["/witness", "$SSH_AUTH_SOCK"]
USER 65532:65532
FROM first AS second
LABEL stage=second
`

// Every flag of build, on the engine that is there. What an engine's image store cannot keep is refused, with the way out.
func TestBuildOnAnEngine(t *testing.T) {
	at, _ := localRegistry(t)
	dir := written(t, map[string]string{"app/Dockerfile": everyStep, "witness.go": checker, "token": "s3cret-of-the-build", "key": privateKey(t),
		"hsectl.yaml": `apiVersion: hsectl/v1
kind: Profile
name: hsectl-test-sup-build
services:
  app:
    image: ` + at + `/build/app:1
    build: {context: app}
    user: "65532:65532"
    health: {command: [/witness]}
    limits: {cpus: "0.1", memory: 16M}
`})
	compile := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, "app", "witness"), filepath.Join(dir, "witness.go"))
	compile.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("building the witness: %v\n%s", err, out)
	}
	reference := at + "/build/app:1"
	t.Cleanup(func() { removeImages(t, reference) })
	base := []string{"build", "-f", filepath.Join(dir, "hsectl.yaml"), "--secret", "id=token,src=" + filepath.Join(dir, "token"), "--ssh", "default=" + filepath.Join(dir, "key")}
	with := func(flags ...string) []string { return append(append([]string{}, base...), flags...) }

	_, stderr := mustCLI(t, with("--no-cache", "--target", "first", "--build-arg", "WHO=me", "--push", "--cache-to", "type=inline")...)
	if !regexp.MustCompile(`pushed \S+ as sha256:[0-9a-f]{64}`).MatchString(stderr) {
		t.Errorf("the digest is not told:\n%s", stderr)
	}
	facts, err := imageFacts(t, reference)
	if err != nil || facts.Labels["who"] != "me" || facts.Labels["stage"] != "" || facts.Labels["org.opencontainers.image.title"] != "hsectl-test-sup-build/app" {
		t.Errorf("got %+v, %v", facts, err)
	}
	if code, _, stderr := cli(t, "build", "-f", filepath.Join(dir, "hsectl.yaml"), "--no-cache", "--secret", "id=token,env=HSECTL_TEST_UNSET"); code != exitUsage || !strings.Contains(stderr, "HSECTL_TEST_UNSET") {
		t.Errorf("a secret that is not set: exit %d\n%s", code, stderr)
	}
	if !storesIndexes(t) {
		for _, flags := range [][]string{{"--platform", "linux/amd64,linux/arm64"}, {"--provenance"}, {"--source-date-epoch", "1700000000"}} {
			if code, _, stderr := cli(t, with(flags...)...); code != exitFailed || !strings.Contains(stderr, "hint: use an engine with the image store of containerd") {
				t.Errorf("%v: exit %d\n%s", flags, code, stderr)
			}
		}
		return
	}
	buildsWithContainerd(t, at, dir, with)
}

// buildsWithContainerd are the builds that only the image store of containerd can keep.
func buildsWithContainerd(t *testing.T, at, dir string, with func(...string) []string) {
	t.Helper()
	var ids []string
	for i := range 2 { // the same bytes, whatever the clock and the files' times
		when := time.Unix(int64(1800000000+i), 0)
		if err := os.Chtimes(filepath.Join(dir, "app", "witness"), when, when); err != nil {
			t.Fatal(err)
		}
		stdout, _ := mustCLI(t, with("--no-cache", "--source-date-epoch", "1700000000")...)
		ids = append(ids, stdout)
	}
	if ids[0] != ids[1] {
		t.Errorf("two builds of the same sources are %s and %s", ids[0], ids[1])
	}
	for _, cache := range []string{"type=registry,ref=" + at + "/build/cache", "type=local,dest=" + filepath.Join(dir, "cache")} {
		mustCLI(t, with("--cache-to", cache)...)
		_, stderr := mustCLI(t, with("--cache-from", strings.Replace(cache, "dest=", "src=", 1))...)
		if !strings.Contains(stderr, "importing cache manifest") || !strings.Contains(stderr, "CACHED") {
			t.Errorf("the cache at %s is not used:\n%s", cache, stderr)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "app", "Dockerfile"), []byte("FROM scratch\nCOPY witness /witness\nUSER 65532:65532\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	mustCLI(t, with("--platform", "linux/amd64,linux/arm64", "--provenance", "--push")...)
	mustCLI(t, "lock", "-f", filepath.Join(dir, "hsectl.yaml"))
	data, err := os.ReadFile(filepath.Join(dir, "hsectl.lock"))
	if err != nil || !strings.Contains(string(data), `"digest": "sha256:`) {
		t.Errorf("the lock has no digest: %s, %v", data, err)
	}
}

func privateKey(t *testing.T) string {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// storesIndexes asks the engine how it stores images.
func storesIndexes(t *testing.T) bool {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "docker", "info", "--format", "{{json .DriverStatus}}").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(out), "io.containerd.snapshotter")
}
