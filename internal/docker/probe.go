package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/verify"
)

const (
	probeTimeout  = time.Minute       // a probe takes less than a second; on a machine that has no time it takes half a minute
	startTimeout  = time.Minute       // between making a probe and starting it
	probeVerb     = "probe-container" // the hidden verb that a probe runs
	maxProbeBytes = 32 << 20
)

// probeImage loads this program as an image of one file, once for each version and engine.
func (e *Engine) probeImage(ctx context.Context) (string, error) {
	program, err := e.probe()
	if err != nil {
		return "", err
	}
	img := image.NewStatic("hsectl/probe", e.os, e.arch, program)
	return img.Reference, e.load(ctx, img)
}

// round is one look at all containers of a stack.
type round struct {
	engine *Engine
	stack  string
	beside verify.Look
	image  func() (string, error) // loads the image of probes when the first one is needed
	probes chan struct{}          // holds one value for each probe that runs
}

func (e *Engine) newRound(ctx context.Context, stack string) round {
	r := round{engine: e, stack: stack, beside: elsewhere, image: sync.OnceValues(func() (string, error) { return e.probeImage(ctx) }),
		probes: make(chan struct{}, probeParallel)}
	if e.beside != nil {
		r.beside = e.beside()
	}
	return r
}

func elsewhere(context.Context, int, string, verify.Request) (*verify.Dump, error) {
	return nil, verify.ErrElsewhere
}

// look sees a container from beside it, where this machine runs it, and otherwise by a probe in its pid namespace.
func (r round) look(ctx context.Context, c container.InspectResponse, ask verify.Request) (*verify.Dump, error) {
	if err := lookable(c); err != nil {
		return nil, err
	}
	p := probe{stack: r.stack, target: c.ID, user: c.Config.User, request: ask, network: container.NetworkMode("container:" + c.ID),
		unconfined: c.AppArmorProfile == "unconfined"}
	if c.HostConfig.NetworkMode.IsHost() {
		p.network = "none"
	}
	dump, err := r.beside(ctx, c.State.Pid, c.ID, ask)
	switch {
	case err == nil && !ask.Deep:
		return dump, nil
	case err != nil && !errors.Is(err, verify.ErrElsewhere):
		return nil, err
	}
	r.probes <- struct{}{}
	defer func() { <-r.probes }()
	if p.image, err = r.image(); err != nil {
		return nil, err
	}
	if dump == nil {
		r.engine.counted.Add(1)
		if dump, err = r.engine.probed(ctx, p); err != nil {
			return nil, err
		}
	}
	if ask.Deep {
		user, capabilities, ok := dump.FirstUser()
		if !ok {
			return nil, errors.New("the user of the container's first process could not be read")
		}
		p.user, p.capabilities = user, policy.CapabilityList(capabilities)
		dump.Attempts, err = r.engine.tryCopy(ctx, p, c.HostConfig)
	}
	return dump, err
}

// lookable says why nobody can look at a container, if so.
func lookable(c container.InspectResponse) error {
	switch {
	case !c.State.Running || c.State.Restarting:
		return fmt.Errorf("the container is %s", c.State.Status)
	case c.State.Paused:
		return errors.New("the container is paused")
	case c.HostConfig.PidMode.IsHost():
		return errors.New("the container shares the pid namespace of the host, where a probe is not let in")
	}
	return nil
}

// Probed is how many containers were looked at by a probe beside each, so far.
func (e *Engine) Probed() int { return int(e.counted.Load()) }

// probed runs a probe with the container's own user, because only that user may look through /proc/1/root; when PID 1
// turns out to have another user, or capabilities without which nobody may look, it is asked again with these.
func (e *Engine) probed(ctx context.Context, p probe) (*verify.Dump, error) {
	if !numericUser(p.user) {
		p.user = "65532:65532"
	}
	dump, err := e.runProbe(ctx, p)
	if err != nil {
		return nil, err
	}
	if actual, capabilities, ok := dump.FirstUser(); ok && (actual != p.user || capabilities != 0) {
		p.user, p.capabilities = actual, policy.CapabilityList(capabilities)
		return e.runProbe(ctx, p)
	}
	return dump, nil
}

func numericUser(user string) bool {
	uid, gid, ok := strings.Cut(user, ":")
	_, errU := strconv.Atoi(uid)
	_, errG := strconv.Atoi(gid)
	return ok && errU == nil && errG == nil
}

// probe is one look at a container.
type probe struct {
	image        string
	stack        string
	target       string // id of the container
	network      container.NetworkMode
	user         string
	capabilities []string // those of a target that runs as root; none otherwise
	unconfined   bool     // the target has no AppArmor profile
	request      verify.Request
}

