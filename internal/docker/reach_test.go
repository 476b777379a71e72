//go:build engine

package docker

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/probe"
	"github.com/hsectl/hsectl/internal/stack"
)

// wrongWays are the ways in which a server listens wrongly and is healthy by its own test.
func wrongWays() []string { return strings.Fields("loopback elsewhere datagrams six closing banner") }

// reachableStack has a service that is called in every way but by an edge: by its published port, by one that depends on it, and with
// questions of its profile.
const reachableStack = `
apiVersion: hsectl/v1
kind: Profile
name: NAME
defaults:
  user: "10001:10001"
  limits: {cpus: "0.5", memory: 64M, pids: 50}
  shutdown: {grace: 3s}
  health: {command: [/program, health], interval: 2s, timeout: 2s, retries: 8, start_period: 1s}
services:
  web:
    image: IMAGE
    command: [MODE]
    ports: ["PORT:8080"]
    metrics: {port: 8080, path: /metrics}
    verify: {reach: [{from: shop, url: "http://web:8080/", status: 200}]}
  shop:
    image: IMAGE
    command: [serve]
    depends_on: [web]
    verify: {reach: ["dns://web"]}
`

// A service that listens wrongly is healthy, and verify finds by asking that its callers do not reach it; one that listens as it
// should is proven. Containers are asked from here and by probes alike.
func TestVerifyAsksWhereCallersStand(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	s := testStack(t, e, strings.ReplaceAll(reachableStack, "PORT", freePort(t)), "serve")
	mustDeploy(t, e, s)
	check := func(t *testing.T, want finding.Status) {
		t.Helper()
		for _, f := range judge(t, e, s) {
			switch {
			case f.Control == "HSE-NET-010" && f.Subject == "web":
				if f.Status != want {
					t.Errorf("web is %s: %s", f.Status, f.Detail)
				}
				t.Log(f.Detail)
				if want == finding.Fail && (!strings.Contains(f.Detail, "asked from host") || !strings.Contains(f.Detail, "asked from shop")) {
					t.Errorf("not both of its callers are named: %s", f.Detail)
				}
			case f.Control == "HSE-NET-010" && f.Status != finding.Pass:
				t.Errorf("%s is %s: %s", f.Subject, f.Status, f.Detail)
			}
		}
	}
	t.Run("as it should", func(t *testing.T) { check(t, finding.Pass) })
	e.LookLocally(probe.Local)
	t.Run("as it should, from here", func(t *testing.T) { check(t, finding.Pass) })
	for _, way := range wrongWays() {
		t.Run(way, func(t *testing.T) {
			mustDeploy(t, e, reshaped(s, "web", func(web *stack.Service) { web.Command = []string{way} }))
			check(t, finding.Fail)
			if way == "loopback" {
				e.LookLocally(nil)
				defer e.LookLocally(probe.Local)
				check(t, finding.Fail)
			}
		})
	}
	noLeftovers(t, e, s)
}

// No traffic moves to a container that the edge does not reach, and no configuration is loaded that leads to a port on which nothing
// listens: the old version goes on answering.
func TestNoTrafficMovesToWhatIsNotReached(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	up := deployEdged(t, e)
	text, port, s, secrets, record := up.text, up.port, up.Stack, up.secrets, up.record
	for _, f := range judge(t, e, s) {
		if f.Control == "HSE-NET-010" && f.Status != finding.Pass {
			t.Errorf("%s is %s: %s", f.Subject, f.Status, f.Detail)
		}
	}
	before := idsOf(t, e, s, "web")
	kept := func(t *testing.T, err error, want string) {
		t.Helper()
		var unreached *deploy.UnreachableError
		if !errors.As(err, &unreached) || unreached.Service != "web" || !strings.Contains(unreached.URL, want) {
			t.Errorf("it ended with %v", err)
		}
		if now := idsOf(t, e, s, "web"); !slices.Equal(now, before) {
			t.Errorf("web has container %v, and had %v", now, before)
		}
		if status, _, _, err := visit(t, "shop.test", port, "http", nil); err != nil || status != http.StatusOK {
			t.Errorf("the site answers %d, %v", status, err)
		}
	}
	for _, way := range wrongWays() {
		t.Run(way, func(t *testing.T) {
			_, err := applyTo(t, e, reshaped(s, "web", func(web *stack.Service) { web.Command = []string{way} }), secrets, record)
			kept(t, err, ":8080")
		})
	}
	t.Run("a site with the wrong port", func(t *testing.T) {
		wrong := stackOf(t, e, s.Name, strings.Replace(text, "shop.test: {service: web, port: 8080", "shop.test: {service: web, port: 8090", 1), "serve")
		_, err := applyTo(t, e, wrong, secrets, record)
		kept(t, err, ":8090")
	})
}

// A dependent that keeps an old address is restarted when what it depends on was replaced start-first, where its profile says so; another
// one is left alone.
func TestDependentsAreRestarted(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	dependent := `    image: IMAGE
    command: [serve]
    user: "10001:10001"
    limits: {cpus: "0.5", memory: 64M, pids: 50}
    shutdown: {grace: 3s}
    health: {command: [/program, health], interval: 2s, timeout: 2s, retries: 5, start_period: 1s}
`
	up := deployEdged(t, e, "    rollout:", "    depends_on: [base]\n    rollout:",
		"  edge:\n", "  base:\n"+dependent+"  keeper:\n"+dependent+"    depends_on: [{service: web, restart: true}]\n  other:\n"+dependent+"    depends_on: [web]\n  edge:\n")
	s, secrets, record := up.Stack, up.secrets, up.record
	keeper, other := only(t, e, s, "keeper"), only(t, e, s, "other")
	next := reshaped(s, "web", func(web *stack.Service) { web.Environment = []stack.Variable{{Name: "VERSION", Value: "2"}} })
	if _, err := applyTo(t, e, next, secrets, record); err != nil {
		t.Fatal(err)
	}
	if now := only(t, e, s, "keeper"); now.ID != keeper.ID || now.State.StartedAt == keeper.State.StartedAt {
		t.Errorf("keeper was not restarted: %s, %s", now.ID[:12], now.State.StartedAt)
	}
	if now := only(t, e, s, "other"); now.ID != other.ID || now.State.StartedAt != other.State.StartedAt {
		t.Errorf("other was touched: %s, %s", now.ID[:12], now.State.StartedAt)
	}
}
