package evidence

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify/doctor"
	"github.com/hsectl/hsectl/internal/yamldoc"
	"github.com/hsectl/hsectl/profiles"
)

// trials writes changes into a profile that copies of the services have shown to work.
type trials struct {
	*app.Settings
	app.Streams
	loaded  app.Loaded
	engine  *docker.Engine
	options DoctorOptions

	environment map[string]string
	secrets     map[string]deploy.Secret
}

const (
	// maxRounds is how often a copy that shows another cause gets its change, too; a limit is doubled each time.
	maxRounds = 4
	// staysUp is how long a copy without a health test must run.
	staysUp = 10 * time.Second
)

// fix tries the changes of each service on a copy of it, and writes what worked, all of it at once.
func (t *trials) fix(ctx context.Context, found []doctor.Diagnosis) error {
	data, done := t.loaded.Data, 0
	var services []string
	for _, d := range found {
		if d.Patch.Certain() && !slices.Contains(services, d.Service) {
			services = append(services, d.Service)
		}
	}
	for _, service := range services {
		next, changed, err := t.service(ctx, data, service, found)
		if err != nil {
			return err
		}
		if changed > 0 {
			data, done = next, done+changed
		}
	}
	if done == 0 {
		t.Say("nothing is written to %s", t.loaded.Path)
		return nil
	}
	if err := host.Rewrite(t.loaded.Path, data); err != nil {
		return err
	}
	t.Say("%s written to %s; next: hsectl deploy", display.Count(done, "change"), t.loaded.Path)
	return nil
}

// service tries the changes of one service, and more when its copy then shows another cause. It returns the profile with them, and
// how many there are; none when they do not make the copy work.
func (t *trials) service(ctx context.Context, data []byte, name string, found []doctor.Diagnosis) ([]byte, int, error) {
	applied := map[string]bool{}
	for round := 1; ; round++ {
		fresh := 0
		for _, d := range found {
			if d.Service != name || !d.Patch.Certain() {
				continue
			}
			next, err := t.patched(data, d.Patch)
			if err != nil {
				t.Say("%s: not changing %s: %v", name, d.Patch.Path, err)
				continue
			}
			t.Say("%s: trying on a copy, without its ports and data: %s", name, change(d.Patch))
			data, fresh = next, fresh+1
			applied[d.Patch.Path+d.Patch.Item] = true
		}
		if fresh == 0 {
			return nil, 0, nil
		}
		took, err := t.run(ctx, data, name)
		unhealthy, failed := errors.AsType[*deploy.UnhealthyError](err)
		switch {
		case ctx.Err() != nil:
			return nil, 0, ctx.Err()
		case err == nil:
			t.Say("%s: the copy works after %s", name, took.Round(100*time.Millisecond))
			return data, len(applied), nil
		case !failed && t.options.Untested:
			t.Say("%s: written untested: %v", name, err)
			return data, len(applied), nil
		case !failed:
			t.Say("%s: cannot be tried: %v\n  hint: --untested writes it all the same", name, err)
			return nil, 0, nil
		}
		broken, _ := t.loaded.Stack.Service(unhealthy.Service)
		symptom := imaged(ctx, t.engine, t.loaded.Stack.Name, broken.Image, app.SymptomOf(unhealthy))
		symptom.Notes = notes(t.loaded.Stack, unhealthy.Service)
		again := doctor.Diagnose(t.copyOf(data, name), []doctor.Symptom{symptom})
		shown := doctor.Diagnosis{Cause: unhealthy.State}
		if len(again) > 0 {
			shown = again[0]
		}
		t.Say("%s: the copy does not work: %s: %s", unhealthy.Service, shown.Cause, shown.Evidence)
		if round < maxRounds && unhealthy.Service == name && slices.ContainsFunc(again, func(d doctor.Diagnosis) bool {
			return d.Patch.Certain() && !applied[d.Patch.Path+d.Patch.Item] || d.Patch.Value != ""
		}) {
			found = again
			continue
		}
		if t.options.Untested {
			t.Say("%s: written although the copy does not work", name)
			return data, len(applied), nil
		}
		t.Say("%s: not written\n  hint: change the profile by hand, or write it all the same with --untested", name)
		return nil, 0, nil
	}
}

