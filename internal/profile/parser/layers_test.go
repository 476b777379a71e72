package parser_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/profile/parser"
)

// library is made of texts, so that a test can say what each layer brings.
type library struct {
	baseline string
	presets  map[string]string
}

func (l library) Baseline() []byte { return []byte(l.baseline) }

func (l library) Preset(name string) ([]byte, bool) {
	text, ok := l.presets[name]
	return []byte(text), ok
}

func (l library) Presets() []string { return slices.Sorted(maps.Keys(l.presets)) }

// layered has two values for every key of a service: one as a weaker layer brings it, and one as the user writes it.
func layered() map[string][2]string {
	return map[string][2]string{
		"owner":          {"weak", "strong"},
		"image":          {"example/weak:1", "example/strong:1"},
		"build":          {"{context: weak, target: weak, args: {A: weak}}", "{context: strong, dockerfile: D, target: strong, args: {A: strong}}"},
		"entrypoint":     {"[weak, weak]", "[strong]"},
		"command":        {"[weak, weak]", "[strong]"},
		"arguments":      {"[weak, weak]", "[strong]"},
		"hostname":       {"weak", "strong"},
		"user":           {`"1:1"`, `"2:2"`},
		"init":           {"true", "false"},
		"writable":       {"[{path: /data, volume: weak, mode: \"0755\"}]", "[{path: /data, tmpfs: 1M}]"},
		"capabilities":   {"[{name: CHOWN, reason: weak}, {name: KILL, reason: weak}]", "[{name: SETUID, reason: strong}]"},
		"new_privileges": {"false", "true"},
		"limits":         {`{cpus: "1", memory: 1G, pids: 1}`, `{cpus: "2", memory: 2G, pids: 2}`},
		"reservations":   {`{cpus: "0.1", memory: 10M}`, `{cpus: "0.2", memory: 20M}`},
		"shm_size":       {"1M", "2M"},
		"open_files":     {"1", "2"},
		"shutdown":       {"{signal: SIGINT, grace: 10s, timeout: 5s, logs: [weak, weak]}", "{signal: SIGHUP, grace: 20s, timeout: 6s, logs: [strong]}"},
		"replicas":       {"3", "1"},
		"rollout":        {"{order: start-first, settle: 1s, drain: 1s}", "{order: stop-first, settle: 2s, drain: 2s}"},
		"health": {"{shell: weak, interval: 1m, timeout: 1s, retries: 1, start_period: 1s}",
			"{command: [strong], interval: 2m, timeout: 2s, retries: 2, start_period: 2s}"},
		"secrets":     {"[weak, other]", "[strong]"},
		"environment": {"{A: {default: weak}, B: weak, C: {required: true}}", "{A: {required: true}, B: strong, C: {default: strong}}"},
		"ports":       {`["1:1", "2:2"]`, `["3:3"]`},
		"networks":    {"[weak, other]", "[edge]"},
		"profiles":    {"[weak]", "[strong]"},
		"depends_on":  {"[weak, other]", "[{service: peer, condition: started}]"},
		"restart":     {"always", "on-failure:3"},
		"logging":     {"{driver: local, max_size: 1m, max_files: 1}", "{driver: json-file, max_size: 2m, max_files: 2}"},
		"labels":      {"{a: weak}", "{a: strong}"},
		"verify":      {"{denied: [/weak, /other], listen: [1, 2]}", "{denied: [/strong], listen: [3]}"},
		"notes":       {"[weak, weak]", "[strong]"},
		"host_paths":  {"[{host: /srv/weak, why: weak}, {host: /srv/other, why: weak}]", "[{host: /srv/strong, path: /strong, why: strong}]"},
		"metrics":     {"{prefix: weak_, port: 1, path: /weak}", "{prefix: strong_, port: 2, path: /strong}"},
		"slo":         {"{latency_p95: 1s, availability: 99}", "{latency_p95: 2s, availability: 98}"},
		"passthrough": {"{dns: weak, tty: false}", "{dns: strong, tty: true}"},
	}
}

func layer(which int, indent string, leaveOut ...string) string {
	var b strings.Builder
	values := layered()
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(leaveOut, key) {
			fmt.Fprintf(&b, "%s%s: %s\n", indent, key, values[key][which])
		}
	}
	return b.String()
}