// runProbe creates, starts and removes one probe, in its target's namespaces of processes and of the network. It gets no
// capability but those the target itself has (for a target that runs as root), a read-only root, and a view of the
// control groups that it cannot change.
func (e *Engine) runProbe(ctx context.Context, p probe) (*verify.Dump, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	request, err := json.Marshal(p.request)
	if err != nil {
		return nil, fmt.Errorf("asking the probe: %w", err)
	}
	security := []string{"no-new-privileges:true"}
	if p.unconfined { // the engine's profile lets a process look at others of that profile only
		security = append(security, "apparmor=unconfined")
	}
	pids := int64(64)
	out, err := e.throwAway(ctx, p.config(string(request)), &container.HostConfig{
		PidMode: container.PidMode("container:" + p.target), NetworkMode: p.network, CgroupnsMode: "host",
		CapDrop: []string{"ALL"}, CapAdd: p.capabilities, SecurityOpt: security, ReadonlyRootfs: true,
		LogConfig: container.LogConfig{Type: "json-file"},
		Resources: container.Resources{Memory: 256 << 20, PidsLimit: &pids},
		Mounts:    []mount.Mount{{Type: mount.TypeBind, Source: "/sys/fs/cgroup", Target: "/sys/fs/cgroup", ReadOnly: true}},
	}, nil)
	if err != nil {
		return nil, err
	}
	dump := &verify.Dump{}
	if err := json.Unmarshal([]byte(out), dump); err != nil {
		return nil, fmt.Errorf("reading what the probe saw: %w", err)
	}
	return dump, nil
}

// run starts a container, gives it what it reads, waits for its end, and returns what it wrote. Ending with anything but 0
// is an error, too.
func (e *Engine) run(ctx context.Context, id string, in []byte) (string, error) {
	attached, err := e.api.ContainerAttach(ctx, id, client.ContainerAttachOptions{Stream: true, Stdin: in != nil, Stdout: true, Stderr: true})
	if err != nil {
		return "", fmt.Errorf("attaching to a probe: %w", err)
	}
	defer attached.Close()
	wait := e.api.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionNextExit})
	if _, err := e.api.ContainerStart(ctx, id, client.ContainerStartOptions{}); err != nil {
		return "", fmt.Errorf("starting a probe: %w", err)
	}
	var stdout, stderr strings.Builder
	read := make(chan error, 1)
	go func() {
		_, err := stdcopy.StdCopy(&stdout, &stderr, io.LimitReader(attached.Reader, maxProbeBytes))
		read <- err
	}()
	if in != nil {
		if _, err := attached.Conn.Write(in); err != nil {
			return "", fmt.Errorf("telling a probe what to do: %w", err)
		}
		if err := attached.CloseWrite(); err != nil {
			return "", fmt.Errorf("telling a probe what to do: %w", err)
		}
	}
	select {
	case <-ctx.Done():
		return "", fmt.Errorf("waiting for a probe: %w", ctx.Err())
	case err := <-wait.Error:
		return "", fmt.Errorf("waiting for a probe: %w", err)
	case end := <-wait.Result:
		select {
		case err := <-read:
			if err != nil {
				return "", fmt.Errorf("reading from a probe: %w", err)
			}
		case <-ctx.Done():
			return "", fmt.Errorf("reading from a probe: %w", ctx.Err())
		}
		if end.StatusCode != 0 {
			return stdout.String(), fmt.Errorf("the probe ended with code %d: %s", end.StatusCode, strings.Join(lastLines(stderr.String(), 3), " / "))
		}
	}
	return stdout.String(), nil
}

// removeProbes removes what a killed run left behind: probes that have ended, that nobody started in time, or that are
// older than any may live.
func (e *Engine) removeProbes(ctx context.Context, project string) error {
	list, err := e.api.ContainerList(ctx, client.ContainerListOptions{All: true,
		Filters: make(client.Filters).Add("label", labelRole+"=probe", labelStack+"="+project)})
	if err != nil {
		return fmt.Errorf("listing probes: %w", err)
	}
	old := slices.DeleteFunc(list.Items, func(c container.Summary) bool {
		age := time.Since(time.Unix(c.Created, 0))
		return c.State != container.StateExited && age < 2*probeTimeout && (c.State != container.StateCreated || age < startTimeout)
	})
	for _, c := range old {
		if _, err := e.api.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true}); err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("removing a probe left behind: %w", err)
		}
	}
	return nil
}
