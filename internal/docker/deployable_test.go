//go:build engine

package docker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/moby/client"
)

// deployable has a job that others wait for, a worker that nothing can test, and a service that takes variables and files from next to
// its profile.
const deployable = `apiVersion: hsectl/v1
kind: Profile
name: NAME
services:
  migrate:
    preset: node
    image: node:24-slim
    command: [node, -e, "console.log('migrated')"]
    restart: "no"
  worker:
    preset: node
    image: node:24-slim
    command: [node, -e, "process.on('SIGTERM', () => process.exit(0)); setInterval(() => {}, 1000)"]
    depends_on: [{service: migrate, condition: completed}]
  files:
    preset: node
    image: node:24-slim
    command: [node, -e, "const fs = require('fs'); const want = {A: '1', QUOTED: 'a # b', RAW: '\"as $IT is\"', LATE: 'from the file'}; for (const k in want) if (process.env[k] !== want[k]) { console.log(k + '=' + process.env[k]); process.exit(1) }; for (const [f, t] of [['/etc/one.conf', 'one'], ['/etc/dir/sub/two.conf', 'two'], ['/text.conf', 'of NAME']]) if (fs.readFileSync(f, 'utf8').trim() !== t) { console.log(f); process.exit(1) }; process.on('SIGTERM', () => process.exit(0)); setInterval(() => {}, 1000)"]
    passthrough:
      env_file:
        - ./base.env
        - {path: ./missing.env, required: false}
        - {path: ./raw.env, format: raw}
      environment: {LATE: "${LATE_VALUE}"}
      configs: [{source: text, target: /text.conf}]
      volumes:
        - {type: bind, source: ./conf/one.conf, target: /etc/one.conf, read_only: true}
        - {type: bind, source: ./conf, target: /etc/dir, read_only: true}
passthrough:
  configs: {text: {content: "of ${WHOSE}\n"}}
exceptions:
  - {control: HSE-HLT-001, service: worker, reason: nothing can be asked, expires: 2099-01-01}
  - {control: HSE-LIF-004, service: worker, reason: nothing can be asked, expires: 2099-01-01}
  - {control: HSE-HLT-001, service: files, reason: nothing can be asked, expires: 2099-01-01}
  - {control: HSE-LIF-004, service: files, reason: nothing can be asked, expires: 2099-01-01}
  - {control: HSE-PRE-006, service: files, reason: deploy delivers the text, expires: 2099-01-01}
`

// A job is done when it has ended with 0, what an exception frees from a test runs, and files of variables, texts and read-only mounts
// reach the engine as files: deployed, proven, and left alone by the next deploy.
func TestDeployableKinds(t *testing.T) {
	t.Parallel()
	f := newFault(t)
	for name, text := range map[string]string{
		"hsectl.yaml": strings.ReplaceAll(deployable, "NAME", f.name), ".env": "LATE_VALUE=from the file\nWHOSE=" + f.name + "\n",
		"base.env": "A=1\nQUOTED=\"a # b\"\n", "raw.env": "RAW=\"as $IT is\"\n", "conf/one.conf": "one\n", "conf/sub/two.conf": "two\n",
	} {
		path := filepath.Join(f.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(f.dir, "hsectl.yaml")
	f.must("old", "deploy", "-f", path)
	f.must("old", "verify", "-f", path)
	if out := f.must("old", "status", "-f", path); !strings.Contains(out, "completed") || strings.Contains(out, "unhealthy") {
		t.Errorf("status: %s", out)
	}
	if out := f.must("old", "deploy", "-f", path); !strings.Contains(out, "nothing to do") {
		t.Errorf("again: %s", out)
	}
	// Another value of a variable, and another content of a file, replace what reads them, and nothing else.
	if err := os.WriteFile(filepath.Join(f.dir, "base.env"), []byte("A=1\nQUOTED=\"a # b\"\nMORE=yes\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out := f.must("old", "deploy", "-f", path); strings.Contains(out, "nothing to do") {
		t.Errorf("a new variable: %s", out)
	}
	containers, err := f.e.API.ContainerList(t.Context(), client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label", "com.docker.compose.project="+f.name)})
	if err != nil || len(containers.Items) != 3 {
		t.Errorf("%d containers, %v", len(containers.Items), err)
	}
	f.leftovers()
}
