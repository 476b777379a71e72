//go:build engine

package docker

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/records"
)

// twoBehind is a service of two containers behind an edge.
const twoBehind = `
apiVersion: hsectl/v1
kind: Profile
name: NAME
services:
  web:
    image: IMAGE
    command: [MODE]
    user: "10001:10001"
    replicas: 2
    labels: {generation: GENERATION}
    limits: {cpus: "0.5", memory: 64M, pids: 50}
    shutdown: {grace: 3s}
    health: {command: [/program, health], interval: 2s, timeout: 2s, retries: 3, start_period: 1s}
    rollout: {settle: 100ms, drain: 100ms}
  edge:
    health: {interval: 2s, timeout: 2s}
    shutdown: {grace: 5s}
edge:
  address: 127.0.0.1
  http: PORT
  https: SECURE
  sites:
    shop.test: {service: web, port: 8080, tls: "off"}
`

// behind is a stack of two containers behind an edge that faults happen to.
type behind struct {
	*fault
	port, secure string
}

func newBehind(t *testing.T) behind {
	t.Helper()
	return behind{newFault(t), freePort(t), freePort(t)}
}

// write writes the profile of a generation and returns its path.
func (b behind) write(generation, mode string) string {
	b.t.Helper()
	text := strings.NewReplacer("NAME", b.name, "IMAGE", b.image, "MODE", mode, "GENERATION", generation, "PORT", b.port, "SECURE", b.secure).Replace(twoBehind)
	path := filepath.Join(b.dir, generation+".yaml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
	return path
}

// serves checks that the site answers, and that every container is well and of a generation.
func (b behind) serves(generation, profile string) {
	b.t.Helper()
	if status, _, _, err := visit(b.t, "shop.test", b.port, "http", nil); err != nil || status != http.StatusOK {
		b.t.Errorf("the site answers %d, %v", status, err)
	}
	list, err := b.e.Stack(b.t.Context(), b.name)
	if err != nil {
		b.t.Fatal(err)
	}
	if len(list) != 3 {
		b.t.Errorf("%d containers, want 3", len(list))
	}
	for _, c := range list {
		if !engine.Well(c) {
			b.t.Errorf("container %s is %s", c.Name, engine.State(c))
		}
		if was := c.Config.Labels["generation"]; c.Config.Labels[engine.ComposeService] == "web" && was != generation {
			b.t.Errorf("%s is of generation %q, want %q", c.Name, was, generation)
		}
	}
	b.must(generation, "verify", "-f", profile)
	b.must(generation, "status", "-f", profile)
}

// An undo starts what it needs, whatever did not work before the change that failed.
func TestUndoNeedsNothingThatWorked(t *testing.T) {
	t.Parallel()
	b := newBehind(t)
	old := b.write("old", "serve")
	b.must("old", "deploy", "-f", old)
	for _, mode := range []string{"sick", "crash"} {
		list, err := b.e.Service(t.Context(), b.name, "web")
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list {
			if _, err := b.e.API.ContainerStop(t.Context(), c.ID, client.ContainerStopOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		code, out := b.run("next", "deploy", "-f", b.write("next", mode))
		if code != 1 || !strings.Contains(out, "is back at release 1") {
			t.Errorf("after %s: exit %d\n%s", mode, code, out)
		}
		b.serves("old", old)
	}
}

// byHand are states into which a person can bring a container.
func byHand() map[string]func(ctx context.Context, e *Engine, c engine.Container) error {
	return map[string]func(ctx context.Context, e *Engine, c engine.Container) error{
		"paused": pause,
		"stopped": func(ctx context.Context, e *Engine, c engine.Container) error {
			_, err := e.API.ContainerStop(ctx, c.ID, client.ContainerStopOptions{})
			return err
		},
		"killed": func(ctx context.Context, e *Engine, c engine.Container) error {
			_, err := e.API.ContainerKill(ctx, c.ID, client.ContainerKillOptions{Signal: "SIGKILL"})
			return err
		},
		"removed": func(ctx context.Context, e *Engine, c engine.Container) error {
			_, err := e.API.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true})
			return err
		},
		"renamed": func(ctx context.Context, e *Engine, c engine.Container) error {
			_, err := e.API.ContainerRename(ctx, c.ID, client.ContainerRenameOptions{NewName: strings.TrimPrefix(c.Name, "/") + "-renamed"})
			return err
		},
		"off its network": func(ctx context.Context, e *Engine, c engine.Container) error {
			for name := range c.Networks() {
				if _, err := e.API.NetworkDisconnect(ctx, name, client.NetworkDisconnectOptions{Container: c.ID, Force: true}); err != nil {
					return err
				}
			}
			return nil
		},
		"without a restart policy, and stopped": func(ctx context.Context, e *Engine, c engine.Container) error {
			_, err := e.API.ContainerUpdate(ctx, c.ID, client.ContainerUpdateOptions{RestartPolicy: &container.RestartPolicy{Name: container.RestartPolicyDisabled}})
			if err == nil {
				_, err = e.API.ContainerStop(ctx, c.ID, client.ContainerStopOptions{})
			}
			return err
		},
		"with other limits, and paused": func(ctx context.Context, e *Engine, c engine.Container) error {
			_, err := e.API.ContainerUpdate(ctx, c.ID, client.ContainerUpdateOptions{Resources: moreMemory()})
			if err == nil {
				err = pause(ctx, e, c)
			}
			return err
		},
	}
}

// pause pauses a container. An engine may not be able to at the moment at which a health test begins in it.
func pause(ctx context.Context, e *Engine, c engine.Container) (err error) {
	for range 5 {
		if _, err = e.API.ContainerPause(ctx, c.ID, client.ContainerPauseOptions{}); err == nil {
			return nil
		}
	}
	return err
}

// Whatever a person makes of a container in the middle of a deploy, the deploy or its undo ends with all of the stack at work, and so does
// the next one.
func TestContainersChangedByHand(t *testing.T) {
	t.Parallel()
	for name, change := range byHand() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFault(t)
			old := f.profile("old", "serve", "serve")
			f.must("old", "deploy", "-f", old)
			for _, mode := range []string{"crash", "serve"} {
				next := f.profile("next", "serve", mode)
				cmd := f.command("next", "deploy", "--format", "json", "-f", next)
				done := false
				code := f.watch(cmd, func(e event) {
					if e.Kind == "step" && strings.HasPrefix(e.Text, "converge") && !done {
						done = true
						if err := change(t.Context(), f.e, only(t, f.e, deployedStack(f), "api")); err != nil {
							t.Error(err)
						}
					}
				})
				if code != 0 && f.at("next") {
					t.Errorf("exit %d", code)
				}
				generation := "old"
				if f.at("next") {
					generation = "next"
				}
				if mode == "serve" && generation == "old" { // it was undone: what is left must be no obstacle
					f.is("old", old)
					f.must("next", "deploy", "-f", next)
					generation = "next"
				}
				f.is(generation, filepath.Join(f.dir, generation+".yaml"))
			}
		})
	}
}

