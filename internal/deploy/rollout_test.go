package deploy_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/record"
	"github.com/hsectl/hsectl/internal/stack"
)

const behindEdge = `apiVersion: hsectl/v1
kind: Profile
name: shop
defaults: {limits: {cpus: "0.5", memory: 64M}}
services:
  web: {image: example/web:1, user: "1:1", health: {command: [x]}, rollout: {settle: 3s}}
  files: {image: example/web:1, user: "1:1", health: {command: [x]}, writable: [{path: /data, volume: data}]}
  uploads: {image: example/web:1, user: "1:1", health: {command: [x]}, writable: [{path: /data, volume: both}]}
  last: {image: example/web:1, user: "1:1", health: {command: [x]}, rollout: {order: stop-first}}
  hidden: {image: example/web:1, user: "1:1", health: {command: [x]}}
volumes: {both: {shared: true}}
edge:
  sites:
    shop.test: {service: web, port: 80, routes: [{path: /files, service: files, port: 80}, {path: /up, service: uploads, port: 80}, {path: /last, service: last, port: 80}]}
`

// A stack behind an edge runs; each of its services has one container, and one variable is new for all.
func changedBehindEdge(t *testing.T) (deploy.Plan, record.Release) {
	t.Helper()
	before := parse(t, behindEdge)
	first := deploy.Desired{Stack: before, Timeout: time.Minute}
	observed := deploy.Observed{Images: map[string]string{"example/web:1": "sha256:web", "caddy:2.11": "sha256:caddy"}, Volumes: map[string]deploy.Volume{}, Running: map[string][]deploy.Running{}}
	plan, err := deploy.NewPlan(first, observed)
	if err != nil {
		t.Fatal(err)
	}
	release := deploy.NewRelease(first, observed, plan, 1)
	containers := map[string][]string{}
	for _, s := range before.Services {
		containers[s.Name] = []string{s.Name + "-id"}
		observed.Running[s.Name] = []deploy.Running{{ID: s.Name + "-id", Image: observed.Images[s.Image], Well: true}}
		for _, w := range s.Volumes() {
			observed.Volumes[deploy.VolumeName(before, w.Volume)] = deploy.Volume{Owner: w.Owner, Mode: w.Mode}
		}
	}
	deliver(plan, &observed)
	observed.Delivered["shop_edge_config_live"].Digests["slots/web/now"] = "moved by an earlier swap"

	after := before
	after.Services = slices.Clone(before.Services)
	for i := range after.Services {
		if after.Services[i].Name != "edge" {
			after.Services[i].Environment = []stack.Variable{{Name: "VERSION", Value: "2"}}
		}
	}
	d := deploy.Desired{Stack: after, Timeout: time.Minute, Last: &record.Entry{Number: 1, Release: release, Outcome: record.Outcome{Status: record.Deployed, Containers: containers}}}
	plan, err = deploy.NewPlan(d, observed)
	if err != nil {
		t.Fatal(err)
	}
	back, err := deploy.NewReturn(release, observed, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := lines(back), lines(plan); !slices.Equal(got, want) {
		t.Errorf("the way back differs from the way there:\n%s\n%s", got, want)
	}
	return plan, release
}

func lines(p deploy.Plan) []string {
	var out []string
	for _, s := range p.Steps {
		line := s.Name()
		if s.Compose != nil {
			line += " " + strings.Join(s.Compose.Services, ",")
		}
		out = append(out, line)
	}
	return out
}

// What stops first changes before anything is swapped, each swap is a step of its own, and a final `compose up` ends it.
func TestSwapsArePlanned(t *testing.T) {
	plan, release := changedBehindEdge(t)
	want := []string{"converge shop edge,files,hidden,last", "roll uploads", "roll web", "converge shop edge,files,hidden,last,uploads,web"}
	if got := lines(plan); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	how := map[string]string{}
	for _, c := range plan.Services {
		how[c.Service] = c.How
	}
	for service, want := range map[string]string{
		"web":     "start-first: the edge moves the traffic, 3s after it is healthy",
		"uploads": "start-first: the edge moves the traffic, 2s after it is healthy",
		"files":   "stop-first: it alone writes volume data",
		"last":    "stop-first: the profile says so",
		"hidden":  "stop-first: no edge can switch its traffic",
		"edge":    "",
	} {
		if how[service] != want {
			t.Errorf("%s is replaced %q, not %q", service, how[service], want)
		}
	}
	roll := plan.Steps[2].Roll
	gate, ok := deploy.GateOf(release)
	if !ok || gate.Volume != "shop_edge_config_live" || roll.Gate.Volume != gate.Volume || roll.Settle != 3*time.Second || !slices.Equal(roll.Compose.Services, []string{"web"}) {
		t.Errorf("the swap of web goes by %+v and settles for %s, the gate of the release is %+v", roll.Gate, roll.Settle, gate)
	}
}