// Whatever a key is, the weaker layers cannot change what the user wrote for it.
func TestUserValuesAlwaysWin(t *testing.T) {
	service := reflect.TypeFor[profile.Service]()
	for i := range service.NumField() {
		key := service.Field(i).Tag.Get("yaml")
		if _, ok := layered()[key]; !ok && !slices.Contains([]string{"preset", "probes", "secret_files", "first_start", "speaks", "single"}, key) {
			t.Errorf("the table has no values for the key %q", key)
		}
	}
	text := `{apiVersion: hsectl/v1, kind: Profile, name: x}`
	text = strings.Trim(strings.ReplaceAll(text, ", ", "\n"), "{}") + "\n" +
		"exceptions: [{control: HSE-FS-003, service: app, reason: a test, owner: team, expires: 2099-01-01}, {control: HSE-PRV-002, service: app, reason: a test, owner: team, expires: 2099-01-01}]\nsecrets: {strong: {env: STRONG}}\nnetworks: {edge: {publish: true}}\n" +
		"services:\n  peer: {image: example/peer:1, user: \"1:1\", health: {command: [x]}}\n"
	alone := text + "  app:\n" + layer(1, "    ")
	weakDefaults := layer(0, "  ", "image", "build", "command", "entrypoint", "hostname", "ports", "host_paths", "metrics", "slo", "replicas")
	covered := text + "  app:\n    preset: weak\n" + layer(1, "    ") + "defaults:\n" + weakDefaults
	weak := layer(0, "", "secrets", "networks", "depends_on")
	// The peer needs what the baseline usually gives.
	least := "limits: {cpus: \"1\", memory: 10M, pids: 1}\nhealth: {interval: 10s, timeout: 1s, retries: 1}\n" +
		"shutdown: {signal: SIGTERM, grace: 10s}\nrestart: \"no\"\nlogging: {driver: local, max_files: 1}\n"
	o := options("user.yaml")
	o.Library = library{baseline: least}
	want, err := parser.Parse([]byte(alone), o)
	if err != nil {
		t.Fatal(problems(err))
	}
	// A peer may not read the host without an exception of its own, nor have containers that write one volume.
	o.Library = library{baseline: layer(0, "", "secrets", "networks", "depends_on", "host_paths", "replicas"), presets: map[string]string{"weak": weak}}
	// The defaults name secrets, networks and services that only weak layers would ask for: the peer gets them too.
	covered = strings.Replace(covered, "services:\n", "services:\n  weak: {image: example/peer:1, secrets: [], networks: [edge], depends_on: []}\n"+
		"  other: {image: example/peer:1, secrets: [], networks: [edge], depends_on: []}\n", 1)
	covered = strings.Replace(covered, "health: {command: [x]}}", "health: {command: [x]}, secrets: [], networks: [edge], depends_on: [], ports: [], profiles: []}", 1)
	covered = strings.ReplaceAll(covered, "depends_on: []}", "depends_on: [], ports: []}")
	got, err := parser.Parse([]byte(covered), o)
	if err != nil {
		t.Fatal(problems(err))
	}
	a, b := reflect.ValueOf(want.Services["app"]), reflect.ValueOf(got.Services["app"])
	for i := range service.NumField() {
		key := service.Field(i).Tag.Get("yaml")
		if key == "preset" {
			continue
		}
		if !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			t.Errorf("%s: the user wrote %+v, a weaker layer made it %+v", key, a.Field(i), b.Field(i))
		}
	}
}

