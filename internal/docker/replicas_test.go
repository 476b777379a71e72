//go:build engine

package docker

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/ask"
	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/stack"
)

// alike is a service of three containers, which nothing stands before.
const alike = `
apiVersion: hsectl/v1
kind: Profile
name: NAME
services:
  web:
    image: IMAGE
    command: [MODE]
    user: "10001:10001"
    replicas: 3
    rollout: {settle: 500ms, drain: 500ms}
    limits: {cpus: "0.5", memory: 64M, pids: 50}
    shutdown: {grace: 3s}
    health: {command: [/program, health], interval: 2s, timeout: 2s, retries: 6, start_period: 4s}
    writable:
      - {path: /data, volume: data}
      - {path: /tmp, tmpfs: 8M}
volumes:
  data: {shared: true}
`

// reshaped is a stack in which one service is another way.
func reshaped(s stack.Stack, service string, change func(*stack.Service)) stack.Stack {
	s.Services = slices.Clone(s.Services)
	i := slices.IndexFunc(s.Services, func(s stack.Service) bool { return s.Name == service })
	change(&s.Services[i])
	return s
}

func idsOf(t *testing.T, e *Engine, s stack.Stack, service string) []string {
	t.Helper()
	ids, err := e.ContainerIDs(t.Context(), s.Name)
	if err != nil {
		t.Fatal(err)
	}
	return ids[service]
}

func answer(findings []finding.Finding, control string, status finding.Status) string {
	for _, f := range findings {
		if f.Control == control && f.Status == status {
			return f.Detail
		}
	}
	return noFinding
}

const noFinding = "no finding"

