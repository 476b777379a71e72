package converge

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	composeapi "github.com/docker/compose/v5/pkg/api"
	"github.com/docker/compose/v5/pkg/compose"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/edge"
	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/records"
	"github.com/hsectl/hsectl/internal/engine/volumes"
	"github.com/hsectl/hsectl/internal/stack"
)

// loadPoll is how often an edge is asked whether it has loaded its configuration, which takes it some 50 ms.
const loadPoll = 100 * time.Millisecond

// load copies what was delivered for an edge to where it reads it, and lets its container load that, unless Compose will
// replace it. Only then it is written down as loaded. A run that is killed before that does it again.
func (a *Applier) load(ctx context.Context, service string, step *deploy.LoadStep, report func(deploy.Event)) error {
	if err := a.reaches(ctx, step.Compose.Stack, service, step.Calls, ""); err != nil {
		return err
	}
	return a.withLive(ctx, service, step, func(id string) error {
		if err := a.copyLive(ctx, id, step); err != nil {
			return fmt.Errorf("bringing %s its configuration: %w", service, err)
		}
		loaded, err := a.loadRunning(ctx, service, step, report)
		if err != nil {
			return err
		}
		at := path.Join(volumes.MountPoint, step.Configs.To, deploy.LoadedFile)
		if err := a.volumes.Put(ctx, id, at, step.Version.Data); err != nil {
			return err
		}
		text := "configuration ready"
		if loaded {
			text = "configuration loaded"
		}
		report(deploy.Event{Subject: service, Text: text, Done: true})
		return nil
	})
}

// withLive calls f with a transfer container that has the volumes of a version and those that stay.
func (a *Applier) withLive(ctx context.Context, service string, step *deploy.LoadStep, f func(id string) error) error {
	mounts := map[string]string{}
	for _, c := range []deploy.Copied{step.Configs, step.Secrets} {
		if c.From == "" {
			continue
		}
		_, err := a.engine.API.VolumeCreate(ctx, client.VolumeCreateOptions{Name: c.To, Labels: map[string]string{
			engine.LabelRole: records.RoleLive, engine.LabelStack: step.Compose.Stack, engine.LabelService: service,
		}})
		if err != nil {
			return fmt.Errorf("creating volume %s: %w", c.To, err)
		}
		mounts[path.Join(givenAt, c.From)], mounts[path.Join(volumes.MountPoint, c.To)] = c.From, c.To
	}
	return a.volumes.Mounted(ctx, mounts, f)
}

