package deploy_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/deploy/planfile"
	"github.com/hsectl/hsectl/internal/stack"
)

const shopWithMetadata = `apiVersion: hsectl/v1
kind: Profile
name: shop
services:
  app:
    preset: redis
    image: shop-app:latest
    build: {context: ., dockerfile: Dockerfile}
    secrets: [token]
    writable: [{path: /data, volume: uploads}]
    owner: team-a
    verify: {denied: [/etc/secret]}
    shutdown: {logs: [bye]}
    metrics: {port: 9100}
    slo: {latency_p95: 300ms}
    networks: [back]
    environment: {CONFIG: '{"debug": false}'}
    command: [redis-server, --save, --appendonly]
  cache: {preset: redis, user: "7:8", networks: [back]}
  alone: {preset: redis, user: "7:8", networks: [front]}
networks: {back: {}, front: {}}
secrets: {token: {env: TOKEN}}
jobs: {migrate: {service: app, command: [migrate]}}
exceptions:
  - {control: HSE-NET-003, service: app, reason: the reason is a test, owner: team-a, expires: 2026-12-31}
`

// What is not rendered replaces nothing and runs no job; what is granted is recorded anew, and a comment is not even that.
func TestMetadataTouchesNothing(t *testing.T) {
	for name, c := range map[string]struct{ old, new, intent string }{
		"owner":                    {"owner: team-a\n", "owner: team-b\n", "services.app.owner: team-a → team-b"},
		"reason of an exception":   {"the reason is a test", "the reason is another test", "exceptions[0].reason"},
		"last day of an exception": {"2026-12-31", "2026-11-30", "exceptions[0].expires"},
		"an exception is gone":     {"exceptions:\n  - {control: HSE-NET-003, service: app, reason: the reason is a test, owner: team-a, expires: 2026-12-31}\n", "", "exceptions[0].control is gone"},
		"denied paths":             {"/etc/secret", "/etc/other", "services.app.denied[0]: /etc/secret → /etc/other"},
		"log lines of a shutdown":  {"[bye]", "[bye, closed]", "services.app.shutdown.logs[1] is new: closed"},
		"objectives":               {"300ms", "400ms", "services.app.slo.latencyP95: 300ms → 400ms"},
		"path of a Dockerfile":     {"dockerfile: Dockerfile", "dockerfile: deploy/Dockerfile", "services.app.build.dockerfile: Dockerfile → deploy/Dockerfile"},
		"a build argument":         {"dockerfile: Dockerfile", "dockerfile: Dockerfile, args: {Text: a}", "services.app.build.args.Text is new: a"},
		"a job":                    {"command: [migrate]", "command: [migrate, --all]", "jobs.migrate.command[1] is new: --all"},
		"a comment":                {"kind: Profile\n", "kind: Profile # of the shop\n", ""},
		"the order of keys":        {"    owner: team-a\n    verify: {denied: [/etc/secret]}\n", "    verify: {denied: [/etc/secret]}\n    owner: team-a\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			d, o := deployed(t, shopWithMetadata)
			changed := strings.Replace(shopWithMetadata, c.old, c.new, 1)
			if changed == shopWithMetadata {
				t.Fatalf("the profile has no %q", c.old)
			}
			d.Stack = parse(t, changed)
			plan, err := deploy.NewPlan(d, o)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range plan.Services {
				if s.Action != deploy.Keep {
					t.Errorf("%s: %s because of %q", s.Service, s.Action, s.Causes)
				}
			}
			if len(plan.Steps) > 0 {
				t.Errorf("the steps are %q", named(plan))
			}
			if (c.intent == "") != (len(plan.Intent) == 0) || !strings.Contains(strings.Join(plan.Intent, "; "), c.intent) {
				t.Errorf("the intent changes by %q", plan.Intent)
			}
		})
	}
}