// Each layer wins over the weaker ones, and each value knows who gave it and where.
func TestLayersAndPlaces(t *testing.T) {
	o := options("user.yaml")
	o.Library = library{
		baseline: "limits: {cpus: \"1\", memory: 64M, pids: 10}\nrestart: always\nopen_files: 1\nhealth: {interval: 10s, timeout: 1s, retries: 1}\n" +
			"shutdown: {signal: SIGTERM, grace: 1s}\nlogging: {driver: local, max_files: 3}\n",
		presets: map[string]string{"p": "image: example/p:1\nuser: \"5:5\"\nhealth: {command: [x]}\nopen_files: 2\nshutdown: {grace: 2s}\n"},
	}
	p, err := parser.Parse([]byte(`apiVersion: hsectl/v1
kind: Profile
name: x
defaults:
  shutdown: {grace: 3s}
  logging: {max_files: 4}
services:
  app:
    preset: p
    logging: {max_files: 5}
    writable:
      - {path: /a, volume: a}
`), o)
	if err != nil {
		t.Fatal(problems(err))
	}
	app := p.Services["app"]
	if app.Restart != "always" || app.OpenFiles != 2 || app.Shutdown.Grace.D != 3*time.Second || app.Logging.MaxFiles != 5 {
		t.Errorf("the layers are out of order: %+v", app)
	}
	for _, c := range []struct{ path, layer, located, written string }{
		{"services.app.restart", "built-in", "baseline.yaml:2:10", "user.yaml:9:5"},
		{"services.app.open_files", "preset p", "presets/p.yaml:4:13", "user.yaml:9:5"},
		{"services.app.shutdown.grace", "defaults", "user.yaml:5:21", "user.yaml:5:21"},
		{"services.app.logging.max_files", "profile", "user.yaml:10:26", "user.yaml:10:26"},
		{"services.app.logging.driver", "built-in", "baseline.yaml:6:19", "user.yaml:10:14"},
		{"services.app.writable[0].path", "profile", "user.yaml:12:16", "user.yaml:12:16"},
		{"services.app.writable[0].owner", "profile", "user.yaml:12:9", "user.yaml:12:9"},
		{"services.app#key", "profile", "user.yaml:8:3", "user.yaml:8:3"},
		{"services.app.no.such.thing", "profile", "user.yaml:9:5", "user.yaml:9:5"},
		{"nothing", "profile", "user.yaml:1:1", "user.yaml:1:1"},
	} {
		if got := p.Layer(c.path); got != c.layer {
			t.Errorf("%s comes from %s, not from %s", c.path, got, c.layer)
		}
		if got := p.Locate(c.path).String(); got != c.located {
			t.Errorf("%s is located at %s, want %s", c.path, got, c.located)
		}
		if got := p.Written(c.path).String(); got != c.written {
			t.Errorf("%s is written at %s, want %s", c.path, got, c.written)
		}
	}
}

// Writing one of several exclusive keys drops the others that weaker layers brought.
func TestOneChoiceDropsTheOther(t *testing.T) {
	p := parse(t, head+`services:
  probe: {preset: redis, health: {command: [redis-cli, ping]}}
  built: {preset: redis, build: {context: .}}
defaults:
  environment: {LEVEL: {default: info}}
`)
	if h := p.Services["probe"].Health; h.Shell != "" || len(h.Command) != 2 || h.Interval.Text != "10s" {
		t.Errorf("the preset's test stayed next to the user's: %+v", h)
	}
	if image := p.Services["built"].Image; image != "shop-built:latest" {
		t.Errorf("a built service runs %s", image)
	}
	p = parse(t, head+`services:
  a: {preset: redis, environment: {LEVEL: {required: true}}}
  b: {preset: redis, environment: {LEVEL: debug}}
  c: {preset: redis}
defaults:
  environment: {LEVEL: {default: info}}
`)
	if e := p.Services["a"].Environment["LEVEL"]; !e.Required || e.Default != nil {
		t.Errorf("the default stayed next to required: %+v", e)
	}
	if e := p.Services["b"].Environment["LEVEL"]; e.Value != "debug" || e.Default != nil {
		t.Errorf("the default stayed next to the value: %+v", e)
	}
	if e := p.Services["c"].Environment["LEVEL"]; e.Default == nil || *e.Default != "info" {
		t.Errorf("the default is lost: %+v", e)
	}
}

// Writable paths merge by their path: what a preset knows about an image stays unless the same path is written.
func TestWritablePathsMerge(t *testing.T) {
	p := parse(t, head+`services:
  db:
    preset: postgres
    writable:
      - {path: /tmp, tmpfs: 1G}
      - {path: /backup, volume: backup}
`)
	got := map[string]string{}
	for _, w := range p.Services["db"].Writable {
		got[w.Path] += w.Volume + w.Tmpfs.Text
	}
	want := map[string]string{"/var/lib/postgresql": "db-data", "/run/postgresql": "8m", "/tmp": "1G", "/backup": "backup"}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A key without a value says nothing: it does not erase what a preset knows.
func TestEmptyValuesSayNothing(t *testing.T) {
	p := parse(t, head+"services:\n  cache:\n    preset: redis\n    image:\n    limits:\n    health: ~\n    writable:\n")
	want := parse(t, head+"services:\n  cache:\n    preset: redis\n")
	if !reflect.DeepEqual(p.Services["cache"], want.Services["cache"]) {
		t.Errorf("got %+v\nwant %+v", p.Services["cache"], want.Services["cache"])
	}
}