// copyLive copies the files of a version in one piece. What the version does not have any more becomes an empty directory,
// because files cannot be taken out of a volume.
func (a *Applier) copyLive(ctx context.Context, id string, step *deploy.LoadStep) error {
	configs, err := readFiles(ctx, a.volumes, id, step.Configs.From)
	if err != nil {
		return err
	}
	files := []stack.ConfigFile{step.Version}
	if step.Maintenance {
		files = append(files, stack.MaintenancePage())
	}
	for name, data := range configs {
		if !stack.Moving(name) {
			files = append(files, stack.ConfigFile{Path: name, Data: data})
		}
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	dir := path.Join(volumes.MountPoint[1:], step.Configs.To)
	err = errors.Join(packConfigs(w, dir, step.Owner, files), packGone(w, dir, step.Owner, step.Configs.Gone))
	if err == nil && step.Secrets.From != "" {
		var values map[string][]byte
		if values, err = readFiles(ctx, a.volumes, id, step.Secrets.From); err != nil {
			return err
		}
		dir := path.Join(volumes.MountPoint[1:], step.Secrets.To)
		err = errors.Join(packValues(w, dir, step.Owner, values), packGone(w, dir, step.Owner, step.Secrets.Gone))
	}
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	_, err = a.engine.API.CopyToContainer(ctx, id, client.CopyToContainerOptions{DestinationPath: "/", Content: &b, AllowOverwriteDirWithFile: true})
	return err
}

// readFiles reads the files of a volume that is passed on.
func readFiles(ctx context.Context, from *volumes.Archive, id, volume string) (map[string][]byte, error) {
	out := map[string][]byte{}
	err := from.ReadTree(ctx, id, path.Join(givenAt, volume), func(h *tar.Header, content io.Reader) error {
		if h.Typeflag != tar.TypeReg {
			return nil
		}
		data, err := io.ReadAll(io.LimitReader(content, volumes.MaxRecord))
		out[path.Clean(h.Name)] = data
		return err
	})
	return out, err
}

func packGone(w *tar.Writer, dir string, owner stack.User, gone []string) error {
	for _, name := range gone {
		if err := w.WriteHeader(&tar.Header{Name: path.Join(dir, name) + "/", Typeflag: tar.TypeDir, Mode: 0o500, Uid: owner.UID, Gid: owner.GID}); err != nil {
			return err
		}
	}
	return nil
}

// loadRunning lets a container that Compose will leave as it is load its files. One that is sick is started again for that.
func (a *Applier) loadRunning(ctx context.Context, service string, step *deploy.LoadStep, report func(deploy.Event)) (loaded bool, err error) {
	up, err := a.upFor(ctx, &step.Compose, report)
	if err != nil {
		return false, err
	}
	s := up.project.Services[service]
	hash, err := compose.ServiceHash(s)
	if err != nil {
		return false, fmt.Errorf("comparing service %q: %w", service, err)
	}
	image, _, err := a.images.Find(ctx, s.Image)
	if err != nil {
		return false, err
	}
	running, err := a.engine.Service(ctx, step.Compose.Stack, service)
	if err != nil {
		return false, err
	}
	for _, c := range running {
		if !c.State.Running || c.Config.Labels[composeapi.ConfigHashLabel] != hash || c.Image != image || !mountsVolume(c, step.Configs.To) || !mountsVolume(c, step.Secrets.To) {
			continue
		}
		if engine.Well(c) {
			err = a.signalLoad(ctx, c, step.Compose.Timeout)
		} else if _, err = a.engine.API.ContainerRestart(ctx, c.ID, client.ContainerRestartOptions{}); err != nil {
			err = fmt.Errorf("restarting container %s: %w", strings.TrimPrefix(c.Name, "/"), err)
		}
		if err != nil {
			return false, err
		}
		loaded = true
	}
	return loaded, nil
}

// mountsVolume tells whether a container has a volume; every one has that of no name.
func mountsVolume(c engine.Container, name string) bool {
	for _, m := range c.Mounts {
		if m.Name == name {
			return true
		}
	}
	return name == ""
}

// signalLoad lets Caddy load its configuration and waits until its log says how that ended.
func (a *Applier) signalLoad(ctx context.Context, c engine.Container, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	since, err := a.engine.Now(ctx) // its own clock stamps the lines
	if err != nil {
		return err
	}
	if _, err := a.engine.API.ContainerKill(ctx, c.ID, client.ContainerKillOptions{Signal: edge.ReloadSignal}); err != nil {
		return fmt.Errorf("asking container %s to load its configuration: %w", strings.TrimPrefix(c.Name, "/"), err)
	}
	refused := &deploy.RefusedError{Service: c.Config.Labels[engine.ComposeService]}
	ticker := time.NewTicker(loadPoll)
	defer ticker.Stop()
	for {
		logs, err := a.engine.LogsSince(ctx, c.ID, since)
		if err != nil {
			return err
		}
		ended, reason := loadEnded(logs)
		switch ended {
		case loadDone:
			return nil
		case loadRefused, loadUnheard:
			refused.Reason, refused.Deaf = reason, ended == loadUnheard
			return refused
		}
		now, err := a.engine.Inspect(ctx, c.ID)
		if err != nil {
			return fmt.Errorf("inspecting container %s: %w", strings.TrimPrefix(c.Name, "/"), err)
		}
		if !now.State.Running {
			refused.Reason = "its container " + engine.State(now)
			return refused
		}
		select {
		case <-ctx.Done():
			refused.Reason = "it did not report whether it loaded it"
			return errors.Join(refused, ctx.Err())
		case <-ticker.C:
		}
	}
}

// loadEnd is how a load that a signal asked for has ended.
type loadEnd int

const (
	loadPending loadEnd = iota
	loadDone
	loadRefused
	loadUnheard // by a Caddy that does not know the signal, or does not know from which file it was started
)

// loadEnded reads from Caddy's log how a load has ended, and why it failed.
func loadEnded(logs string) (loadEnd, string) {
	for line := range strings.Lines(logs) {
		var told struct{ Level, Msg, Signal, Error string }
		if json.Unmarshal([]byte(line), &told) != nil || told.Signal != edge.ReloadSignal {
			continue
		}
		switch {
		case told.Error != "":
			return loadRefused, display.Clean(told.Error)
		case strings.HasPrefix(told.Msg, "successfully"):
			return loadDone, ""
		case !strings.HasPrefix(told.Msg, "reloading"):
			return loadUnheard, "it cannot reload while running: " + display.Clean(told.Msg)
		}
	}
	return loadPending, ""
}
