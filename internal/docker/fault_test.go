//go:build engine

package docker

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/deploy/lock"
	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/records"
	"github.com/hsectl/hsectl/internal/engine/volumes"
	"github.com/hsectl/hsectl/internal/record"
	"github.com/hsectl/hsectl/internal/stack"
)

// These tests run the real program against a real engine and take it away in the middle: by signal, by another deploy, by
// services that fail. Afterwards the stack is wholly old or wholly new, proven, and nothing is left behind.

// pair is a stack of two services, one of which reads a secret and keeps data.
const pair = `
apiVersion: hsectl/v1
kind: Profile
name: NAME
defaults:
  user: "10001:10001"
  limits: {cpus: "0.5", memory: 64M, pids: 50}
  shutdown: {signal: SIGTERM, grace: 3s}
  health: {command: [/program, health], interval: 2s, timeout: 2s, retries: 8, start_period: 1s} # patient, for machines that are slow or busy
services:
  api: {image: IMAGE, command: [API]}
  web:
    image: IMAGE
    command: [WEB]
    labels: {generation: GENERATION}
    writable: [{path: /data, volume: data}]
    secrets: [token]
secrets:
  token: {env: TOKEN}
`

// settleShortly keeps the step and not its length, except where a test is about it.
const settleShortly = "100ms"

// fault is a stack that faults happen to.
type fault struct {
	t       *testing.T
	e       *Engine
	program string
	dir     string
	name    string
	image   string
	env     []string // next to the environment of the test
	through []string // starts the program where the engine is reached; nil for here
}

func newFault(t *testing.T) *fault {
	t.Helper()
	return newFaultOn(t, "")
}

// newFaultOn is a stack on the engine at an address, or on the one that all tests use.
func newFaultOn(t *testing.T, host string) *fault {
	t.Helper()
	e := testEngineAt(t, host)
	built, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	f := &fault{t: t, e: e, dir: t.TempDir(), name: "hsectl-test-" + strings.ToLower(rand.Text()[:8]), image: workload(t, e)}
	if host != "" {
		f.env = []string{"DOCKER_HOST=" + host}
	}
	f.program = filepath.Join(f.dir, "hsectl")
	if err := os.WriteFile(f.program, built["probe"], 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Down(context.Background(), f.name, true); err != nil {
			t.Error(err)
		}
	})
	return f
}

// profile writes the profile of a generation and returns its path.
func (f *fault) profile(generation, api, web string) string {
	f.t.Helper()
	text := strings.NewReplacer("NAME", f.name, "IMAGE", f.image, "GENERATION", generation, "API", api, "WEB", web).Replace(pair)
	if api == "sick" || web == "sick" {
		text = impatient(text)
	}
	path := filepath.Join(f.dir, generation+".yaml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		f.t.Fatal(err)
	}
	return path
}

// command is the program with a generation's secret in its environment.
func (f *fault) command(generation string, args ...string) *exec.Cmd {
	words := slices.Concat(f.through, []string{f.program}, args)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = append(append(os.Environ(), f.env...), "TOKEN=token-of-"+generation, "HSECTL_SETTLE="+settleShortly)
	return cmd
}

// run runs the program to its end and returns its exit code and everything it printed.
func (f *fault) run(generation string, args ...string) (int, string) {
	f.t.Helper()
	out, err := f.command(generation, args...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		f.t.Fatal(err)
	}
	if exit != nil {
		return exit.ExitCode(), string(out)
	}
	return 0, string(out)
}

