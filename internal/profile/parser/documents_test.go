package parser_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/internal/yamldoc"
	"github.com/hsectl/hsectl/profiles"
)

const base = `apiVersion: hsectl/v1
kind: Profile
name: shop
services:
  app:
    image: shop:1
    user: "1000:1000"
    limits: {cpus: "1.0", memory: 1G}
    health: {command: [/app, health]}
    ports: ["3001:3001"]
    secrets: [first]
    environment: {A: one, B: two}
    command: [serve, --slow]
    writable:
      - {path: /data, volume: data}
  cache:
    preset: redis
secrets:
  first: {env: FIRST}
  second: {env: SECOND}
`

// memory is a directory in memory, and the library's baselines.
type memory map[string]string

func (f memory) load(name, _ string) (parser.Document, error) {
	if !strings.Contains(name, ".") {
		data, ok := profiles.Library{}.Extension(name)
		if !ok {
			return parser.Document{}, fmt.Errorf("there is no baseline %s", name)
		}
		return parser.Document{File: "baselines/" + name + ".yaml", Data: data, Library: true}, nil
	}
	text, ok := f[name]
	if !ok {
		return parser.Document{}, fmt.Errorf("there is no file %s", name)
	}
	return parser.Document{File: name, Data: []byte(text)}, nil
}

func optionsWith(change func(*parser.Options)) parser.Options {
	o := parser.Options{File: "shop.yaml", Library: profiles.Library{}}
	if change != nil {
		change(&o)
	}
	return o
}

func parseWith(t *testing.T, text string, change func(*parser.Options)) *profile.Profile {
	t.Helper()
	p, err := parser.Parse([]byte(text), optionsWith(change))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return p
}

func overlay(text string) func(*parser.Options) {
	return func(o *parser.Options) {
		o.Overlays = append(o.Overlays, parser.Document{File: "site.yaml", Data: []byte(text)})
	}
}

func set(assignments ...string) func(*parser.Options) {
	return func(o *parser.Options) { o.Set = assignments }
}

