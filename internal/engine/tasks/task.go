// Package tasks runs programs once, with the settings of a service: dumps, restores and their checks.
package tasks

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/volumes"
	"github.com/hsectl/hsectl/internal/redact"
	"github.com/hsectl/hsectl/internal/stack"
)

// Runner runs tasks on an engine.
type Runner struct {
	engine  *engine.Connection
	volumes *volumes.Archive
}

// New returns what runs tasks on an engine.
func New(e *engine.Connection, v *volumes.Archive) *Runner { return &Runner{e, v} }

// Task is a program that runs once next to a service, in a container with the very settings of the service's own: image,
// user, capabilities, filters, limits, secrets, volumes and networks. It publishes nothing and has no test of health.
type Task struct {
	Service string
	Command []string
	Scratch string // volume that is mounted at stack.BackupDir, and handed to the service's user
	Timeout time.Duration
}

// TaskError is a task that ended badly.
type TaskError struct {
	Program string
	Code    int
	Output  []string // last lines, without values of the service's secrets
}

// Error implements error.
func (e *TaskError) Error() string {
	text := fmt.Sprintf("%s ended with code %d", e.Program, e.Code)
	if len(e.Output) > 0 {
		text += ": " + strings.Join(e.Output, " / ")
	}
	return text
}

// maxTaskLines is what is shown of the output of a task that failed.
const maxTaskLines = 5

// RunTask runs a task to its end. One that does not end with 0 is a TaskError.
func (tr *Runner) RunTask(ctx context.Context, project string, t Task) (err error) {
	c, err := tr.engine.First(ctx, project, t.Service)
	if err != nil {
		return err
	}
	if !c.State.Running || c.State.Restarting {
		return fmt.Errorf("service %s is %s: %s needs it running", t.Service, engine.State(c), t.Command[0])
	}
	if err := tr.handScratch(ctx, t.Scratch, c.Config.User); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	id, err := tr.createTask(ctx, project, c, t)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tr.engine.Discard(ctx, id), tr.forget(ctx, id)) }()
	if err := tr.record(ctx, project, id); err != nil {
		return err
	}
	wait := tr.engine.API.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionNextExit})
	if _, err := tr.engine.API.ContainerStart(ctx, id, client.ContainerStartOptions{}); err != nil {
		return fmt.Errorf("starting %s: %w", t.Command[0], err)
	}
	select {
	case <-ctx.Done():
		return fmt.Errorf("%s has not ended within %s: %w", t.Command[0], t.Timeout, ctx.Err())
	case err := <-wait.Error:
		return fmt.Errorf("waiting for %s: %w", t.Command[0], err)
	case end := <-wait.Result:
		if end.StatusCode == 0 {
			return nil
		}
		output, err := tr.taskOutput(ctx, id, c)
		return errors.Join(&TaskError{t.Command[0], int(end.StatusCode), output}, err)
	}
}

// record writes down, outside of every container, that a container is a task: its labels prove nothing.
func (tr *Runner) record(ctx context.Context, project, id string) error {
	_, err := tr.engine.API.VolumeCreate(ctx, client.VolumeCreateOptions{Name: engine.TaskRecord(id), Labels: map[string]string{
		engine.LabelRole: engine.RoleTask, engine.LabelStack: project}})
	if err != nil {
		return fmt.Errorf("recording a task: %w", err)
	}
	return nil
}

func (tr *Runner) forget(ctx context.Context, id string) error {
	ctx, cancel := tr.engine.Cleanup(ctx)
	defer cancel()
	if _, err := tr.engine.API.VolumeRemove(ctx, engine.TaskRecord(id), client.VolumeRemoveOptions{}); err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("removing the record of a task: %w", err)
	}
	return nil
}