func (f *fault) must(generation string, args ...string) string {
	f.t.Helper()
	code, out := f.run(generation, args...)
	if code != 0 {
		f.t.Fatalf("hsectl %s: exit %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

// event is one line of the event stream.
type event struct {
	Kind, Subject, Text string
	Release             int
}

// until deploys until the n-th event, sends a signal, and returns the exit code, or false when the deploy ended before.
func (f *fault) until(n int, signal os.Signal, generation string, args ...string) (code int, at event, cut bool) {
	f.t.Helper()
	cmd := f.command(generation, append([]string{"deploy", "--format", "json"}, args...)...)
	i := 0
	code = f.watch(cmd, func(e event) {
		if i++; i == n && e.Kind != "result" {
			at, cut = e, true
			if err := cmd.Process.Signal(signal); err != nil {
				f.t.Fatal(err)
			}
		}
	})
	return code, at, cut
}

// watch runs the program, shows its events to see, and returns its exit code.
func (f *fault) watch(cmd *exec.Cmd, see func(event)) int {
	f.t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		f.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			f.t.Fatalf("%q: %v", lines.Text(), err)
		}
		see(e)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		f.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

// is checks that the stack is wholly of a generation: label, secret and proof, with nothing left behind.
func (f *fault) is(generation, profile string) {
	f.t.Helper()
	list, err := f.e.Stack(f.t.Context(), f.name)
	if err != nil {
		f.t.Fatal(err)
	}
	if len(list) != 2 {
		f.t.Errorf("%d containers, want 2", len(list))
	}
	for _, c := range list {
		service := c.Config.Labels[engine.ComposeService]
		if c.Name != "/"+f.name+"-"+service+"-1" || !engine.Well(c) {
			f.t.Errorf("container %s is %s", c.Name, engine.State(c))
		}
		if service == "web" && c.Config.Labels["generation"] != generation {
			f.t.Errorf("web is of generation %q, want %q", c.Config.Labels["generation"], generation)
		}
		if service == "web" && f.token(c.ID) != "token-of-"+generation {
			f.t.Errorf("web has the secret %q", f.token(c.ID))
		}
	}
	f.must(generation, "verify", "-f", profile)
	f.must(generation, "status", "-f", profile)
	f.leftovers()
}

func (f *fault) token(id string) string {
	data, err := f.e.Get(f.t.Context(), id, "/run/secrets/token")
	if err != nil {
		return err.Error()
	}
	return string(data)
}

func (f *fault) leftovers() {
	f.t.Helper()
	list, err := f.e.API.ContainerList(f.t.Context(), client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label", engine.LabelStack+"="+f.name)})
	if err != nil {
		f.t.Fatal(err)
	}
	for _, c := range list.Items {
		f.t.Errorf("left behind: %s %v", c.Labels[engine.LabelRole], c.Names)
	}
}

// The program is killed at every event that it reports, the recorded steps among them. Then it is either told to undo, and
// the stack is wholly what it was, or to deploy again, and the stack is wholly what it should become. Each stack takes every
// third event, and goes to and fro between its two generations.
func TestKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	const stacks = 3
	for first := range stacks {
		t.Run(fmt.Sprint("from ", first+1), func(t *testing.T) {
			t.Parallel()
			f := newFault(t)
			was, will := "old", "next"
			f.profile(will, "serve", "serve")
			f.must(was, "deploy", "--verify=false", "-f", f.profile(was, "serve", "serve"))
			for n := first + 1; !t.Failed(); n += stacks {
				at, cut := f.kill(n, was, will)
				if !cut {
					return
				}
				t.Logf("killed at event %d: %+v", n, at)
				if f.at(will) {
					was, will = will, was
				}
			}
		})
	}
}

// kill kills a deploy from one generation to another at the n-th event, has that undone when n is odd and deployed again
// when it is even, and checks that the stack is wholly of one generation. Only that check verifies, once. It returns false
// when the deploy ended before.
func (f *fault) kill(n int, was, will string) (event, bool) {
	f.t.Helper()
	file := func(generation string) string { return filepath.Join(f.dir, generation+".yaml") }
	_, at, cut := f.until(n, syscall.SIGKILL, will, "-f", file(will))
	if cut && n%2 == 0 {
		f.must(will, "deploy", "--verify=false", "-f", file(will))
	} else if cut {
		f.must(will, "deploy", "--abort", "--verify=false", "-f", file(will))
	}
	now := was
	if !cut || n%2 == 0 || f.at(will) { // a release that was closed before the end counts
		now = will
	}
	f.is(now, file(now))
	return at, cut
}

// at tells whether the current release is of a generation.
func (f *fault) at(generation string) bool {
	f.t.Helper()
	h, err := f.e.History(f.t.Context(), f.name)
	if err != nil {
		f.t.Fatal(err)
	}
	current, _ := h.Current()
	s, _ := current.Release.Model().Service("web")
	return len(s.Labels) > 0 && s.Labels[0].Value == generation
}

// An interrupt undoes the deploy, whatever it was doing, and the exit code says so.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	f := newFault(t)
	old, next := f.profile("old", "serve", "serve"), f.profile("next", "serve", "serve")
	f.must("old", "deploy", "-f", old)
	for _, n := range []int{2, 4, 6} {
		code, at, cut := f.until(n, syscall.SIGINT, "next", "-f", next)
		if !cut || code != 130 {
			t.Fatalf("interrupted at %+v: exit %d, want 130", at, code)
		}
		f.is("old", old)
	}
}

// A service that does not become healthy takes the whole stack back to where it was: configuration, images and secrets.
func TestBackWhenUnhealthy(t *testing.T) {
	t.Parallel()
	f := newFault(t)
	old := f.profile("old", "serve", "serve")
	f.must("old", "deploy", "-f", old)
	for _, mode := range []string{"crash", "sick", "later"} {
		t.Run(mode, func(t *testing.T) {
			settle := settleShortly
			if mode == "later" {
				settle = "10s"
			}
			code, out := f.run("next", "deploy", "--settle", settle, "-f", f.profile("next", "serve", mode))
			if code != 1 || !strings.Contains(out, "is back at release 1") {
				t.Errorf("exit %d, want 1 and a word on what became of the stack:\n%s", code, out)
			}
			if strings.Contains(out, "token-of-next") {
				t.Error("the output shows the secret")
			}
			f.is("old", old)
		})
	}
	h, err := f.e.History(t.Context(), f.name)
	if err != nil {
		t.Fatal(err)
	}
	if current, _ := h.Current(); current.Number != 1 || len(h) != 4 {
		t.Errorf("release %d of %d is current, want 1 of 4", current.Number, len(h))
	}
}

// A first deploy that fails is stopped and keeps its logs; with --keep it is left as it is.
func TestFirstDeployFails(t *testing.T) {
	t.Parallel()
	f := newFault(t)
	bad := f.profile("bad", "serve", "crash")
	code, out := f.run("bad", "deploy", "-f", bad)
	if code != 1 || !strings.Contains(out, "containers are stopped") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	list, err := f.e.Stack(t.Context(), f.name)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		if c.State.Running || c.State.Restarting {
			t.Errorf("%s still runs", c.Name)
		}
	}
	good := f.profile("good", "serve", "serve")
	f.must("good", "deploy", "-f", good)
	f.is("good", good)
}

// Two deploys at once: one goes on, the other is told who holds the lock, or waits.
func TestTwoDeploysAtOnce(t *testing.T) {
	t.Parallel()
	f := newFault(t)
	old, next := f.profile("old", "serve", "serve"), f.profile("next", "serve", "serve")
	lock, err := f.e.Lock(t.Context(), f.name, records.LockOptions{Holder: lock.Holder{By: "other", Host: "remote"},
		Gone: func(string) bool { return false }, Report: func(deploy.Event) {}})
	if err != nil {
		t.Fatal(err)
	}
	code, out := f.run("old", "deploy", "-f", old)
	if code != 4 || !strings.Contains(out, "other on remote") {
		t.Errorf("exit %d, want 4 and the holder's name:\n%s", code, out)
	}
	waiting := f.command("old", "deploy", "-f", old, "--lock-wait", "2m")
	if err := waiting.Start(); err != nil {
		t.Fatal(err)
	}
	if err := lock.Unlock(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := waiting.Wait(); err != nil {
		t.Errorf("the deploy that waited: %v", err)
	}
	f.is("old", old)

	both := []*exec.Cmd{f.command("next", "deploy", "-f", next, "--lock-wait", "2m"), f.command("next", "deploy", "-f", next, "--lock-wait", "2m")}
	for _, cmd := range both {
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
	}
	for _, cmd := range both {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	f.is("next", next)
}

// A holder on another machine that shows no life any more is taken over; one whose lock was pruned makes it again.
func TestStaleLock(t *testing.T) {
	t.Parallel()
	f := newFault(t)
	options := records.LockOptions{Holder: lock.Holder{By: "other", Host: "remote"}, Gone: func(string) bool { return false }, Report: func(v deploy.Event) { t.Log(v.Text) }}
	w := newWire(t)
	first, err := testEngineAt(t, "unix://"+w.path).Lock(t.Context(), f.name, options)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.e.API.ContainerRemove(t.Context(), "hsectl.lock."+f.name, client.ContainerRemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	if err := first.Write(t.Context(), record.Journal{Sequence: 1, Phase: record.Applying}); err != nil {
		t.Errorf("a pruned lock was not made again: %v", err)
	}
	w.cut() // as if its process had been killed
	now, err := f.e.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	old, err := json.Marshal(map[string]any{"count": 7, "at": now.AddDate(0, 0, -1)})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.e.Put(t.Context(), "hsectl.lock."+f.name, "/heartbeat", old); err != nil {
		t.Fatal(err)
	}
	second, err := f.e.Lock(t.Context(), f.name, options)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Write(t.Context(), record.Journal{Sequence: 2, Phase: record.Closed}); err != nil {
		t.Error(err)
	}
	newWireAt(t, w.path)
	var lost *lock.LostError
	if err := first.Write(t.Context(), record.Journal{Sequence: 2}); !errors.As(err, &lost) {
		t.Errorf("the dead holder woke and wrote: %v", err)
	}
	if err := second.Unlock(t.Context()); err != nil {
		t.Error(err)
	}
	if err := first.Write(t.Context(), record.Journal{Sequence: 2}); !errors.As(err, &lost) {
		t.Errorf("the dead holder woke after the other was done, and wrote: %v", err)
	}
	f.leftovers()
}

// Rollback brings back configuration, image and secret, from the engine alone.
func TestRollback(t *testing.T) {
	t.Parallel()
	f := newFault(t)
	old, next := f.profile("old", "serve", "serve"), f.profile("next", "serve", "serve")
	f.must("old", "deploy", "-f", old)
	f.must("next", "deploy", "-f", next)
	f.must("", "rollback", "--stack", f.name)
	f.is("old", old)
	f.must("", "rollback", "--stack", f.name, "2")
	f.is("next", next)
	if code, out := f.run("", "rollback", "--stack", f.name, "9"); code != 2 {
		t.Errorf("a release that is not there: exit %d\n%s", code, out)
	}
	if err := tamper(t, f.e, f.name, []byte(`{"apiVersion":"hsectl/v1"}`)); err != nil {
		t.Fatal(err)
	}
	if code, out := f.run("", "rollback", "--stack", f.name, "1"); code != 1 || !strings.Contains(out, "damaged") {
		t.Errorf("a tampered release: exit %d\n%s", code, out)
	}
	f.is("next", next)
}

// Only so many releases are kept, and the secrets and images of those that went go with them.
func TestOldReleasesGo(t *testing.T) {
	t.Parallel()
	f := newFault(t)
	for _, generation := range []string{"a", "b", "c", "d"} {
		f.must(generation, "deploy", "--verify=false", "--releases", "2", "-f", f.profile(generation, "serve", "serve"))
	}
	h, err := f.e.History(t.Context(), f.name)
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := f.e.API.VolumeList(t.Context(), client.VolumeListOptions{Filters: make(client.Filters).Add("label", engine.LabelRole+"="+records.RoleSecrets, engine.LabelStack+"="+f.name)})
	if err != nil {
		t.Fatal(err)
	}
	if len(h) != 2 || len(secrets.Items) != 2 {
		t.Errorf("%d releases and %d volumes of secrets, want 2 and 2", len(h), len(secrets.Items))
	}
	f.must("", "rollback", "--stack", f.name)
	f.is("c", f.profile("c", "serve", "serve"))
}

// A saved plan is applied as it was shown, or not at all.
func TestSavedPlan(t *testing.T) {
	t.Parallel()
	f := newFault(t)
	old, next := f.profile("old", "serve", "serve"), f.profile("next", "serve", "serve")
	f.must("old", "deploy", "-f", old)
	if code, out := f.run("old", "plan", "--detailed-exitcode", "-f", old); code != 0 {
		t.Errorf("nothing to do: exit %d\n%s", code, out)
	}
	plan := filepath.Join(f.dir, "plan.json")
	if code, out := f.run("next", "plan", "--detailed-exitcode", "-f", next, "--out", plan); code != 3 || !strings.Contains(out, "labels.generation: old → next") {
		t.Errorf("changes: exit %d\n%s", code, out)
	}
	data, err := os.ReadFile(plan)
	if err != nil || strings.Contains(string(data), "token-of-next") {
		t.Errorf("the plan shows the secret (%v)", err)
	}
	if code, out := f.run("old", "deploy", "--plan", plan, "-f", old); code != 1 || !strings.Contains(out, "the plan is stale") {
		t.Errorf("another profile: exit %d\n%s", code, out)
	}
	f.must("next", "deploy", "--plan", plan, "-f", next)
	f.is("next", next)
	if code, out := f.run("next", "deploy", "--plan", plan, "-f", next); code != 1 {
		t.Errorf("the plan was applied twice: exit %d\n%s", code, out)
	}
}

// What was changed by hand on a running container is detected, named, and restored.
func TestDriftIsPutRight(t *testing.T) {
	t.Parallel()
	f := newFault(t)
	old := f.profile("old", "serve", "serve")
	f.must("old", "deploy", "-f", old)
	id := only(t, f.e, deployedStack(f), "web").ID
	if _, err := f.e.API.ContainerUpdate(t.Context(), id, client.ContainerUpdateOptions{Resources: moreMemory()}); err != nil {
		t.Fatal(err)
	}
	if code, out := f.run("old", "plan", "--detailed-exitcode", "-f", old); code != 3 || !strings.Contains(out, "HostConfig.Memory was changed on the running container") {
		t.Errorf("exit %d\n%s", code, out)
	}
	f.must("old", "deploy", "-f", old)
	f.is("old", old)
}

func deployedStack(f *fault) stack.Stack { return stack.Stack{Name: f.name} }

func moreMemory() *container.Resources {
	return &container.Resources{Memory: 128 << 20, MemorySwap: 128 << 20}
}

// A job runs before its service is replaced, once for each change of it, with the service's secrets; one that fails takes
// the deploy back, and leaves no container.
func TestJobs(t *testing.T) {
	t.Parallel()
	f := newFault(t)
	old, next := f.profile("old", "serve", "serve"), f.profile("next", "serve", "serve")
	withJob := func(path, when, mode string) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text, _, _ := strings.Cut(string(data), "jobs:")
		if err := os.WriteFile(path, fmt.Appendf(nil, "%sjobs: {migrate: {service: web, command: [%s], when: %s, timeout: 30s}}\n", text, mode, when), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	withJob(old, "before", "token")
	out := f.must("old", "deploy", "-f", old)
	job, swap := strings.Index(out, "migrate                      completed"), strings.Index(out, "web                          healthy")
	if job < 0 || swap < job || !strings.Contains(out, "| the token has 12 bytes: [secret]") {
		t.Errorf("the job did not run first, with its secret:\n%s", out)
	}
	if out := f.must("old", "deploy", "-f", old); strings.Contains(out, "migrate") {
		t.Errorf("the job ran although nothing changed:\n%s", out)
	}
	for _, when := range []string{"before", "after"} {
		withJob(next, when, "crash")
		code, out := f.run("next", "deploy", "-f", next)
		if code != 1 || !strings.Contains(out, "is back at release 1") || !strings.Contains(out, "exited with code 3") || strings.Contains(out, "token-of-next") {
			t.Errorf("a job that fails %s the swap: exit %d\n%s", when, code, out)
		}
		f.is("old", old)
	}
}

// Deploying one service leaves the other alone, whatever the profile says of it now.
func TestOnlyOneService(t *testing.T) {
	t.Parallel()
	f := newFault(t)
	f.must("old", "deploy", "-f", f.profile("old", "serve", "serve"))
	api := only(t, f.e, deployedStack(f), "api").ID
	next := f.profile("next", "sick", "serve")
	f.must("next", "deploy", "--only", "web", "-f", next)
	if only(t, f.e, deployedStack(f), "api").ID != api {
		t.Error("api was touched")
	}
	if got := only(t, f.e, deployedStack(f), "web").Config.Labels["generation"]; got != "next" {
		t.Errorf("web is of generation %q", got)
	}
	f.must("", "rollback", "--stack", f.name)
	f.is("old", f.profile("old", "serve", "serve"))
}

// tamper replaces what was recorded of the first release of a stack.
func tamper(t *testing.T, e *Engine, name string, data []byte) error {
	t.Helper()
	return e.Mounted(t.Context(), map[string]string{volumes.MountPoint: records.ReleaseVolume(name, 1)}, func(id string) error {
		return e.Put(t.Context(), id, volumes.MountPoint+"/release.json", data)
	})
}
