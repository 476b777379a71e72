//go:build engine

package docker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/engine/converge"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/probe"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify/drills"
	"github.com/hsectl/hsectl/profiles"
)

// presetAtWork is a preset in use, and work that shows that its program does what it is for. What is written
// before a restart is read back after it.
type presetAtWork struct {
	preset              string
	more                string            // what the user adds: keys of the service, other services, keys of the profile
	files               map[string]string // an image of the user's own, on top of the preset's
	write, read         step
	noHandler           bool // the program has none for its stop signal, and nothing to lose: the drill says so
	keepsFileCapability bool // on Docker 29 its process gains one, and a probe, which has none, may not look at it: see docs/engines.md
}

// TestPresetsAtWork runs each preset, hardened as it is, with the real program in it: deployed, proven, put to work, stopped
// within its grace, started again, proven again, and asked for what it was given. docs/presets.md says which are missing,
// and why.
func TestPresetsAtWork(t *testing.T) {
	t.Parallel()
	for _, c := range atWork() {
		t.Run(c.preset, func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}

// TestEveryPresetIsAccountedFor: a preset is put to work, or docs/presets.md says that it is not.
func TestEveryPresetIsAccountedFor(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/presets.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(page), "These have not run")
	missing, _, end := strings.Cut(rest, "What running them has changed")
	if !ok || !end {
		t.Fatal("docs/presets.md no longer says which presets have not run")
	}
	for _, name := range (profiles.Library{}).Presets() {
		works := slices.ContainsFunc(atWork(), func(c presetAtWork) bool { return c.preset == name })
		said := regexp.MustCompile(`\b` + name + `\b`).MatchString(missing)
		elsewhere := name == "cadvisor" || name == "container-exporter" // in TestMonitoringOnAnEngine
		if works == said && !elsewhere {
			t.Errorf("%s: at work %v, said to be missing %v", name, works, said)
		}
	}
}

// An engine that may not give as many open files as a service asks for is recognised: some presets ask for many.
func TestTooManyOpenFiles(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	s := testStack(t, e, strings.Replace(web, "    limits:", "    open_files: 2000000000\n    limits:", 1), "serve")
	if _, err := deployStack(t, e, s, tokenValue); !errors.Is(err, converge.ErrOpenFiles) {
		t.Errorf("got %v, want %v", err, converge.ErrOpenFiles)
	}
}

func atWork() []presetAtWork {
	return slices.Concat(stores(), brokers(), webServers(), runtimes(), watchers())
}

func (c presetAtWork) run(t *testing.T) {
	t.Helper()
	e := testEngine(t)
	if c.keepsFileCapability {
		e.LookLocally(probe.Local)
	}
	s := testStack(t, e, c.profile(t, e), "serve")
	service := s.Services[slices.IndexFunc(s.Services, func(v stack.Service) bool { return v.Name == c.preset })]
	w := worker{t, e, s, service.Name}

	w.deploy()
	w.proven("after the deploy")
	c.write(w)

	stopped, err := e.Stop(t.Context(), s.Name, service.Name)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range drills.JudgeShutdown(service, stopped) {
		if ends := f.Control == "HSE-LIF-012" || f.Control == "HSE-LIF-016"; f.Proven() == (c.noHandler && ends) {
			t.Errorf("%s %s: %s\n%s", f.Control, f.Status, f.Detail, strings.Join(stopped.Logs, "\n"))
		}
	}
	t.Logf("stopped after %.1fs of %s with exit code %d", stopped.Took.Seconds(), service.Shutdown.Grace, stopped.ExitCode)

	if err := e.Start(t.Context(), s.Name, service.Name); err != nil {
		t.Fatal(err)
	}
	if again, err := e.Await(t.Context(), s.Name, service.Name, true, deployTimeout); err != nil || !again.Healthy {
		t.Fatalf("started again: %+v, %v\n%s", again, err, w.said())
	}
	w.proven("after the restart")
	c.read(w)
}

// profile is the whole text. A case with files gets an image of its own.
func (c presetAtWork) profile(t *testing.T, e *Engine) string {
	t.Helper()
	own := ""
	if c.files != nil {
		own = "    image: " + c.build(t, e) + "\n"
	}
	return "apiVersion: hsectl/v1\nkind: Profile\nname: NAME\nservices:\n  " + c.preset + ":\n    preset: " + c.preset + "\n" + own + c.more
}

func (c presetAtWork) build(t *testing.T, e *Engine) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range c.files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ref := "hsectl/test-preset-" + c.preset + ":" + strings.ToLower(rand.Text()[:8])
	var progress strings.Builder
	if _, err := e.Build(t.Context(), image.BuildRequest{Service: c.preset, Reference: ref, Context: dir, Dockerfile: "Dockerfile"}, &progress); err != nil {
		t.Fatalf("%v\n%s\n%s", err, progress.String(), makeImages)
	}
	t.Cleanup(func() {
		if _, err := e.API.ImageRemove(context.Background(), ref, client.ImageRemoveOptions{Force: true}); err != nil {
			t.Error(err)
		}
	})
	return ref
}

const makeImages = "scripts/images --presets makes the images of the presets"

// worker puts one service of a stack to work.
type worker struct {
	*testing.T
	engine  *Engine
	stack   stack.Stack
	service string
}

// deploy makes a secret for each that the profile asks for.
func (w worker) deploy() {
	w.Helper()
	d := deploy.Desired{Stack: w.stack, Secrets: map[string]deploy.Secret{}, Timeout: deployTimeout}
	for _, s := range w.stack.Secrets {
		d.Secrets[s.Name] = deploy.NewSecret([]byte(rand.Text()))
	}
	observed, err := w.engine.Observe(w.Context(), d)
	if err != nil {
		w.Fatal(err)
	}
	plan, err := deploy.NewPlan(d, observed)
	if err != nil {
		w.Fatal(err)
	}
	err = deploy.Execute(w.Context(), plan, w.engine, func(v deploy.Event) { w.Logf("%s %s", v.Subject, v.Text) })
	if unhealthy, ok := errors.AsType[*deploy.UnhealthyError](err); ok {
		w.Fatalf("%v\n%s\n%s", err, unhealthy.Health, strings.Join(unhealthy.Logs, "\n"))
	}
	if err != nil {
		w.Fatalf("%v\n%s", err, makeImages)
	}
}

// said is what the container has logged, and what its health tests have.
func (w worker) said() string {
	w.Helper()
	c := only(w.T, w.engine, w.stack, w.service)
	logs, err := w.engine.Logs(w.Context(), c.ID, 0)
	if err != nil {
		w.Fatal(err)
	}
	out := display.LastLines(logs, 40)
	if c.State.Health != nil {
		for _, h := range c.State.Health.Log {
			out = append(out, fmt.Sprintf("health test ended with %d: %s", h.ExitCode, h.Output))
		}
	}
	return strings.Join(out, "\n")
}

func (w worker) proven(when string) {
	w.Helper()
	for _, f := range judge(w.T, w.engine, w.stack) {
		if !f.Proven() {
			w.Errorf("%s: %s %s %s: %s", when, f.Subject, f.Control, f.Status, f.Detail)
		}
	}
}
