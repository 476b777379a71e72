package parser_test

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/profile/parser"
)

const head = "apiVersion: hsectl/v1\nkind: Profile\nname: shop\n"

// Every key of the format arrives where it belongs.
func TestEverything(t *testing.T) {
	path := filepath.Join(testProfiles, "valid-everything.yaml")
	p, err := parser.Parse(read(t, path), options("everything.yaml"))
	if err != nil {
		t.Fatal(problems(err))
	}
	no := false
	level := profile.Text("info")
	size := func(n int64, text string) profile.Bytes { return profile.Bytes{N: n << 20, Text: text} }
	seconds := func(n int, text string) profile.Duration {
		return profile.Duration{D: time.Duration(n) * time.Second, Text: text}
	}
	web := p.Services["web"]
	checks := map[string][2]any{
		"image":        {web.Image, "example/web:1.2"},
		"build":        {*web.Build, profile.Build{Context: "./web", Dockerfile: "docker/Dockerfile", Target: "production", Args: map[string]profile.Text{"NODE_ENV": "production", "RELEASE": "7"}}},
		"entrypoint":   {web.Entrypoint, []string{"/usr/bin/dumb-init", "--"}},
		"arguments":    {web.Arguments, []string{"--port", "8080"}},
		"user":         {web.User, profile.User{UID: 1001, GID: 1002, Set: true}},
		"init":         {web.Init, &no},
		"writable":     {web.Writable, []profile.Writable{{Path: "/tmp", Tmpfs: size(32, "32M"), Mode: profile.Mode{Bits: 0o1777, Set: true}, Exec: true}, {Path: "/tmp/uploads", Volume: "uploads", Mode: profile.Mode{Bits: 0o750, Set: true}, Owner: profile.User{UID: 1001, GID: 2000, Set: true}}}},
		"capabilities": {web.Capabilities, []profile.Capability{{Name: "NET_BIND_SERVICE", Reason: "listens on port 80"}}},
		"limits":       {web.Limits, profile.Resources{CPUs: profile.CPUs{Nano: 5e8, Text: "0.5"}, Memory: size(256, "256M"), PIDs: 50}},
		"reservations": {web.Reservations, profile.Resources{CPUs: profile.CPUs{Nano: 25e7, Text: "0.25"}, Memory: size(128, "128M")}},
		"shm_size":     {web.ShmSize, size(16, "16M")},
		"shutdown":     {web.Shutdown, profile.Shutdown{Signal: "SIGINT", Grace: seconds(60, "1m"), Timeout: seconds(50, "50s"), Logs: []string{"stopping", "stopped"}}},
		"health":       {*web.Health, profile.Health{HTTP: &profile.HTTPTest{Port: 8080, Path: "/live"}, Interval: seconds(20, "20s"), Timeout: seconds(3, "3s"), Retries: 2, StartPeriod: seconds(5, "5s")}},
		"secrets":      {web.Secrets, []profile.SecretUse{{Name: "token"}, {Name: "conf", Env: "CONF_FILE"}}},
		"literal":      {web.Environment["NODE_ENV"], profile.Env{Value: "production"}},
		"number":       {web.Environment["WORKERS"], profile.Env{Value: "2"}},
		"boolean":      {web.Environment["VERBOSE"], profile.Env{Value: "false"}},
		"required":     {web.Environment["REGION"], profile.Env{Required: true}},
		"default":      {web.Environment["LEVEL"], profile.Env{Default: &level}},
		"ports": {web.Ports, []profile.Port{{Address: "127.0.0.1", Host: 8080, Container: 8080, Protocol: "tcp"}, {Address: "0.0.0.0", Host: 443, Container: 8443, Protocol: "tcp"},
			{Address: "127.0.0.1", Host: 53, Container: 53, Protocol: "udp"}, {Address: "::1", Host: 9000, Container: 9000, Protocol: "tcp"}}},
		"depends_on": {web.DependsOn, []profile.Dependency{{Service: "cache", Condition: "healthy"}, {Service: "job", Condition: "completed"}}},
		"labels":     {web.Labels, map[string]profile.Text{"team": "shop", "cost-centre": "42"}},
		"verify":     {web.Verify, profile.Verify{Denied: []string{"/etc", "/usr"}, Listen: []int{8080}}},
		"logging":    {web.Logging, profile.Logging{Driver: "local", MaxSize: size(5, "5m"), MaxFiles: 2}},
		"preset's":   {p.Services["cache"].Init, &no},
		"restart":    {p.Services["cache"].Restart, "on-failure:5"},
		"own":        {p.Services["job"].Restart, "no"},
		"external":   {p.Networks["partners"], profile.Network{External: true}},
		"volume":     {p.Volumes["uploads"], profile.Volume{External: true}},
		"secret":     {p.Secrets["conf"], profile.Secret{From: "token", Format: "token {}"}},
		"excepted":   {p.Excepted("HSE-USR-001", "job").Owner, "ops"},
		"not it":     {p.Excepted("HSE-USR-001", "web"), (*profile.Exception)(nil)},
	}
	for name, c := range checks {
		if !reflect.DeepEqual(c[0], c[1]) {
			t.Errorf("%s: got %+v, want %+v", name, c[0], c[1])
		}
	}
}

