//go:build engine

package docker

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/tasks"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/verify"
)

// Strangers that share something with a proven stack are named, whatever labels they have; when they are gone it is proven again, and a
// probe of hsectl itself is none.
func TestVerifyNamesStrangers(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	s := testStack(t, e, web, "serve")
	mustDeploy(t, e, s)
	target := only(t, e, s, "web")
	program := workload(t, e)
	built, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	ours := image.NewStatic("hsectl/probe", e.OS, e.Arch, built["probe"]).Reference
	back := ""
	for name := range target.Networks() {
		back = name
	}
	joined := func(alias ...string) *network.NetworkingConfig {
		return &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{back: {Aliases: alias}}}
	}
	labelled := map[string]string{engine.LabelRole: "probe", engine.LabelStack: s.Name}
	judged := func(t *testing.T) finding.Finding {
		t.Helper()
		return findingOf(t, judge(t, e, s), "HSE-OPS-017")
	}
	if f := judged(t); f.Status != finding.Pass {
		t.Fatalf("before there are any: %s: %s", f.Status, f.Detail)
	}
	for _, row := range []struct {
		name    string
		config  container.Config
		host    container.HostConfig
		network *network.NetworkingConfig
		want    string // empty for what is no stranger
	}{
		{"a one-off of root on the network", container.Config{Image: program, User: "0:0", Labels: map[string]string{
			engine.ComposeProject: s.Name, engine.ComposeService: "web", engine.ComposeOneoff: "True"}}, container.HostConfig{NetworkMode: container.NetworkMode(back)}, joined(), "is a one-off with the labels of the stack"},
		{"in the network namespace", container.Config{Image: program, Cmd: []string{"child"}}, container.HostConfig{NetworkMode: container.NetworkMode("container:" + target.ID)}, nil, "is in its network namespace"},
		{"in the pid namespace", container.Config{Image: program}, container.HostConfig{NetworkMode: "none", PidMode: container.PidMode("container:" + target.ID)}, nil, "is in its pid namespace"},
		{"the volume mounted", container.Config{Image: program}, container.HostConfig{NetworkMode: "none", Mounts: []mount.Mount{
			{Type: mount.TypeVolume, Source: s.Name + "_data", Target: "/stolen"}}}, nil, "mounts volume " + s.Name + "_data"},
		{"the name of the service", container.Config{Image: program}, container.HostConfig{NetworkMode: container.NetworkMode(back)}, joined("web"), "answers to the name web on network " + back},
		{"a fake probe", container.Config{Image: program, Labels: labelled}, container.HostConfig{NetworkMode: container.NetworkMode(back)}, joined(), "was not made by it"},
		{"a probe with another right", container.Config{Image: ours, Entrypoint: []string{"/program"}, Cmd: []string{"probe-machine"}, OpenStdin: true, Labels: labelled},
			container.HostConfig{NetworkMode: container.NetworkMode("container:" + target.ID), Binds: []string{s.Name + "_data:/stolen"}}, nil, "was not made by it"},
		{"a probe", container.Config{Image: ours, Cmd: []string{"probe-machine"}, OpenStdin: true, Labels: labelled},
			container.HostConfig{NetworkMode: container.NetworkMode("container:" + target.ID), ReadonlyRootfs: true, CapDrop: []string{"ALL"}, SecurityOpt: []string{"no-new-privileges:true"}}, nil, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			made, err := e.API.ContainerCreate(t.Context(), client.ContainerCreateOptions{Config: &row.config, HostConfig: &row.host, NetworkingConfig: row.network})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := e.Discard(t.Context(), made.ID); err != nil {
					t.Error(err)
				}
			}()
			if _, err := e.API.ContainerStart(t.Context(), made.ID, client.ContainerStartOptions{}); err != nil {
				t.Fatal(err)
			}
			if c, err := e.Inspect(t.Context(), made.ID); err != nil || !c.State.Running {
				t.Fatalf("it does not run: %v", err)
			}
			f := judged(t)
			if c, err := e.Inspect(t.Context(), made.ID); err != nil || !c.State.Running {
				t.Fatalf("it ended meanwhile: %v", err)
			}
			if failed := f.Status == finding.Fail || f.Status == finding.Drift; failed != (row.want != "") || !strings.Contains(f.Detail, row.want) {
				t.Errorf("%s: %s", f.Status, f.Detail)
			}
		})
	}
	if f := judged(t); f.Status != finding.Pass {
		t.Errorf("when they are gone: %s: %s", f.Status, f.Detail)
	}
}

// A task that hsectl runs is no stranger, because it is recorded that it is one; a container with the same labels is.
func TestTasksAreNoStrangers(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	s := testStack(t, e, web, "serve")
	mustDeploy(t, e, s)
	ended := make(chan error, 1)
	go func() {
		ended <- e.RunTask(t.Context(), s.Name, tasks.Task{Service: "web", Command: []string{"/program", "serve"}, Timeout: time.Minute})
	}()
	task := func() (verify.Resident, bool) {
		t.Helper()
		all, err := e.Residents(t.Context(), s.Name)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(all, func(r verify.Resident) bool { return r.Role == engine.RoleTask && r.For == s.Name && r.Running })
		if i < 0 {
			return verify.Resident{}, false
		}
		return all[i], true
	}
	for {
		if r, runs := task(); runs {
			if !r.Own {
				t.Errorf("%s is taken for a stranger", r.Name)
			}
			if f := findingOf(t, judge(t, e, s), "HSE-OPS-017"); f.Status != finding.Pass {
				t.Errorf("while it runs: %s: %s", f.Status, f.Detail)
			}
			if _, err := e.API.VolumeRemove(t.Context(), engine.TaskRecord(r.ID), client.VolumeRemoveOptions{}); err != nil {
				t.Fatal(err)
			}
			if r, runs := task(); runs && r.Own {
				t.Errorf("%s has only its labels, and is taken for our own", r.Name)
			}
			if _, err := e.API.ContainerStop(t.Context(), r.ID, client.ContainerStopOptions{}); err != nil {
				t.Fatal(err)
			}
			break
		}
		select {
		case err := <-ended:
			t.Fatalf("the task ended before it was seen: %v", err)
		default:
		}
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
