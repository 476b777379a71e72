//go:build engine

package docker

import (
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify/drills"
)

// wrapped is a service that starts its program in one of the ways in which people do.
type wrapped struct {
	name, command, init string
	logs                string
	verdicts            string // of the drill: what does not pass
	running             finding.Status
	detail              string // of HSE-LIF-001, and of HSE-LIF-016 where the drill fails
}

const (
	handles = `process.on('SIGTERM', () => { console.log('app got SIGTERM'); server.close(); setTimeout(() => { console.log('app closed'); process.exit(0) }, 300) })`
	server  = `const server = require('http').createServer((q, r) => r.end('x')).listen(3000)`
)

func wrappers() []wrapped {
	script := func(s string) string { return `[sh, -c, "` + s + `"]` }
	return []wrapped{
		{name: "direct", command: "[node, /app/server.js]", init: "false", running: finding.Pass, detail: "node (port 3000) is PID 1 and handles SIGTERM"},
		{name: "shell", command: script("echo preparing; node /app/server.js; echo ended"), init: "false",
			verdicts: "HSE-LIF-010 HSE-LIF-011 HSE-LIF-012 HSE-LIF-016", running: finding.Fail, detail: "the shell sh does not pass SIGTERM on to node"},
		{name: "npm-logs", command: "[npm, start, --prefix, /app]", init: "true", logs: "[app got SIGTERM, app closed]",
			verdicts: "HSE-LIF-012 HSE-LIF-013 HSE-LIF-016", running: finding.Fail, detail: "the shell sh does not pass SIGTERM on to node"},
		// Node itself catches the signal, so only its end shows that the program does not.
		{name: "bare", command: "[node, /app/bare.js]", init: "true",
			verdicts: "HSE-LIF-012 HSE-LIF-016", running: finding.Pass, detail: "node (port 3000) has no handler of its own for SIGTERM"},
		{name: "bare-perl", command: "[perl, /app/bare.pl]", init: "true",
			verdicts: "HSE-LIF-012 HSE-LIF-016", running: finding.Advice, detail: "perl (port 3000) has no handler for SIGTERM"},
		{name: "forwards", command: script("trap 'kill -TERM $pid' TERM; node /app/server.js & pid=$!; wait $pid; wait $pid"), init: "false",
			running: finding.Pass, detail: "hsectl drill shutdown proves that sh does not keep it"},
		{name: "forwards-node", command: "[node, /app/wrapper.js]", init: "true", running: finding.Pass, detail: "node (port 3000)"},
		{name: "keeps", command: script("trap 'exit 0' TERM; node /app/server.js & wait"), init: "false",
			verdicts: "HSE-LIF-016", running: finding.Pass, detail: "node (port 3000) had no time to act on SIGTERM: sh ended"},
		{name: "hurries", command: script("trap 'kill -TERM $pid; exit 0' TERM; node /app/server.js & pid=$!; wait $pid"), init: "false",
			verdicts: "HSE-LIF-016", running: finding.Pass, detail: "sh ended without"},
		{name: "worker", command: "[node, /app/worker.js]", init: "true", running: finding.Pass, detail: "docker-init passes SIGTERM on to node, which handles it"},
	}
}

// Whether the program itself gets the stop signal is seen through everything that people put before it: by verify as far as processes
// show it, and by the drill in any case.
func TestStopThroughWrappers(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	files := map[string]string{
		"Dockerfile":   "FROM node:24-slim\nCOPY package.json server.js bare.js bare.pl wrapper.js worker.js /app/\n",
		"package.json": `{"name": "x", "version": "1.0.0", "scripts": {"start": "node /app/server.js; echo ended"}}`,
		"server.js":    server + "\n" + handles + "\n",
		"bare.js":      server + "\n",
		"bare.pl":      `use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalPort => 3000, Listen => 5) or die; while (my $c = $s->accept) { <$c>; print $c "HTTP/1.0 200 OK\r\n\r\n"; close $c }`,
		"worker.js":    "setInterval(() => {}, 1000)\nprocess.on('SIGTERM', () => process.exit(0))\n",
		"wrapper.js": "const child = require('child_process').spawn('node', ['/app/server.js'], {stdio: 'inherit'})\n" +
			"process.on('SIGTERM', () => child.kill('SIGTERM'))\nchild.on('exit', code => process.exit(code))\n",
	}
	image := presetAtWork{preset: "stop", files: files}.build(t, e)
	var text strings.Builder
	text.WriteString("apiVersion: hsectl/v1\nkind: Profile\nname: NAME\nservices:\n")
	for _, w := range wrappers() {
		health := `{shell: "grep -q ':0BB8 ' /proc/net/tcp /proc/net/tcp6", interval: 3s, timeout: 3s, retries: 40, start_period: 1s}` // port 3000
		if w.name == "worker" {
			health = `{shell: "kill -0 1", interval: 3s, timeout: 3s, retries: 40}`
		}
		logs := ""
		if w.logs != "" {
			logs = ", logs: " + w.logs
		}
		text.WriteString("  " + w.name + ":\n    preset: node\n    image: " + image + "\n    command: " + w.command + "\n    init: " + w.init +
			"\n    health: " + health + "\n    shutdown: {grace: 4s" + logs + "}\n    limits: {cpus: \"0.5\", memory: 192M, pids: 100}\n")
	}
	s := testStack(t, e, text.String(), "")
	mustDeploy(t, e, s)
	findings := judge(t, e, s)
	for _, w := range wrappers() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			i := slices.IndexFunc(findings, func(f finding.Finding) bool { return f.Subject == w.name && f.Control == "HSE-LIF-001" })
			if f := findings[i]; f.Status != w.running || w.verdicts == "" && !strings.Contains(f.Detail, w.detail) {
				t.Errorf("running: %s: %s", f.Status, f.Detail)
			}
			service := s.Services[slices.IndexFunc(s.Services, func(v stack.Service) bool { return v.Name == w.name })]
			stopped, err := e.Stop(t.Context(), s.Name, w.name)
			if err != nil {
				t.Fatal(err)
			}
			var failed []string
			for _, f := range drills.JudgeShutdown(service, stopped) {
				t.Logf("%s %s: %s", f.Control, f.Status, f.Detail)
				if f.Status != finding.Pass {
					failed = append(failed, f.Control)
				}
				if f.Control == "HSE-LIF-016" && f.Status == finding.Fail && !strings.Contains(f.Detail, w.detail) {
					t.Errorf("stopped: %s", f.Detail)
				}
			}
			slices.Sort(failed)
			if got := strings.Join(failed, " "); got != w.verdicts {
				t.Errorf("%q do not pass, want %q: %+v", got, w.verdicts, stopped)
			}
		})
	}
}
