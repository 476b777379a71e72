//go:build engine

package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The reference stack, from its sources to a proven running stack, as its users run it: build, generate, deploy, verify,
// drill, and a second deploy that changes nothing.
func TestReferenceStack(t *testing.T) {
	probe := filepath.Join(t.TempDir(), "hsectl")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", probe, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the probe: %v\n%s", err, out)
	}
	t.Setenv("HSECTL_PROBE_PROGRAM", probe)
	for name, value := range referenceSecrets {
		t.Setenv(name, value)
	}
	stack, address := "hsectl-test-reference-"+strings.ToLower(rand.Text()[:8]), freeAddress(t)
	file := referenceProfile(t, stack, address)
	t.Cleanup(func() { removeStack(t, file, stack) })

	mustCLI(t, "lint", "-f", file)
	stdout, _ := mustCLI(t, "build", "-f", file, "--network", "host", "app")
	if !regexp.MustCompile(`sha256:[0-9a-f]{64}`).MatchString(stdout) {
		t.Errorf("build does not print the image's digest: %q", stdout)
	}
	out := t.TempDir()
	mustCLI(t, "generate", "-f", file, "--out", out)
	mustCLI(t, "generate", "-f", file, "--out", out, "--check")
	noSecretIn(t, out)

	_, stderr := mustCLI(t, "deploy", "-f", file)
	if !strings.Contains(stderr, "3 services healthy") {
		t.Errorf("deploy does not say that 3 services are healthy:\n%s", stderr)
	}
	answer, err := http.Get("http://" + address + "/api/health")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("the application answers %d", answer.StatusCode)
	}

	stdout, _ = mustCLI(t, "verify", "-f", file, "--format", "json")
	var evidence struct {
		Proven  bool
		Summary map[string]int
	}
	if err := json.Unmarshal([]byte(stdout), &evidence); err != nil {
		t.Fatal(err)
	}
	if !evidence.Proven || evidence.Summary["pass"] < 100 {
		t.Errorf("verify: %+v", evidence)
	}
	if stdout, _ := mustCLI(t, "deploy", "-f", file, "--dry-run"); stdout != "" {
		t.Errorf("an unchanged stack is planned as:\n%s", stdout)
	}
	mustCLI(t, "drill", "shutdown", "app", "-f", file)
	mustCLI(t, "verify", "-f", file)
}

// freeAddress is an unused address of the loopback, so that two runs on one machine do not collide.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// referenceProfile is the reference profile under a name and a port of the test's own, next to the original, so that its
// paths hold.
func referenceProfile(t *testing.T, stack, address string) string {
	t.Helper()
	data, err := os.ReadFile("../../profiles/hse-digital.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(address, ":")
	text := strings.NewReplacer("name: hse-digital\n", "name: "+stack+"\n", `"3001:3001"`, `"`+port+`:3001"`,
		"image: hse-digital:latest", "image: "+stack+":latest", "expires: 2027-11-30", "expires: 2999-12-31").Replace(string(data))
	f, err := os.CreateTemp("../../profiles", ".test-*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(f.Name()) })
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

func removeStack(t *testing.T, file, stack string) {
	t.Helper()
	removeStacks(t, file, stack)
	if out, err := exec.Command("docker", "image", "rm", "--force", stack+":latest").CombinedOutput(); err != nil {
		t.Errorf("removing the image: %v\n%s", err, out)
	}
}

func noSecretIn(t *testing.T, dir string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, path))
		for name, value := range referenceSecrets {
			if bytes.Contains(data, []byte(value)) {
				t.Errorf("%s holds the value of %s", path, name)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
