package observe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/drift"
	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/expectation"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/verify"
)

// differences are those of what runs from what was rendered.
type differences struct {
	containers map[string][]drift.Difference // by id
	networks   map[string][]drift.Difference // by name on the engine
	volumes    map[string][]drift.Difference // likewise
	local      map[string]bool               // volumes that are directories of the engine's own
	devices    map[string]string             // paths of the machine that volumes show, by their options
}

// comparison is what verify is told of it.
type comparison struct {
	facts map[string]policy.Fact[[]string] // by id
	local map[string]bool                  // volumes that are directories of the engine's own, by name

	devices map[string]string // paths of the machine that volumes show, by name
}

// compared says of each container, by its id, in which of its fields, and of those of its networks and volumes, it is not what was
// rendered. Where that cannot be said it is unknown, with the reason.
func (obs *Observer) compared(ctx context.Context, list []engine.Container, info json.RawMessage, of *verify.Rendered) comparison {
	out := comparison{facts: map[string]policy.Fact[[]string]{}}
	if of == nil {
		return out
	}
	found, err := differences{}, error(nil)
	why := of.Why
	if why == "" {
		if found, err = obs.differences(ctx, list, info, *of); err != nil {
			why = err.Error()
		}
	}
	for _, c := range list {
		if why != "" {
			out.facts[c.ID] = policy.Unseen[[]string](display.Clean(why))
			continue
		}
		out.facts[c.ID] = policy.Seen(found.of(c), finding.Applied)
	}
	out.local, out.devices = found.local, found.devices
	return out
}

// of are the differences that are about a container, in words.
func (d differences) of(c engine.Container) []string {
	out := inWords("", d.containers[c.ID])
	for _, name := range slices.Sorted(maps.Keys(c.Networks())) {
		out = append(out, inWords("network "+name+": ", d.networks[name])...)
	}
	for _, name := range volumesOf(c) {
		out = append(out, inWords("volume "+name+": ", d.volumes[name])...)
	}
	return out
}

func inWords(about string, found []drift.Difference) []string {
	var out []string
	for _, d := range found {
		out = append(out, about+d.String())
	}
	return out
}

