package stack_test

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/profiles"
)

const head = "apiVersion: hsectl/v1\nkind: Profile\nname: shop\n"

func parse(t *testing.T, text string) stack.Stack {
	t.Helper()
	p, err := parser.Parse([]byte(text), parser.Options{File: "test.yaml", Library: profiles.Library{}})
	if err != nil {
		t.Fatal(err)
	}
	return stack.New(p)
}

func reference(t *testing.T) stack.Stack {
	t.Helper()
	data, err := os.ReadFile("../../profiles/hse-digital.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, string(data))
}

func service(t *testing.T, s stack.Stack, name string) stack.Service {
	t.Helper()
	found, ok := s.Service(name)
	if !ok {
		t.Fatalf("there is no service %s", name)
	}
	return found
}

// The model keeps every number of the reference document.
func TestTheReferenceToTheDigit(t *testing.T) {
	s := reference(t)
	for name, want := range map[string][2]stack.Resources{
		"app":      {{CPUs: "2.0", Nano: 2e9, Memory: stack.Size{Bytes: 1 << 30, Text: "1G"}, PIDs: 200}, {CPUs: "1.0", Nano: 1e9, Memory: stack.Size{Bytes: 512 << 20, Text: "512M"}}},
		"postgres": {{CPUs: "2.0", Nano: 2e9, Memory: stack.Size{Bytes: 2 << 30, Text: "2G"}, PIDs: 300}, {CPUs: "1.0", Nano: 1e9, Memory: stack.Size{Bytes: 1 << 30, Text: "1G"}}},
		"redis":    {{CPUs: "1.0", Nano: 1e9, Memory: stack.Size{Bytes: 512 << 20, Text: "512M"}, PIDs: 100}, {CPUs: "0.5", Nano: 5e8, Memory: stack.Size{Bytes: 256 << 20, Text: "256M"}}},
	} {
		got := service(t, s, name)
		if got.Limits != want[0] || got.Reservations != want[1] {
			t.Errorf("%s: limits %+v, reservations %+v", name, got.Limits, got.Reservations)
		}
	}
	app := service(t, s, "app")
	if app.Shutdown.Signal != "SIGTERM" || app.Shutdown.Grace != 30*time.Second || app.Shutdown.Timeout != 25*time.Second || len(app.Shutdown.Logs) != 9 {
		t.Errorf("shutdown: %+v", app.Shutdown)
	}
	if app.User != (stack.User{UID: 1000, GID: 1000}) {
		t.Errorf("user: %v", app.User)
	}
	var paths []string
	for _, w := range app.Writable {
		paths = append(paths, w.Path)
		if w.Owner != app.User {
			t.Errorf("%s belongs to %v", w.Path, w.Owner)
		}
	}
	slices.Sort(paths)
	if want := []string{"/app/logs", "/app/server/public/reports", "/app/server/public/uploads", "/tmp", "/tmp/app"}; !slices.Equal(paths, want) {
		t.Errorf("writable: %v", paths)
	}
	var capabilities []string
	for _, c := range app.Capabilities {
		capabilities = append(capabilities, c.Name)
	}
	if !slices.Equal(capabilities, []string{"NET_BIND_SERVICE"}) || len(service(t, s, "postgres").Capabilities)+len(service(t, s, "redis").Capabilities) > 0 {
		t.Errorf("capabilities: %v", capabilities)
	}
}

func TestWritableDirectoriesBelongToTheServicesUser(t *testing.T) {
	s := parse(t, head+`services:
  cache:
    preset: redis
    user: "7:8"
    writable:
      - {path: /data, volume: data}
      - {path: /tmp, tmpfs: 1M, mode: "1777"}
      - {path: /shared, volume: shared, owner: "7:9", mode: "0750"}
`)
	want := []stack.Writable{
		{Path: "/data", Volume: "data", Mode: 0o700, Owner: stack.User{UID: 7, GID: 8}},
		{Path: "/tmp", Size: stack.Size{Bytes: 1 << 20, Text: "1M"}, Mode: 0o1777, Owner: stack.User{UID: 7, GID: 8}},
		{Path: "/shared", Volume: "shared", Mode: 0o750, Owner: stack.User{UID: 7, GID: 9}},
	}
	if got := service(t, s, "cache").Writable; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestNetworksOfTheModel(t *testing.T) {
	s := parse(t, head+"services: {cache: {preset: redis}}\nnetworks: {backend: {}, edge: {publish: true}, out: {egress: true}, theirs: {external: true}}\n")
	want := []stack.Network{{Name: "backend", Internal: true}, {Name: "edge"}, {Name: "out", Egress: true}, {Name: "theirs", Egress: true, External: true}}
	if !slices.Equal(s.Networks, want) {
		t.Errorf("got %+v", s.Networks)
	}
}

func TestHealthTests(t *testing.T) {
	s := parse(t, head+`services:
  shell: {preset: redis}
  command: {preset: redis, health: {command: [redis-cli, ping]}}
  http: {preset: node, health: {http: {port: 80, path: /live}}}
  none: {image: example/job:1, user: "1:1", limits: {cpus: "1", memory: 64M}}
exceptions: [{control: HSE-HLT-001, service: none, reason: it ends by itself, expires: 2027-01-01}]
`)
	for name, want := range map[string]string{"shell": "CMD-SHELL redis-cli", "command": "CMD redis-cli ping", "http": "CMD node -e fetch('http://127.0.0.1:80/live')"} {
		if h := service(t, s, name).Health; h == nil || !strings.HasPrefix(strings.Join(h.Test, " "), want) {
			t.Errorf("%s: got %+v", name, h)
		}
	}
	if h := service(t, s, "none").Health; h != nil {
		t.Errorf("none: got %+v", h)
	}
}

func TestBuiltServices(t *testing.T) {
	s := parse(t, head+"services: {app: {preset: redis, build: {context: src, args: {A: 1}}}}\n")
	app := service(t, s, "app")
	if app.Image != "shop-app:latest" || app.Build.Dockerfile != "Dockerfile" || app.Build.Args["A"] != "1" {
		t.Errorf("got %s from %+v", app.Image, app.Build)
	}
}

func TestIntent(t *testing.T) {
	s := reference(t)
	in := s.Intent(service(t, s, "app"))
	if in.UID != 1000 || in.GID != 1000 || in.Capabilities != policy.CapabilityMask("NET_BIND_SERVICE") || in.Egress ||
		in.Memory != 1<<30 || in.CPUs != 2 || in.PIDs != 200 || in.Image != "hse-digital:latest" || len(in.Secrets) != 4 {
		t.Errorf("got %+v", in)
	}
	if want := []policy.Port{{Address: "127.0.0.1", Host: 3001, Container: 3001, Protocol: "tcp"}}; !slices.Equal(in.Ports, want) {
		t.Errorf("ports: %v", in.Ports)
	}
	for _, w := range in.Writable {
		if w.Path == "/tmp" && (w.Exec || w.SUID || w.Dev || w.Size != 64<<20) {
			t.Errorf("/tmp: %+v", w)
		}
	}
}

func TestRequiredVariables(t *testing.T) {
	s := parse(t, head+"services:\n  a: {preset: redis, environment: {B: {required: true}, C: x}}\n  b: {preset: redis, environment: {A: {required: true}, B: {required: true}}}\n")
	if got := s.Required(); !slices.Equal(got, []string{"A", "B"}) {
		t.Errorf("got %v", got)
	}
}

// A twin is the service with everything it depends on, and shares nothing with the original.
func TestTwin(t *testing.T) {
	text := head + `services:
  web:
    preset: redis
    build: {context: .}
    ports: ["80:80"]
    networks: [edge, theirs]
    depends_on: [api]
    writable: [{path: /up, volume: uploads}]
  api: {preset: redis, depends_on: [db]}
  db: {preset: redis}
  other: {preset: redis, writable: [{path: /x, volume: others}]}
networks: {backend: {}, edge: {publish: true}, theirs: {external: true}}
volumes: {uploads: {external: true}}
secrets: {token: {env: TOKEN}}
`
	s, before := parse(t, text), parse(t, text)
	twin := s.Twin("shop-drill-1", "web")
	var names []string
	for _, copied := range twin.Services {
		names = append(names, copied.Name)
		if copied.Ports != nil || copied.Restart != "no" || copied.Build != nil {
			t.Errorf("%s: ports %v, restart %s, build %v", copied.Name, copied.Ports, copied.Restart, copied.Build)
		}
	}
	if !slices.Equal(names, []string{"api", "db", "web"}) || twin.Name != "shop-drill-1" {
		t.Errorf("%s has %v", twin.Name, names)
	}
	for _, n := range twin.Networks {
		if n.External || n.Egress || !n.Internal {
			t.Errorf("network %+v reaches out", n)
		}
	}
	if len(twin.Networks) != 3 {
		t.Errorf("networks: %v", twin.Networks)
	}
	for _, v := range twin.Volumes {
		if v.External || v.Name == "others" {
			t.Errorf("volume %+v is shared, or not needed", v)
		}
	}
	if !reflect.DeepEqual(twin.Secrets, s.Secrets) {
		t.Errorf("secrets: %v", twin.Secrets)
	}
	if !reflect.DeepEqual(before, s) {
		t.Error("the original has changed")
	}
	if empty := s.Twin("x", "missing"); len(empty.Services) != 0 {
		t.Errorf("a twin of an unknown service has %v", empty.Services)
	}
}

// A circle cannot get into a stack; should it, a twin still ends.
func TestTwinOfACircle(t *testing.T) {
	s := stack.Stack{Services: []stack.Service{{Name: "a", DependsOn: []stack.Dependency{{Service: "b"}}}, {Name: "b", DependsOn: []stack.Dependency{{Service: "a"}}}}}
	if got := s.Twin("x", "a"); len(got.Services) != 2 {
		t.Errorf("got %v", got.Services)
	}
}

// How long an old container goes on is a duration, or says how long open connections may take.
func TestDrain(t *testing.T) {
	for text, want := range map[string]stack.Rollout{
		"":                                   {Settle: 2 * time.Second, Drain: time.Second, Open: 10 * time.Second},
		"drain: 3s":                          {Settle: 2 * time.Second, Drain: 3 * time.Second, Open: 10 * time.Second},
		"drain: {websockets: 10m}":           {Settle: 2 * time.Second, Drain: time.Second, Open: 10 * time.Minute},
		"drain: {least: 2s, websockets: 1s}": {Settle: 2 * time.Second, Drain: 2 * time.Second, Open: time.Second},
	} {
		s := parse(t, head+"services: {web: {image: \"example/web:1\", user: \"1:1\", limits: {cpus: \"1\", memory: 64M}, health: {command: [x]}, replicas: 2, rollout: {"+text+"}}}\n")
		if got := service(t, s, "web").Rollout; got != want {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
}