// Networks that are not declared are safe ones: internal, and publishing only where a port is.
func TestNetworksByDefault(t *testing.T) {
	p := parse(t, head+"services:\n  cache: {preset: redis}\n  web: {preset: redis, ports: [\"80:80\"]}\n")
	if got := p.Services["cache"].Networks; !slices.Equal(got, []string{"backend"}) {
		t.Errorf("cache is on %v", got)
	}
	if got := p.Services["web"].Networks; !slices.Equal(got, []string{"backend", "edge"}) {
		t.Errorf("web is on %v", got)
	}
	want := map[string]profile.Network{"backend": {}, "edge": {Publish: true}}
	if !reflect.DeepEqual(p.Networks, want) {
		t.Errorf("networks are %v", p.Networks)
	}
}

// Aliases and merge keys are resolved before layers are merged; keys written next to a merge key win.
func TestAnchors(t *testing.T) {
	path := filepath.Join(testProfiles, "valid-anchors.yaml")
	p, err := parser.Parse(read(t, path), options("anchors.yaml"))
	if err != nil {
		t.Fatal(problems(err))
	}
	for name, want := range map[string]string{"a": "64M unless-stopped", "b": "128M unless-stopped", "c": "64M unless-stopped", "d": "64M always"} {
		s := p.Services[name]
		if got := s.Limits.Memory.Text + " " + s.Restart; got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
		if s.Limits.CPUs.Text != "0.5" {
			t.Errorf("%s: the merged cpus are %s", name, s.Limits.CPUs)
		}
	}
	// A mistake in an alias is shown where it is used, a merged key where it was written.
	if got := p.Locate("services.c").Line; got != 13 {
		t.Errorf("the alias is in line %d", got)
	}
	if got := p.Locate("services.b.limits.cpus").Line; got != 7 {
		t.Errorf("the merged key is in line %d", got)
	}
}

