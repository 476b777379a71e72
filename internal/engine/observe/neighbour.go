package observe

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/verify"
)

// mostResidents bounds the containers of one engine that are inspected.
const mostResidents = 2000

// Residents implements verify.Observer: one list of all containers, and a look at those that run or have the labels of a stack.
func (obs *Observer) Residents(ctx context.Context, project string) ([]verify.Resident, error) {
	list, err := obs.engine.API.ContainerList(ctx, client.ContainerListOptions{All: true})
	if err != nil {
		return nil, fmt.Errorf("listing all containers: %w", err)
	}
	items := slices.DeleteFunc(list.Items, func(c container.Summary) bool {
		labelled := c.Labels[engine.ComposeProject] == project || c.Labels[engine.LabelStack] == project
		return !labelled && c.State != container.StateRunning && c.State != container.StatePaused && c.State != container.StateRestarting
	})
	if len(items) > mostResidents {
		return nil, fmt.Errorf("%d containers are more than can be inspected", len(items))
	}
	found := make([]*engine.Container, len(items))
	asking, asked := errgroup.WithContext(ctx)
	asking.SetLimit(engine.InspectParallel)
	for i, item := range items {
		asking.Go(func() error {
			c, err := obs.engine.Inspect(asked, item.ID)
			if errdefs.IsNotFound(err) {
				return nil
			}
			found[i] = &c
			return err
		})
	}
	if err := asking.Wait(); err != nil {
		return nil, err
	}
	var out []verify.Resident
	for _, c := range found {
		if c == nil {
			continue
		}
		r := resident(*c)
		if r.Role == engine.RoleTask && r.For == project && r.Running {
			_, err := obs.engine.API.VolumeInspect(ctx, engine.TaskRecord(c.ID), client.VolumeInspectOptions{})
			if err != nil && !errdefs.IsNotFound(err) {
				return nil, fmt.Errorf("looking for the record of a task: %w", err)
			}
			r.Own = err == nil
		}
		if r.Role != "" && r.For == project && r.Running && asWeMake(*c) {
			if r.Own, err = obs.probes.made(ctx, *c); err != nil {
				return nil, err
			}
		}
		out = append(out, r)
	}
	return out, nil
}

func resident(c engine.Container) verify.Resident {
	l, h := c.Config.Labels, c.HostConfig
	r := verify.Resident{ID: c.ID, Name: strings.TrimPrefix(c.Name, "/"), Project: l[engine.ComposeProject], Service: l[engine.ComposeService],
		Oneoff: l[engine.ComposeOneoff] == "True", Role: l[engine.LabelRole], For: l[engine.LabelStack], Running: c.State.Running,
		Networks: map[string][]string{}, Host: h.NetworkMode.IsHost(), Namespaces: map[string][]string{}, Ports: publishedPorts(c)}
	for name, to := range c.Networks() {
		if h.NetworkMode.IsHost() {
			continue // of the machine; it has no other
		}
		names := []string{r.Name}
		for _, alias := range slices.Concat(to.Aliases, to.DNSNames) {
			if !strings.HasPrefix(c.ID, alias) && !slices.Contains(names, alias) {
				names = append(names, alias)
			}
		}
		r.Networks[name] = names
	}
	for _, mode := range [][2]string{{"network", string(h.NetworkMode)}, {"pid", string(h.PidMode)}, {"ipc", string(h.IpcMode)}} {
		if id, of := strings.CutPrefix(mode[1], "container:"); of {
			r.Namespaces[id] = append(r.Namespaces[id], mode[0])
		}
	}
	for _, m := range c.Mounts {
		switch {
		case m.Type == mount.TypeVolume:
			r.Volumes = append(r.Volumes, volumeOf(m))
		case m.Type == mount.TypeBind: // of the directory of a volume, or of something in it
			if before, rest, ok := strings.Cut(path.Clean(m.Source), "/volumes/"); ok && before != "" {
				name, _, _ := strings.Cut(rest, "/")
				r.Volumes = append(r.Volumes, name)
			}
		}
	}
	return r
}

// asWeMake reports whether a container has no other rights than a probe that hsectl makes. Labels say nothing: anyone can write them.
func asWeMake(c engine.Container) bool {
	h := c.HostConfig
	verb := ""
	if len(c.Config.Cmd) > 0 {
		verb = c.Config.Cmd[0]
	}
	if !slices.Equal(c.Config.Entrypoint, []string{"/program"}) || verb != probeVerb && verb != surveyVerb {
		return false
	}
	if len(h.Binds) > 0 || len(h.VolumesFrom) > 0 || len(h.PortBindings) > 0 || len(h.Devices) > 0 || len(h.DeviceRequests) > 0 {
		return false
	}
	if h.NetworkMode.IsNone() && h.PidMode == "" && len(h.Mounts) == 0 {
		return true // a copy, which tries what the settings of its original allow, and reaches nothing
	}
	onlyGroups := !slices.ContainsFunc(h.Mounts, func(m mount.Mount) bool {
		return m.Type != mount.TypeBind || m.Source != "/sys/fs/cgroup" || !m.ReadOnly
	})
	return onlyGroups && !h.Privileged && h.ReadonlyRootfs && slices.Equal(h.CapDrop, []string{"ALL"}) &&
		slices.Contains(h.SecurityOpt, "no-new-privileges:true") && (!h.PidMode.IsHost() || verb == surveyVerb)
}

// made reports whether the content of a container's image is that of a probe: names and labels of images say nothing either.
func (ps *Probes) made(ctx context.Context, c engine.Container) (bool, error) {
	ours, err := ps.layers()
	if err != nil {
		return false, err
	}
	answer, err := ps.engine.API.ImageInspect(ctx, c.Image)
	if errdefs.IsNotFound(err) {
		return false, nil
	}
	return err == nil && slices.Equal(answer.RootFS.Layers, ours), err
}

// imageLayers are the layers of the image of probes.
func imageLayers(e *engine.Connection, program func() ([]byte, error)) ([]string, error) {
	data, err := program()
	if err != nil {
		return nil, err
	}
	return image.NewStatic("hsectl/probe", e.OS, e.Arch, data).Layers()
}