// Three containers of one service are deployed and proven as one; what happens to one of them is seen and put right, and
// its number goes up and down without replacing those that stay.
func TestReplicas(t *testing.T) {
	e := testEngine(t)
	s := testStack(t, e, alike, "serve")
	record, err := applyTo(t, e, s, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	first := idsOf(t, e, s, "web")
	findings := judge(t, e, s)
	if len(first) != 3 || !finding.Proven(findings) || answer(findings, "HSE-LIF-007", finding.Pass) != "3 of 3 containers" {
		t.Errorf("%d containers, %s", len(first), answer(findings, "HSE-LIF-007", finding.Pass))
	}

	list, err := e.Service(t.Context(), s.Name, "web")
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(list[1].Name, "/")
	if _, err := e.API.ContainerKill(t.Context(), list[1].ID, client.ContainerKillOptions{Signal: "SIGKILL"}); err != nil {
		t.Fatal(err)
	}
	if got := answer(judge(t, e, s), "HSE-LIF-005", finding.Fail); !strings.HasPrefix(got, name+": ") {
		t.Errorf("one was killed: %s", got)
	}
	if record, err = applyTo(t, e, s, nil, record); err != nil {
		t.Fatal(err)
	}
	if got := idsOf(t, e, s, "web"); !slices.Equal(got, first) {
		t.Errorf("the killed one should run again: had %v, has %v", first, got)
	}

	if _, err := e.API.ContainerRemove(t.Context(), list[2].ID, client.ContainerRemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	if got := answer(judge(t, e, s), "HSE-LIF-007", finding.Drift); !strings.HasPrefix(got, "2 of 3 containers: ") {
		t.Errorf("one was removed: %s", got)
	}
	if record, err = applyTo(t, e, s, nil, record); err != nil {
		t.Fatal(err)
	}
	second := idsOf(t, e, s, "web")
	if len(second) != 3 || stayed(first, second) != 2 {
		t.Errorf("the removed one should be made again, and no other: had %v, has %v", first, second)
	}

	for _, n := range []int{5, 2} {
		before := idsOf(t, e, s, "web")
		if record, err = applyTo(t, e, reshaped(s, "web", func(w *stack.Service) { w.Replicas = n }), nil, record); err != nil {
			t.Fatal(err)
		}
		if got := idsOf(t, e, s, "web"); len(got) != n || stayed(before, got) != min(n, len(before)) {
			t.Errorf("%d containers are wanted: had %v, has %v", n, before, got)
		}
	}

	before := idsOf(t, e, s, "web")
	next := reshaped(s, "web", func(w *stack.Service) { w.Environment = []stack.Variable{{Name: "VERSION", Value: "2"}} })
	if record, err = applyTo(t, e, next, nil, record); err != nil {
		t.Fatal(err)
	}
	if got := idsOf(t, e, s, "web"); len(got) != 3 || stayed(before, got) != 0 || !finding.Proven(judge(t, e, next)) {
		t.Errorf("another version: had %v, has %v", before, got)
	}
	before = idsOf(t, e, s, "web")
	if _, err = applyTo(t, e, reshaped(next, "web", func(w *stack.Service) { w.Command = []string{"sick"} }), nil, record); err == nil {
		t.Error("a sick version was deployed")
	}
	if got := idsOf(t, e, s, "web"); stayed(before, got) != 3 {
		t.Errorf("a sick version replaced one of those that were well: had %v, has %v", before, got)
	}
	if got := answer(judge(t, e, next), "HSE-LIF-007", finding.Pass); got != "3 of 3 containers" {
		t.Errorf("after the way back: %s", got)
	}
}

// stayed counts what is in both.
func stayed(before, after []string) int {
	n := 0
	for _, id := range before {
		if slices.Contains(after, id) {
			n++
		}
	}
	return n
}

// served are the containers of a service that answer through the edge, sorted.
func served(t *testing.T, port string, requests int) []string {
	t.Helper()
	var out []string
	for range requests {
		_, _, header, err := visit(t, "shop.test", port, "http", nil)
		if err != nil {
			t.Fatal(err)
		}
		if by := header.Get("X-Served-By"); !slices.Contains(out, by) {
			out = append(out, by)
		}
	}
	slices.Sort(out)
	return out
}

func shortened(ids []string) []string {
	var out []string
	for _, id := range ids {
		out = append(out, id[:12])
	}
	slices.Sort(out)
	return out
}

// While new connections come 200 times a second, three containers behind the edge are replaced, one after the other;
// replaced by a version that never gets healthy, and brought back; made five, and two, and one of them removed and made
// again: no request is lost, the edge stays as it is, and in the end all that are there answer.
func TestReplicasLoseNoRequest(t *testing.T) {
	e := testEngine(t)
	up := deployEdged(t, e, "command: [MODE]", "command: [MODE]\n    replicas: 3")
	port, s, secrets, record := up.port, up.Stack, up.secrets, up.record
	var err error
	edge := only(t, e, s, "edge").ID
	if got, want := served(t, port, 12), shortened(idsOf(t, e, s, "web")); len(want) != 3 || !slices.Equal(got, want) {
		t.Errorf("%v answer, and there are %v", got, want)
	}

	ctx, stop := context.WithCancel(t.Context())
	seen := make(chan ask.Visited, 1)
	go func() {
		seen <- ask.Send(ctx, ask.Visit{URL: "http://127.0.0.1:" + port + "/", Host: "shop.test", PerSecond: 200})
	}()
	next := reshaped(s, "web", func(w *stack.Service) { w.Environment = []stack.Variable{{Name: "VERSION", Value: "2"}} })
	before := idsOf(t, e, s, "web")
	if record, err = applyTo(t, e, next, secrets, record); err != nil {
		t.Fatal(err)
	}
	after := idsOf(t, e, s, "web")
	if len(after) != 3 || stayed(before, after) != 0 {
		t.Errorf("web had %v and has %v", before, after)
	}
	var unhealthy *deploy.UnhealthyError
	if _, err = applyTo(t, e, reshaped(next, "web", func(w *stack.Service) { w.Command = []string{"sick"} }), secrets, record); !errors.As(err, &unhealthy) || unhealthy.Service != "web" {
		t.Errorf("the sick version ended with %v", err)
	}
	if got := idsOf(t, e, s, "web"); !slices.Equal(got, after) {
		t.Errorf("web should have kept %v and has %v", after, got)
	}
	for _, n := range []int{5, 2} {
		before := idsOf(t, e, s, "web")
		if record, err = applyTo(t, e, reshaped(next, "web", func(w *stack.Service) { w.Replicas = n }), secrets, record); err != nil {
			t.Fatal(err)
		}
		if got := idsOf(t, e, s, "web"); len(got) != n || stayed(before, got) != min(n, len(before)) {
			t.Errorf("%d containers are wanted: had %v, has %v", n, before, got)
		}
	}
	stop()
	if got := <-seen; got.Failed > 0 || got.Requests == 0 {
		t.Errorf("%d of %d requests failed: %v", got.Failed, got.Requests, got.Errors)
	} else {
		t.Logf("%d requests, none failed", got.Requests)
	}
	if got, want := served(t, port, 12), shortened(idsOf(t, e, s, "web")); len(want) != 2 || !slices.Equal(got, want) {
		t.Errorf("%v answer, and there are %v", got, want)
	}
	if now := only(t, e, s, "edge").ID; now != edge {
		t.Error("another number of containers replaced the edge")
	}
}

// A run that was killed while it replaced three containers leaves some of each kind. The next one ends with three of the
// new kind, all of which answer.
func TestReplicasGoOnAfterAKill(t *testing.T) {
	e := testEngine(t)
	up := deployEdged(t, e, "command: [MODE]", "command: [MODE]\n    replicas: 3")
	port, s, secrets, record := up.port, up.Stack, up.secrets, up.record
	next := reshaped(s, "web", func(w *stack.Service) { w.Environment = []stack.Variable{{Name: "VERSION", Value: "2"}} })
	d := deploy.Desired{Stack: next, Secrets: secrets, Timeout: deployTimeout, Last: record}
	_, plan := planOf(t, e, d)
	killed, kill := context.WithCancel(t.Context())
	defer kill()
	for _, step := range plan.Steps {
		err := e.Apply(killed, []deploy.Step{step}, func(ev deploy.Event) {
			if ev.Text == "traffic moved, 2 of 3" {
				kill()
			}
		})
		if killed.Err() != nil {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := idsOf(t, e, s, "web"); len(got) != 4 {
		t.Fatalf("the interrupted run left %d containers", len(got))
	}
	if _, err := applyTo(t, e, next, secrets, record); err != nil {
		t.Fatal(err)
	}
	list, err := e.Service(t.Context(), s.Name, "web")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		if !slices.Contains(c.Config.Env, "VERSION=2") {
			t.Errorf("%s is of the old kind", c.Name)
		}
	}
	if got, want := served(t, port, 12), shortened(idsOf(t, e, s, "web")); len(want) != 3 || !slices.Equal(got, want) {
		t.Errorf("%v answer, and there are %v", got, want)
	}
}