// handScratch gives the scratch volume to the user of the service.
func (tr *Runner) handScratch(ctx context.Context, volume, user string) error {
	if volume == "" {
		return nil
	}
	var owner stack.User
	if _, err := fmt.Sscanf(user, "%d:%d", &owner.UID, &owner.GID); err != nil {
		return fmt.Errorf("changing the owner of %s: the user %q is not numeric", stack.BackupDir, user)
	}
	return tr.volumes.Mounted(ctx, map[string]string{volumes.MountPoint: volume}, func(id string) error {
		return tr.volumes.Chown(ctx, id, []*deploy.VolumeStep{{Name: volume, Path: volumes.MountPoint, Owner: owner, Mode: 0o700}})
	})
}

func (tr *Runner) createTask(ctx context.Context, project string, c engine.Container, t Task) (string, error) {
	config := *c.Config
	config.Image, config.Entrypoint, config.Cmd = c.Image, t.Command[:1], t.Command[1:]
	config.Hostname, config.Domainname, config.ExposedPorts, config.Volumes = "", "", nil, nil
	config.Healthcheck = &container.HealthConfig{Test: []string{"NONE"}}
	config.Labels = map[string]string{engine.LabelRole: engine.RoleTask, engine.LabelStack: project, engine.LabelService: t.Service}
	host := *c.HostConfig
	host.PortBindings, host.PublishAllPorts, host.Links, host.ContainerIDFile, host.AutoRemove = nil, false, nil, "", false
	host.RestartPolicy = container.RestartPolicy{Name: container.RestartPolicyDisabled}
	host.LogConfig = container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "1m"}}
	host.Mounts = slices.Clone(host.Mounts)
	if t.Scratch != "" {
		host.Mounts = append(host.Mounts, mount.Mount{Type: mount.TypeVolume, Source: t.Scratch, Target: stack.BackupDir})
	}
	networking := &network.NetworkingConfig{}
	var others []string
	for name := range c.Networks() {
		if name == string(host.NetworkMode) {
			networking.EndpointsConfig = map[string]*network.EndpointSettings{name: {}}
			continue
		}
		others = append(others, name)
	}
	created, err := tr.engine.Create(ctx, client.ContainerCreateOptions{Config: &config, HostConfig: &host, NetworkingConfig: networking})
	if err != nil {
		return "", fmt.Errorf("creating a container for %s: %w", t.Command[0], err)
	}
	for _, name := range others {
		if _, err := tr.engine.API.NetworkConnect(ctx, name, client.NetworkConnectOptions{Container: created.ID}); err != nil {
			return "", errors.Join(fmt.Errorf("joining network %s: %w", name, err), tr.engine.Discard(ctx, created.ID))
		}
	}
	return created.ID, nil
}

// taskOutput returns the last lines of a task, with the values of the secrets that it could read taken out.
func (tr *Runner) taskOutput(ctx context.Context, id string, c engine.Container) ([]string, error) {
	text, err := tr.engine.Logs(ctx, id, 0)
	if err != nil {
		return nil, err
	}
	values, err := tr.secretsOf(ctx, id, c)
	var missing []string
	if err != nil {
		missing = []string{stack.SecretDir + "/*"}
	}
	return display.LastLines(redact.New(values, missing).Output(text), maxTaskLines), nil
}

// secretsOf reads the values that are delivered to a container into memory.
func (tr *Runner) secretsOf(ctx context.Context, id string, c engine.Container) ([]string, error) {
	if !slices.ContainsFunc(c.Mounts, func(m container.MountPoint) bool { return m.Destination == stack.SecretDir }) {
		return nil, nil
	}
	answer, err := tr.engine.API.CopyFromContainer(ctx, id, client.CopyFromContainerOptions{SourcePath: stack.SecretDir + "/."})
	if err != nil {
		return nil, fmt.Errorf("reading what a task must not show: %w", err)
	}
	defer answer.Content.Close()
	var out []string
	r := tar.NewReader(answer.Content)
	for {
		if _, err := r.Next(); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading what a task must not show: %w", err)
		}
		data, err := io.ReadAll(io.LimitReader(r, volumes.MaxSecret))
		if err != nil {
			return nil, fmt.Errorf("reading what a task must not show: %w", err)
		}
		out = append(out, string(data))
	}
}