// Nothing in a profile is expanded: a dollar sign is a dollar sign, and braces of the user are no formula.
func TestValuesStayLiteral(t *testing.T) {
	path := filepath.Join(testProfiles, "valid-dollars.yaml")
	p, err := parser.Parse(read(t, path), options("dollars.yaml"))
	if err != nil {
		t.Fatal(problems(err))
	}
	for name, want := range map[string]string{"PLAIN": "$HOME", "DOUBLE": "$$", "BRACES": "${X:-y}", "PRICE": "5$"} {
		if got := string(p.Services["app"].Environment[name].Value); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	p = parse(t, head+"defaults: {labels: {l: \"{{.Memory}}\"}}\nservices:\n  app: {preset: redis, environment: {T: \"{{.PIDs}} {{nonsense\"}}\n")
	app := p.Services["app"]
	if app.Environment["T"].Value != "{{.PIDs}} {{nonsense" || app.Labels["l"] != "{{.Memory}}" {
		t.Errorf("the user's braces were expanded: %v %v", app.Environment["T"], app.Labels)
	}
}

// The tuning of a preset follows from the limits, whoever sets them; 1G gives the numbers of the reference document.
func TestFormulas(t *testing.T) {
	for _, c := range []struct{ preset, memory, want string }{
		{"node", "256M", "--max-old-space-size=128 --max-semi-space-size=16; threads 4"},
		{"node", "512M", "--max-old-space-size=256 --max-semi-space-size=32; threads 4"},
		{"node", "1G", "--max-old-space-size=512 --max-semi-space-size=64; threads 4"},
		{"node", "4G", "--max-old-space-size=2048 --max-semi-space-size=64; threads 4"},
		{"postgres", "128M", "shared_buffers=32MB effective_cache_size=76MB max_connections=20 work_mem=1MB; shm 64m"},
		{"postgres", "1G", "shared_buffers=256MB effective_cache_size=614MB max_connections=100 work_mem=2MB; shm 256m"},
		{"postgres", "2G", "shared_buffers=512MB effective_cache_size=1228MB max_connections=160 work_mem=5MB; shm 512m"},
		{"postgres", "16G", "shared_buffers=4096MB effective_cache_size=9830MB max_connections=160 work_mem=40MB; shm 1024m"},
		{"redis", "64M", "--maxmemory 38mb --maxmemory-policy noeviction"},
		{"redis", "512M", "--maxmemory 307mb --maxmemory-policy noeviction"},
		{"redis", "1.5G", "--maxmemory 921mb --maxmemory-policy noeviction"},
	} {
		t.Run(c.preset+" "+c.memory, func(t *testing.T) {
			health := ""
			if c.preset == "node" {
				health = "    health: {tcp: 80}\n"
			}
			p := parse(t, head+fmt.Sprintf("services:\n  app:\n    preset: %s\n    limits: {memory: %s}\n    reservations: {memory: 10M}\n%s", c.preset, c.memory, health))
			s := p.Services["app"]
			var got string
			switch c.preset {
			case "node":
				got = fmt.Sprintf("%s; threads %s", s.Environment["NODE_OPTIONS"].Value, s.Environment["UV_THREADPOOL_SIZE"].Value)
			case "postgres":
				got = strings.ReplaceAll(strings.Join(s.Command[2:], " "), "-c ", "") + "; shm " + s.ShmSize.Text
			case "redis":
				got = strings.Join(s.Command[3:], " ")
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// A mistake in a preset is reported as the preset's, with the place in the preset.
func TestBrokenFormula(t *testing.T) {
	for formula, want := range map[string]string{
		`"{{nonsense}}"`: "reading the formula",
		`"{{.Nobody}}"`:  "computing",
		`"{{.Memory"`:    "reading the formula",
	} {
		o := options("user.yaml")
		o.Library = library{presets: map[string]string{"p": "hostname: " + formula + "\n"}}
		_, err := parser.Parse([]byte(head+"services:\n  app: {preset: p}\n"), o)
		if got := problems(err); !strings.Contains(got, "p.yaml:1:11: "+want) || !strings.Contains(got, "the error is in the preset") {
			t.Errorf("%s: got\n%s", formula, got)
		}
	}
}

// The image's own tools test its health, on IPv4 of the container itself.
func TestProbeCommand(t *testing.T) {
	p := parse(t, head+"services:\n  a: {preset: node, health: {http: {port: 3001, path: /api/health}}}\n  b: {preset: node, health: {tcp: 5000}}\n  c: {preset: redis}\n")
	if command, ok := p.Services["a"].ProbeCommand(); !ok || !strings.Contains(strings.Join(command, " "), "http://127.0.0.1:3001/api/health") {
		t.Errorf("http: %v", command)
	}
	if command, ok := p.Services["b"].ProbeCommand(); !ok || !strings.Contains(strings.Join(command, " "), "connect(5000,'127.0.0.1')") {
		t.Errorf("tcp: %v", command)
	}
	if command, ok := p.Services["c"].ProbeCommand(); ok {
		t.Errorf("a shell test has a probe: %v", command)
	}
}