// TestOverlayRules: an overlay merges as a Compose file does. Each row lays one thing over the base.
func TestOverlayRules(t *testing.T) {
	app := func(p *profile.Profile) profile.Service { return p.Services["app"] }
	for name, c := range map[string]struct {
		overlay string
		want    string
		got     func(*profile.Profile) any
	}{
		"a value is replaced": {"services: {app: {limits: {memory: 2G}}}", "2G 1.0",
			func(p *profile.Profile) any { return app(p).Limits.Memory.String() + " " + app(p).Limits.CPUs.String() }},
		"mappings are merged": {"services: {app: {environment: {B: three, C: four}}}", "map[A:one B:three C:four]",
			func(p *profile.Profile) any {
				out := map[string]profile.Text{}
				for k, v := range app(p).Environment {
					out[k] = v.Value
				}
				return out
			}},
		"ports are added":            {`services: {app: {ports: ["3002:3001"]}}`, "[3001 3002]", hosts},
		"the same port is kept once": {`services: {app: {ports: ["127.0.0.1:3001:3001/tcp"]}}`, "[3001]", hosts},
		"secrets are added": {"services: {app: {secrets: [second, {name: first, env: FIRST_FILE}]}}", "[{second  } {first FIRST_FILE }]",
			func(p *profile.Profile) any { return app(p).Secrets }},
		"a command is replaced": {"services: {app: {command: [serve]}}", "[serve]", func(p *profile.Profile) any { return app(p).Command }},
		"writable paths go by their path": {"services: {app: {writable: [{path: /data, volume: other}, {path: /tmp, tmpfs: 8M}]}}", "/data:other /tmp:",
			func(p *profile.Profile) any {
				out := ""
				for _, w := range app(p).Writable {
					out += w.Path + ":" + w.Volume + " "
				}
				return strings.TrimSpace(out)
			}},
		"!override replaces a list": {`services: {app: {ports: !override ["9:9"]}}`, "[9]", hosts},
		"!reset removes a list":     {`services: {app: {ports: !reset []}}`, "[]", hosts},
		"!reset removes a service":  {`services: {cache: !reset null}`, "1", func(p *profile.Profile) any { return len(p.Services) }},
		"!reset removes what a preset says": {"services: {cache: {arguments: [x], writable: !reset []}}", "0",
			func(p *profile.Profile) any { return len(p.Services["cache"].Writable) }},
		"an empty value says nothing": {"services: {app: {limits: {memory: }}}", "1G", func(p *profile.Profile) any { return app(p).Limits.Memory.String() }},
		"exceptions are added": {"exceptions: [{control: HSE-FS-001, service: app, reason: old, expires: 2027-01-01}]", "1",
			func(p *profile.Profile) any { return len(p.Exceptions) }},
		"defaults are below services": {"defaults: {restart: always, limits: {memory: 9G}}", "always 1G",
			func(p *profile.Profile) any { return app(p).Restart + " " + app(p).Limits.Memory.String() }},
	} {
		t.Run(name, func(t *testing.T) {
			if got := fmt.Sprint(c.got(parseWith(t, base, overlay(c.overlay)))); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func hosts(p *profile.Profile) any {
	out := []int{}
	for _, port := range p.Services["app"].Ports {
		out = append(out, port.Host)
	}
	return out
}

func TestOverlayKeepsOneHealthTest(t *testing.T) {
	text := strings.Replace(base, "image: shop:1", "preset: php-fpm\n    image: shop:1", 1)
	h := parseWith(t, text, overlay("services: {app: {health: {tcp: 80, interval: 9s}}}")).Services["app"].Health
	if h.Command != nil || h.TCP != 80 || h.Interval.String() != "9s" || h.Timeout.String() != "5s" {
		t.Errorf("the health test is %+v", h)
	}
}

// TestOrderOfLayers: each layer wins over the ones before it, and Explain tells all of them.
func TestOrderOfLayers(t *testing.T) {
	text := strings.Replace(base, "name: shop\n", "name: shop\nextends: ./company.yaml\n", 1) +
		"environments:\n  staging:\n    services: {cache: {limits: {memory: 5G}}}\n"
	text = strings.Replace(text, "    preset: redis\n", "    preset: redis\n    limits: {memory: 4G}\n", 1)
	p := parseWith(t, text, func(o *parser.Options) {
		o.Load = memory{"./company.yaml": "extends: production\nservices: {cache: {limits: {memory: 2G}}}\ndefaults: {limits: {memory: 3G}}\n"}.load
		o.Environment = "staging"
		o.Overlays = []parser.Document{{File: "site.yaml", Data: []byte("services: {cache: {limits: {memory: 6G}}}")}}
		o.Set = []string{"services.cache.limits.memory=7G"}
	})
	values, ok := p.Explain("services.cache.limits.memory")
	if !ok || len(values) != 1 {
		t.Fatalf("Explain finds %v", values)
	}
	var got []string
	for _, s := range values[0] {
		got = append(got, s.Value+" "+s.Layer)
	}
	want := []string{"7G --set", "6G overlay site.yaml", "5G environment staging", "4G profile", "2G extends ./company.yaml", "3G extends ./company.yaml", "512m preset redis"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if place := values[0][3].At.String(); place != "shop.yaml:19:22" {
		t.Errorf("the profile says it at %s", place)
	}
	if got := p.Services["cache"].Logging.MaxSize.String(); got != "20m" {
		t.Errorf("logging.max_size is %s, not that of the baseline production", got)
	}
	if layer := p.Layer("services.cache.logging.max_size"); layer != "baseline production" {
		t.Errorf("it is said to come from %s", layer)
	}
}

// TestEnvironmentChoosesBaseline: an environment may extend another baseline than the profile.
func TestEnvironmentChoosesBaseline(t *testing.T) {
	text := strings.Replace(base, "name: shop\n", "name: shop\nextends: production\n", 1) + "environments: {desk: {extends: development}}\n"
	for environment, want := range map[string]string{"": "unless-stopped", "desk": "no"} {
		p := parseWith(t, text, func(o *parser.Options) { o.Load, o.Environment = memory{}.load, environment })
		if got := p.Services["app"].Restart; got != want {
			t.Errorf("in %q restart is %s, want %s", environment, got, want)
		}
	}
}

// TestWrittenIsTheUsersPlace: a finding about what the library gave is shown where the user would write it.
func TestWrittenIsTheUsersPlace(t *testing.T) {
	p := parseWith(t, base, overlay("services: {cache: {restart: always}}"))
	if got := p.Written("services.cache.limits.memory").String(); got != "site.yaml:1:19" {
		t.Errorf("a preset's value is written at %s", got)
	}
	if got := p.Written("services.cache.restart").File; got != "site.yaml" {
		t.Errorf("the overlay's value is written in %s", got)
	}
}

// TestVariables: three forms, in the documented places only.
func TestVariables(t *testing.T) {
	environment := func(o *parser.Options) {
		o.Variables = func(name string) (string, bool) {
			v, ok := map[string]string{"TAG": "7", "PIDS": "55", "PORT": "4000", "EMPTY": ""}[name]
			return v, ok
		}
	}
	text := func(old, changed string) string { return strings.Replace(base, old, changed, 1) }
	for name, c := range map[string]struct{ text, want, problem string }{
		"set":              {text("shop:1", "shop:${TAG}"), "shop:7", ""},
		"set with default": {text("shop:1", "shop:${TAG:-1}"), "shop:7", ""},
		"default":          {text("shop:1", "shop:${NONE:-1}"), "shop:1", ""},
		"empty is unset":   {text("shop:1", "shop:${EMPTY:-1}"), "shop:1", ""},
		"required":         {text("shop:1", "shop:${NONE:?say which}"), "", "shop.yaml:6:12: the variable NONE is not set: say which"},
		"not set":          {text("shop:1", "shop:${NONE}"), "", "the variable NONE is not set"},
		"no variable":      {text("shop:1", `"shop:${1x}"`), "", "${1x} is not a variable"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := parser.Parse([]byte(c.text), optionsWith(environment))
			if c.problem != "" {
				if err == nil || !strings.Contains(err.Error(), c.problem) {
					t.Fatalf("got %v, want %s", err, c.problem)
				}
				return
			}
			if err != nil || p.Services["app"].Image != c.want {
				t.Errorf("got %v, %v", p, err)
			}
		})
	}
	p := parseWith(t, text(`"3001:3001"`, `"${PORT:-3001}:3001"`), environment)
	if got := p.Services["app"].Ports[0].Host; got != 4000 {
		t.Errorf("the port is %d", got)
	}
	p = parseWith(t, text("memory: 1G", "memory: 1G, pids: \"${PIDS}\""), environment)
	if got := p.Services["app"].Limits.PIDs; got != 55 {
		t.Errorf("the limit is %d processes", got)
	}
	p = parseWith(t, text("command: [serve, --slow]", "command: [\"${TAG}\", \"$${TAG}\"]\n    labels: {a: \"$${TAG} $TAG\"}"), environment)
	if got := p.Services["app"]; got.Command[0] != "${TAG}" || got.Command[1] != "$${TAG}" || got.Labels["a"] != "${TAG} $TAG" {
		t.Errorf("a dollar sign elsewhere is not left alone: %q %q", got.Command, got.Labels)
	}
}

// TestEnvironmentsNotSelectedNeedNoVariables: what is not meant is checked for mistakes, and asks for nothing.
func TestEnvironmentsNotSelectedNeedNoVariables(t *testing.T) {
	text := base + "environments: {site: {services: {app: {limits: {memory: \"${SITE_MEMORY:?}\"}}}}}\n"
	parseWith(t, text, nil)
	_, err := parser.Parse([]byte(text), optionsWith(func(o *parser.Options) { o.Environment = "site" }))
	if err == nil || !strings.Contains(err.Error(), "SITE_MEMORY") {
		t.Errorf("got %v", err)
	}
}

// TestMistakesInLayers: every mistake names its own place, once, with all others.
func TestMistakesInLayers(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		change func(*parser.Options)
		want   []string
	}{
		"in an overlay": {base, overlay("services:\n  app:\n    limits: {memory: lots}\n"), []string{`site.yaml:3:22: services.app.limits.memory: "lots" is not an amount`}},
		"in an environment": {base + "environments:\n  staging:\n    servces: {}\n", nil,
			[]string{`shop.yaml:23:5: unknown key "servces" in environments.staging`}},
		"in the selected environment, once": {base + "environments:\n  staging:\n    services: {app: {limits: {memory: lots}}}\n",
			func(o *parser.Options) { o.Environment = "staging" }, []string{"shop.yaml:23:39"}},
		"no such environment": {base + "environments: {staging: {}}\n", func(o *parser.Options) { o.Environment = "stagin" },
			[]string{`shop.yaml:21:15: environment "stagin" not found`}},
		"no such file": {"extends: ./none.yaml\n" + base, func(o *parser.Options) { o.Load = memory{}.load }, []string{`shop.yaml:1:10: extends "./none.yaml": there is no file`}},
		"a circle": {"extends: ./a.yaml\n" + base, func(o *parser.Options) {
			o.Load = memory{"./a.yaml": "extends: ./b.yaml\n", "./b.yaml": "extends: ./a.yaml\n"}.load
		}, []string{"b.yaml:1:10: cycle in extends: ./a.yaml → ./b.yaml → ./a.yaml"}},
		"extends in an overlay":   {base, overlay("extends: production\n"), []string{"site.yaml:1:10: an overlay cannot have extends"}},
		"a set without a value":   {base, set("services.app.restart"), []string{"--set services.app.restart: the value is missing"}},
		"a set of nothing":        {base, set("services..app=1"), []string{"is not a path"}},
		"a set of an item":        {base, set("services.app.ports[0]=1:1"), []string{"a single list item cannot be set"}},
		"a set value":             {base, set("services.app.limits.memory=lots"), []string{`--set services.app.limits.memory=lots: services.app.limits.memory: "lots" is not an amount`}},
		"a set of an unknown key": {base, set("services.app.limit=1"), []string{`unknown key "limit" in services.app`}},
		"a preset's key":          {strings.Replace(base, "health: {command: [/app, health]}", "health: {none: I do not care}", 1), nil, []string{"only a preset may say that an image cannot test itself"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parser.Parse([]byte(c.text), optionsWith(c.change))
			if err == nil {
				t.Fatal("no mistake was found")
			}
			if got := yamldoc.Problems(err); len(got) != len(c.want) {
				t.Errorf("%d problems: %v", len(got), err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got  %v\nwant %s", err, want)
				}
			}
		})
	}
}

// TestSet: a flag sets any value, also one whose key has dots, and replaces lists.
func TestSet(t *testing.T) {
	p := parseWith(t, base, set(`services.app.labels."com.example.team"=web`, "services.app.ports=[\"5000:3001\"]", "services.app.environment.A=", "name=other",
		"services.cache.limits={memory: 1G}"))
	app := p.Services["app"]
	if app.Labels["com.example.team"] != "web" || fmt.Sprint(hosts(p)) != "[5000]" || app.Environment["A"].Value != "one" || p.Name != "other" {
		t.Errorf("got %+v", app)
	}
	if c := p.Services["cache"].Limits; c.Memory.String() != "1G" || c.CPUs.String() != "0.5" {
		t.Errorf("a mapping does not merge: %+v", c)
	}
}

// TestExplainFindsWhatIsWritten: parts of a path, lists, keys with dots; and says when it was not written.
func TestExplainFindsWhatIsWritten(t *testing.T) {
	p := parseWith(t, strings.Replace(base, "user:", "labels: {com.example.a: b}\n    user:", 1), nil)
	for path, want := range map[string]int{
		"services.app.labels.com.example.a": 1, "services.app.limits": 3, "services.app.writable[0].path": 1,
		"services.cache.command": 1, "services.none": 0, "services.app.writable[7]": 0, "services.app.networks": 0, "services.app.writable[x": 0,
	} {
		values, ok := p.Explain(path)
		if len(values) != want || ok != (want > 0) {
			t.Errorf("%s: %d values, %v", path, len(values), ok)
		}
	}
	values, _ := p.Explain("services.cache.command")
	if said := values[0][0]; !strings.Contains(said.Value, "307mb") || said.Layer != "preset redis" {
		t.Errorf("a computed list is said to be %+v", said)
	}
}