// What a run delivered that was killed goes with the next command that takes the lock; what a release needs stays.
func TestKilledRunsLeaveNoVolume(t *testing.T) {
	t.Parallel()
	f := newFault(t)
	old, next := f.profile("old", "serve", "serve"), f.profile("next", "serve", "serve")
	f.must("old", "deploy", "--verify=false", "-f", old)
	for n := 1; ; n++ {
		_, at, cut := f.until(n, syscall.SIGKILL, "next", "--verify=false", "-f", next)
		if !cut {
			break
		}
		f.must("old", "deploy", "--abort", "--verify=false", "-f", old)
		if !f.at("old") {
			f.must("", "rollback", "--verify=false", "--stack", f.name)
		}
		f.onlyNeeded(fmt.Sprintf("killed at %q", at.Text))
		f.must("old", "deploy", "--verify=false", "-f", old)
	}
	f.must("old", "deploy", "-f", old)
	f.is("old", old)
}

// onlyNeeded checks that the engine has no volume of secrets or configuration that no deployed release needs.
func (f *fault) onlyNeeded(when string) {
	f.t.Helper()
	h, err := f.e.History(f.t.Context(), f.name)
	if err != nil {
		f.t.Fatal(err)
	}
	needed, _ := h.Needed()
	list, err := f.e.API.VolumeList(f.t.Context(), client.VolumeListOptions{Filters: make(client.Filters).Add("label", engine.LabelStack+"="+f.name)})
	if err != nil {
		f.t.Fatal(err)
	}
	for _, v := range list.Items {
		role := v.Labels[engine.LabelRole]
		if slices.Contains([]string{records.RoleSecrets, records.RoleConfig, records.RoleLive}, role) && !needed[v.Name] {
			f.t.Errorf("%s: volume %s is left", when, v.Name)
		}
	}
	for name := range needed {
		if _, err := f.e.API.VolumeInspect(f.t.Context(), name, client.VolumeInspectOptions{}); err != nil {
			f.t.Errorf("%s: a volume that a release needs is gone: %v", when, err)
		}
	}
}
