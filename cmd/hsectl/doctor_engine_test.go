//go:build engine

package main

import (
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// brokenShop is a service that works, until PROGRAM is put in the place of that.
const brokenShop = `apiVersion: hsectl/v1
kind: Profile
name: NAME
services:
  web:
    preset: node
    # what it runs
    command: [node, -e, "PROGRAMrequire('http').createServer((q,r)=>r.end('ok')).listen(3000)"]
    health: {http: {port: 3000, path: /}, interval: 20s, timeout: 20s, start_period: 30s, retries: 3}
    networks: [inner]
    secrets: [token]
networks:
  inner: {}
secrets:
  token: {env: SHOP_TOKEN}
`

// What a failed deploy showed outlives its undo, without values of secrets: its cause is named, and which release it is of. A change is
// written when it makes a copy work, and only then.
func TestDoctorOnAnEngine(t *testing.T) {
	name := "hsectl-test-doctor-" + strings.ToLower(rand.Text()[:8])
	probe := filepath.Join(t.TempDir(), "probe")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", probe, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the probe: %v\n%s", err, out)
	}
	t.Setenv("HSECTL_PROBE_PROGRAM", probe)
	t.Setenv("SHOP_TOKEN", "never-to-be-seen-77b1")
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	with := func(program string) string {
		return strings.NewReplacer("NAME", name, "PROGRAM", program).Replace(brokenShop)
	}
	file := filepath.Join(written(t, map[string]string{"hsectl.yaml": with("")}), "hsectl.yaml")
	t.Cleanup(func() { removeStacks(t, file, name) })
	mustCLI(t, "deploy", "-f", file)
	write := func(program string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(with(program)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	doctor := func(flags ...string) string {
		t.Helper()
		code, stdout, stderr := cli(t, append([]string{"doctor", "-f", file}, flags...)...)
		if text := stdout + stderr; code != 3 || strings.Contains(text, "never-to-be-seen") {
			t.Errorf("doctor %v: exit %d\n%s", flags, code, text)
		}
		return stdout + stderr
	}
	// The cause comes long before the end, and is a directory that could not be made: reported as a file that is not there.
	write("const fs=require('fs');console.log(fs.readFileSync('/run/secrets/token','utf8'));" +
		"try{fs.mkdirSync('/var/cache/shop/deep',{recursive:true})}catch(e){};try{fs.writeFileSync('/var/cache/shop/deep/x','1')}catch(e){console.error(String(e));for(let i=0;i<300;i++)console.log('  at frame',i);process.exit(3)};")
	if code, stdout, stderr := cli(t, "deploy", "-f", file); code == 0 {
		t.Fatalf("what cannot work was deployed\n%s%s", stdout, stderr)
	}
	said := doctor()
	for _, want := range []string{"✗ web: it cannot make /var/cache/shop/deep: the root is read-only", "of     the failed deploy of release 2", "the stack is at release 1", "{path: /var/cache/shop/deep, tmpfs: 16M}"} {
		if !strings.Contains(said, want) {
			t.Errorf("doctor does not say %q:\n%s", want, said)
		}
	}
	if log := doctor("--release", "2", "--log"); !strings.Contains(log, "ENOENT") || !strings.Contains(log, "frame 299") {
		t.Errorf("what was kept: %s", log)
	}
	if said := doctor("--fix"); !strings.Contains(said, "the copy works after") || !strings.Contains(said, "1 change written") {
		t.Errorf("%s", said)
	}
	if data, err := os.ReadFile(file); err != nil || !strings.Contains(string(data), "# what it runs") || !strings.Contains(string(data), "/var/cache/shop/deep, tmpfs") {
		t.Errorf("%v\n%s", err, data)
	}
	mustCLI(t, "deploy", "-f", file)
	if stdout, _ := mustCLI(t, "doctor", "-f", file); !strings.Contains(stdout, "✓ "+name) {
		t.Errorf("the deploy that failed is over, and the doctor says:\n%s", stdout)
	}
	// A change that does not make the copy work is not written, unless that is asked for.
	write("const fs=require('fs');try{fs.writeFileSync('/var/cache/shop/x','1')}catch(e){console.error(String(e))};process.exit(3);")
	if code, _, _ := cli(t, "deploy", "-f", file); code == 0 {
		t.Fatal("what ends at once was deployed")
	}
	if said := doctor("--fix"); !strings.Contains(said, "the copy does not work") || !strings.Contains(said, "nothing is written") {
		t.Errorf("%s", said)
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != with("const fs=require('fs');try{fs.writeFileSync('/var/cache/shop/x','1')}catch(e){console.error(String(e))};process.exit(3);") {
		t.Errorf("%v\n%s", err, data)
	}
	if said := doctor("--fix", "--untested"); !strings.Contains(said, "written although the copy does not work") {
		t.Errorf("%s", said)
	}
	for _, args := range [][]string{{"ps", "-aq", "--filter", "name=" + name + "-doctor-"}, {"volume", "ls", "-q", "--filter", "name=" + name + "-doctor-"}} {
		if out, err := exec.CommandContext(t.Context(), "docker", args...).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("docker %v: %v\n%s", args, err, out)
		}
	}
}