// Every change of what is rendered of a service is seen: each field of the model that is part of a container makes a plan.
func TestRenderedChangesAreSeen(t *testing.T) {
	for name, change := range map[string]func(s *stack.Service){
		"image":       func(s *stack.Service) { s.Image = "redis:8" },
		"entry point": func(s *stack.Service) { s.Entrypoint = []string{"run"} },
		"command":     func(s *stack.Service) { s.Command = []string{"serve"} },
		"host name":   func(s *stack.Service) { s.Hostname = "other" },
		"user":        func(s *stack.Service) { s.User.UID++ },
		"init":        func(s *stack.Service) { s.Init = !s.Init },
		"tmpfs": func(s *stack.Service) {
			s.Writable = append(slices.Clip(s.Writable), stack.Writable{Path: "/x", Size: stack.Size{Bytes: 1 << 20, Text: "1m"}, Mode: 0o700})
		},
		"capabilities": func(s *stack.Service) {
			s.Capabilities = append(slices.Clip(s.Capabilities), stack.Capability{Name: "CHOWN"})
		},
		"memory":      func(s *stack.Service) { s.Limits.Memory = stack.Size{Bytes: 1 << 30, Text: "1g"} },
		"processes":   func(s *stack.Service) { s.Limits.PIDs++ },
		"open files":  func(s *stack.Service) { s.OpenFiles++ },
		"stop signal": func(s *stack.Service) { s.Shutdown.Signal = "SIGINT" },
		"grace":       func(s *stack.Service) { s.Shutdown.Grace++ },
		"a value that begins with a brace": func(s *stack.Service) {
			s.Environment = []stack.Variable{{Name: "CONFIG", Value: `{"debug": true}`}}
		},
		"one word instead of two": func(s *stack.Service) { s.Command = []string{"redis-server", "--save, --appendonly"} },
		"another network": func(s *stack.Service) {
			s.Extra = map[string]any{"networks": map[string]any{"front": map[string]any{}}}
		},
		"environment": func(s *stack.Service) {
			s.Environment = append(slices.Clip(s.Environment), stack.Variable{Name: "X", Value: "1"})
		},
		"ports": func(s *stack.Service) {
			s.Ports = append(slices.Clip(s.Ports), stack.Port{Address: "127.0.0.1", Host: 1234, Container: 1234, Protocol: "tcp"})
		},
		"restart":     func(s *stack.Service) { s.Restart = "no" },
		"labels":      func(s *stack.Service) { s.Labels = append(slices.Clip(s.Labels), stack.Label{Name: "a", Value: "b"}) },
		"log":         func(s *stack.Service) { s.Log.MaxFiles++ },
		"passthrough": func(s *stack.Service) { s.Extra = map[string]any{"working_dir": "/srv"} },
		"a writable root": func(s *stack.Service) {
			s.Exceptions = append(slices.Clip(s.Exceptions), stack.Exception{Control: "HSE-FS-001", Reason: "x", Expires: "2026-12-31"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			d, o := deployed(t, shopWithMetadata)
			d.Stack.Services = slices.Clone(d.Stack.Services)
			i := slices.IndexFunc(d.Stack.Services, func(s stack.Service) bool { return s.Name == "app" })
			change(&d.Stack.Services[i])
			plan, err := deploy.NewPlan(d, o)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range plan.Services {
				if (s.Action == deploy.Replace) != (s.Service == "app") {
					t.Errorf("%s: %s because of %q", s.Service, s.Action, s.Causes)
				}
			}
			if !slices.Contains(named(plan), "run job migrate") {
				t.Errorf("the steps are %q", named(plan))
			}
		})
	}
}

// A network whose options change is made anew: it is named with every service that this takes down, and none of them starts
// next to its old container.
func TestNetworksThatChange(t *testing.T) {
	d, o := deployed(t, shopWithMetadata)
	d.Stack = parse(t, strings.Replace(shopWithMetadata, "back: {}", "back: {egress: true}", 1))
	plan, err := deploy.NewPlan(d, o)
	if err != nil {
		t.Fatal(err)
	}
	want := []deploy.ResourceChange{{Kind: "network", Name: "back", Causes: []string{"internal is gone: true"}, Services: []string{"app", "cache"}}}
	if !reflect.DeepEqual(plan.Resources, want) {
		t.Errorf("got %+v", plan.Resources)
	}
	for _, s := range plan.Services {
		taken := slices.Contains(want[0].Services, s.Service)
		if taken != (s.Action == deploy.Replace) || taken && (s.How != "stop-first: network back is recreated: internal is gone: true" || len(s.Causes) != 1) {
			t.Errorf("%+v", s)
		}
	}
	data, err := planfile.New(d, o, plan)
	if err != nil || len(data.Resources) != 1 {
		t.Errorf("the saved plan names %+v, %v", data.Resources, err)
	}
}

// A volume cannot get other options without losing its data, so nothing is planned; one that is not there yet gets them.
func TestVolumesThatChange(t *testing.T) {
	const driver = "passthrough: {volumes: {uploads: {driver: local, driver_opts: {type: nfs, device: ':/srv'}}}}\n"
	d, o := deployed(t, shopWithMetadata)
	d.Stack = parse(t, shopWithMetadata+driver)
	_, err := deploy.NewPlan(d, o)
	var options *deploy.OptionsError
	if !errors.As(err, &options) || options.Volume != "shop_uploads" || !slices.Equal(options.Services, []string{"app"}) || !strings.Contains(err.Error(), "driver_opts.type is new: nfs") {
		t.Errorf("got %v", err)
	}
	delete(o.Volumes, "shop_uploads")
	plan, err := deploy.NewPlan(d, o)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(plan.Steps, func(s deploy.Step) bool { return s.Kind == deploy.PrepareVolume && s.Subject == "uploads" })
	if i < 0 || plan.Steps[i].Volume.Driver != "local" || plan.Steps[i].Volume.Options["type"] != "nfs" {
		t.Errorf("the steps are %+v", plan.Steps)
	}
}