// volumesOf are the names of the volumes that a container has, sorted.
func volumesOf(c engine.Container) []string {
	var out []string
	for _, m := range c.Mounts {
		if name := volumeOf(m); name != "" && m.Type == mount.TypeVolume {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// directory is where docker compose was called to bring up a file that deploy does not know of: it reads files next to it.
func directory(list []engine.Container, of verify.Rendered) string {
	for _, c := range list {
		if dir := c.Config.Labels[composeDirectory]; of.Plain && dir != "" {
			return dir
		}
	}
	return "/"
}

// composeDirectory is the label by which Compose says where it was called.
const composeDirectory = "com.docker.compose.project.working_dir"

// differences compares all containers of a stack, its networks and its volumes with what was rendered.
func (obs *Observer) differences(ctx context.Context, list []engine.Container, info json.RawMessage, of verify.Rendered) (differences, error) {
	out := differences{map[string][]drift.Difference{}, map[string][]drift.Difference{}, map[string][]drift.Difference{}, map[string]bool{}, map[string]string{}}
	requests, err := expectation.Read(ctx, obs.engine, expectation.Source{File: of.File, Environment: of.Environment, Dir: directory(list, of)})
	if err != nil {
		return out, err
	}
	w, err := obs.world(ctx, list, requests, of.Images)
	if err != nil {
		return out, err
	}
	w.Info = info
	comparison, err := requests.Against(w.World)
	if err != nil {
		return out, err
	}
	if out.containers, err = each(list, requests, comparison); err != nil {
		return out, err
	}
	if slices.ContainsFunc(slices.Collect(maps.Values(out.containers)), func(found []drift.Difference) bool { return slices.ContainsFunc(found, drift.MayBeDefault) }) {
		if w.Blank, err = obs.blank(ctx); err != nil {
			return out, err
		}
		if comparison, err = requests.Against(w.World); err != nil {
			return out, err
		}
		if out.containers, err = each(list, requests, comparison); err != nil {
			return out, err
		}
	}
	for name := range requests.Networks {
		for _, raw := range w.stackNetworks[name] {
			found, err := comparison.Network(name, raw)
			if err != nil {
				return out, fmt.Errorf("comparing network %s: %w", name, err)
			}
			out.networks[name] = append(out.networks[name], found...)
		}
		if len(w.stackNetworks[name]) == 0 {
			out.networks[name] = []drift.Difference{{Path: "the network", Want: name}}
		}
	}
	for name, raw := range w.stackVolumes {
		var v struct {
			Driver  string
			Options map[string]string
		}
		if err := json.Unmarshal(raw, &v); err != nil {
			return out, fmt.Errorf("reading volume %s: %w", name, err)
		}
		out.local[name] = v.Driver == "local" && len(v.Options) == 0
		if v.Driver == "local" && strings.Contains(v.Options["o"], "bind") {
			out.devices[name] = v.Options["device"]
		}
	}
	for name := range requests.Volumes {
		raw, exists := w.stackVolumes[name]
		if !exists {
			out.volumes[name] = []drift.Difference{{Path: "the volume", Want: name}}
			continue
		}
		if out.volumes[name], err = comparison.Volume(name, raw); err != nil {
			return out, fmt.Errorf("comparing volume %s: %w", name, err)
		}
	}
	return out, nil
}

// each compares the containers of a stack, by id. One of no service is left out: that is said elsewhere.
func each(list []engine.Container, requests drift.Requests, with drift.Comparison) (map[string][]drift.Difference, error) {
	out := map[string][]drift.Difference{}
	for _, c := range list {
		service := c.Config.Labels[engine.ComposeService]
		if _, known := requests.Containers[service]; !known {
			continue
		}
		found, err := with.Container(service, c.Raw)
		if err != nil {
			return out, fmt.Errorf("comparing container %s: %w", c.Name, err)
		}
		out[c.ID] = found
	}
	return out, nil
}

// blank is a container for which nothing is asked: it shows the defaults of the daemon. It is never started.
func (obs *Observer) blank(ctx context.Context) (raw json.RawMessage, err error) {
	created, err := obs.engine.Create(ctx, client.ContainerCreateOptions{HostConfig: &container.HostConfig{},
		Config: &container.Config{Image: obs.engine.EmptyImage().Reference, Entrypoint: []string{"/never-started"}, Labels: map[string]string{engine.LabelRole: "carrier"}}})
	if err != nil {
		return nil, fmt.Errorf("asking the engine for its defaults: %w", err)
	}
	defer func() { err = errors.Join(err, obs.engine.Discard(ctx, created.ID)) }()
	c, err := obs.engine.Inspect(ctx, created.ID)
	return c.Raw, err
}

// world is what an engine has of what a stack needs.
type world struct {
	drift.World
	stackNetworks map[string][]json.RawMessage // by name: an engine may have several of one
	stackVolumes  map[string]json.RawMessage
}

// world asks the engine at once for all that containers are compared with.
func (obs *Observer) world(ctx context.Context, list []engine.Container, requests drift.Requests, ids map[string]string) (world, error) {
	out := world{drift.World{Images: map[string]json.RawMessage{}, ImageIDs: ids, Containers: map[string][]string{}}, map[string][]json.RawMessage{}, map[string]json.RawMessage{}}
	images, volumes := map[string]bool{}, map[string]bool{}
	for _, c := range list {
		images[c.Image] = true
		service := c.Config.Labels[engine.ComposeService]
		out.Containers[service] = append(out.Containers[service], c.ID)
		for _, name := range volumesOf(c) {
			volumes[name] = true
		}
	}
	for _, id := range ids {
		images[id] = true
	}
	for name := range requests.Volumes {
		volumes[name] = true
	}
	networks, err := obs.engine.API.NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		return out, fmt.Errorf("listing networks: %w", err)
	}
	var mu sync.Mutex // guards out
	asking, asked := errgroup.WithContext(ctx)
	asking.SetLimit(engine.InspectParallel)
	ask := func(what string, answer func() (json.RawMessage, error), keep func(json.RawMessage)) {
		asking.Go(func() error {
			raw, err := answer()
			if errdefs.IsNotFound(err) || err == nil && len(raw) == 0 {
				return nil
			}
			if err != nil {
				return fmt.Errorf("inspecting %s: %w", what, err)
			}
			mu.Lock()
			defer mu.Unlock()
			keep(raw)
			return nil
		})
	}
	for _, id := range slices.Sorted(maps.Keys(images)) {
		ask("image "+id, func() (json.RawMessage, error) {
			var raw bytes.Buffer
			_, err := obs.engine.API.ImageInspect(asked, id, client.ImageInspectWithRawResponse(&raw))
			return raw.Bytes(), err
		}, func(raw json.RawMessage) { out.Images[id] = raw })
	}
	for _, name := range slices.Sorted(maps.Keys(volumes)) {
		ask("volume "+name, func() (json.RawMessage, error) {
			v, err := obs.engine.API.VolumeInspect(asked, name, client.VolumeInspectOptions{})
			return v.Raw, err
		}, func(raw json.RawMessage) { out.Volumes, out.stackVolumes[name] = append(out.Volumes, raw), raw })
	}
	for _, n := range networks.Items {
		if _, ours := requests.Networks[n.Name]; !ours {
			named, err := json.Marshal(map[string]string{"Name": n.Name, "Id": n.ID})
			if err != nil {
				return out, fmt.Errorf("listing networks: %w", err)
			}
			mu.Lock()
			out.Networks = append(out.Networks, named)
			mu.Unlock()
			continue
		}
		ask("network "+n.Name, func() (json.RawMessage, error) {
			v, err := obs.engine.API.NetworkInspect(asked, n.ID, client.NetworkInspectOptions{})
			return v.Raw, err
		}, func(raw json.RawMessage) {
			out.Networks, out.stackNetworks[n.Name] = append(out.Networks, raw), append(out.stackNetworks[n.Name], raw)
		})
	}
	return out, asking.Wait()
}