// patched returns the profile with a change, when it stays valid.
func (t *trials) patched(data []byte, p doctor.Patch) ([]byte, error) {
	next, err := yamldoc.Patch(data, yamldoc.Edit(p))
	if err != nil {
		return nil, err
	}
	if _, err := t.parse(next); err != nil {
		return nil, err
	}
	return next, nil
}

func (t *trials) parse(data []byte) (stack.Stack, error) {
	p, err := parser.Parse(data, parser.Options{File: t.loaded.Path, Library: profiles.Library{}, CheckImage: image.Check})
	if err != nil {
		return stack.Stack{}, err
	}
	return stack.New(p), nil
}

// copyOf is the stack of a changed profile, with what a service needs to find in its copy: all that is on a network with it which the
// profile that failed did not have.
func (t *trials) copyOf(data []byte, name string) stack.Stack {
	s, err := t.parse(data)
	if err != nil {
		return t.loaded.Stack // it was parsed before: this does not happen
	}
	before, _ := t.loaded.Stack.Service(name)
	for i, service := range s.Services {
		if service.Name != name {
			continue
		}
		needs := slices.Clone(service.DependsOn)
		for _, other := range s.Services {
			joined := slices.ContainsFunc(other.Networks, func(n string) bool {
				return slices.Contains(service.Networks, n) && !slices.Contains(before.Networks, n)
			})
			if joined && other.Name != name && !slices.ContainsFunc(needs, func(d stack.Dependency) bool { return d.Service == other.Name }) {
				needs = append(needs, stack.Dependency{Service: other.Name, Condition: "started"})
			}
		}
		s.Services[i].DependsOn = needs
	}
	return s
}

// run starts a copy of a service and all it depends on, and returns how long it took to work. An error that is no UnhealthyError says
// why nothing could be tried.
func (t *trials) run(ctx context.Context, data []byte, name string) (time.Duration, error) {
	if t.environment == nil { // once: a source may be a program that prompts
		t.environment, t.secrets = t.ThrowAway(ctx, t.loaded)
	}
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand
	changed := t.copyOf(data, name)
	service, _ := changed.Service(name)
	twin := changed.Twin(changed.Name+"-doctor-"+hex.EncodeToString(random[:]), name)
	c := app.Copy{Stack: twin, Environment: t.environment, Secrets: t.secrets, Timeout: t.options.Timeout}
	begun := time.Now()
	var took time.Duration
	err := c.Run(ctx, t.engine, func() error { return nil }, func() error {
		took = time.Since(begun)
		return t.settled(ctx, twin.Name, service)
	})
	return took, err
}

// settled tells whether a copy that came up keeps to what was changed: it stays up where nothing tests it, and ends on its signal.
func (t *trials) settled(ctx context.Context, twin string, service stack.Service) error {
	if service.Health == nil && service.Restart != "no" {
		seen, err := t.engine.Await(ctx, twin, service.Name, false, staysUp)
		if err != nil || !seen.Healthy {
			return errors.Join(err, &deploy.UnhealthyError{Service: service.Name, State: seen.State})
		}
	}
	before, _ := t.loaded.Stack.Service(service.Name)
	if service.Init == before.Init || service.Restart == "no" {
		return nil
	}
	stopped, err := t.engine.Stop(ctx, twin, service.Name)
	if err == nil && stopped.Killed {
		err = &deploy.UnhealthyError{Service: service.Name, State: fmt.Sprintf("it still does not stop on %s", strings.TrimSpace(service.Shutdown.Signal))}
	}
	return err
}
