package observe

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
	"sync/atomic"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/verify"
)

// Probes are containers that run this program to look at others, or to ask from their networks.
type Probes struct {
	engine   *engine.Connection
	program  func() ([]byte, error)   // the program that runs inside probes
	local    func() verify.Look       // looks at containers of this machine without a probe; nil where that is not possible
	counted  atomic.Int64             // containers that a probe has looked at
	layers   func() ([]string, error) // of the image of probes, made out when they are needed
	oneProbe bool                     // one probe looks at all containers of the engine's machine
}

// NewProbes returns the probes of an engine. Program returns the program that runs inside them: this one, for Linux.
func NewProbes(e *engine.Connection, program func() ([]byte, error)) *Probes {
	return &Probes{engine: e, program: program, layers: sync.OnceValues(func() ([]string, error) { return imageLayers(e, program) })}
}

// LookLocally lets the engine look at containers of this machine directly, where look can; it is called once for each round of
// looking. All other containers get a probe.
func (ps *Probes) LookLocally(look func() verify.Look) { ps.local = look }

func (p probe) config(request string) *container.Config {
	return &container.Config{
		Image: p.image, User: p.user, Cmd: []string{probeVerb, request}, Env: []string{"GOMEMLIMIT=64MiB", "GOMAXPROCS=1"},
		Labels: map[string]string{engine.LabelRole: "probe", engine.LabelStack: p.stack},
	}
}

// throwAway creates, runs and removes a container, and returns what it wrote. In is what it reads, if anything.
func (ps *Probes) throwAway(ctx context.Context, config *container.Config, host *container.HostConfig, in []byte) (out string, err error) {
	created, err := ps.engine.Create(ctx, client.ContainerCreateOptions{Config: config, HostConfig: host})
	if err != nil {
		return "", fmt.Errorf("creating a probe: %w", err)
	}
	defer func() { err = errors.Join(err, ps.engine.Discard(ctx, created.ID)) }()
	return ps.run(ctx, created.ID, in)
}

// tryCopy runs a probe with the very settings of a container, and lets it try what they allow. The copy has no network,
// no volume and no port: nothing that it does reaches the workload.
func (ps *Probes) tryCopy(ctx context.Context, p probe, h *container.HostConfig) ([]verify.Trial, error) {
	ctx, cancel := context.WithTimeout(ctx, engine.ProbeTimeout)
	defer cancel()
	off := false
	copied := &container.HostConfig{
		NetworkMode: "none", Privileged: h.Privileged, CapAdd: h.CapAdd, CapDrop: h.CapDrop, SecurityOpt: h.SecurityOpt,
		ReadonlyRootfs: h.ReadonlyRootfs, Tmpfs: h.Tmpfs, GroupAdd: h.GroupAdd, UsernsMode: h.UsernsMode, Runtime: h.Runtime,
		MaskedPaths: h.MaskedPaths, ReadonlyPaths: h.ReadonlyPaths, Init: &off, LogConfig: container.LogConfig{Type: "json-file"},
		Resources: container.Resources{Memory: 256 << 20, PidsLimit: h.PidsLimit, Ulimits: h.Ulimits},
	}
	out, err := ps.throwAway(ctx, p.config(`{"attempt":true}`), copied, nil)
	if err != nil {
		return nil, fmt.Errorf("trying on a copy: %w", err)
	}
	var dump verify.Dump
	if err := json.Unmarshal([]byte(out), &dump); err != nil {
		return nil, fmt.Errorf("reading what the copy tried: %w", err)
	}
	return dump.Attempts, nil
}

const (
	probeVerb     = "probe-container" // the hidden verb that a probe runs
	maxProbeBytes = 32 << 20
)

// image loads this program as an image of one file, once for each version and engine.
func (ps *Probes) image(ctx context.Context) (string, error) {
	program, err := ps.program()
	if err != nil {
		return "", err
	}
	img := image.NewStatic("hsectl/probe", ps.engine.OS, ps.engine.Arch, program)
	return img.Reference, ps.engine.LoadStatic(ctx, img)
}

// round is one look at all containers of a stack.
type round struct {
	probes *Probes
	stack  string
	local  verify.Look
	image  func() (string, error) // loads the image of probes when the first one is needed
	slots  chan struct{}          // holds one value for each probe that runs
}

func (ps *Probes) newRound(ctx context.Context, stack string) round {
	r := round{probes: ps, stack: stack, local: elsewhere, image: sync.OnceValues(func() (string, error) { return ps.image(ctx) }),
		slots: make(chan struct{}, probeParallel)}
	if ps.local != nil {
		r.local = ps.local()
	}
	return r
}

func elsewhere(context.Context, int, string, verify.Request) (*verify.Dump, error) {
	return nil, verify.ErrRemote
}

// look inspects a container from this machine, where it runs here, and otherwise by a probe in its pid namespace.
func (r round) look(ctx context.Context, c engine.Container, ask verify.Request) (*verify.Dump, error) {
	if err := lookable(c); err != nil {
		return nil, err
	}
	p := probe{stack: r.stack, target: c.ID, user: c.Config.User, request: ask, network: container.NetworkMode("container:" + c.ID),
		unconfined: c.AppArmorProfile == "unconfined"}
	if c.HostConfig.NetworkMode.IsHost() {
		p.network = "none"
	}
	dump, err := r.local(ctx, c.State.Pid, c.ID, ask)
	switch {
	case err == nil && !ask.Deep:
		return dump, nil
	case err != nil && !errors.Is(err, verify.ErrRemote):
		return nil, err
	}
	r.slots <- struct{}{}
	defer func() { <-r.slots }()
	if p.image, err = r.image(); err != nil {
		return nil, err
	}
	if dump == nil {
		r.probes.counted.Add(1)
		if dump, err = r.probes.probed(ctx, p); err != nil {
			return nil, err
		}
	}
	if ask.Deep {
		user, capabilities, ok := dump.FirstUser()
		if !ok {
			return nil, errors.New("the user of the container's first process could not be read")
		}
		p.user, p.capabilities = user, policy.CapabilityList(capabilities)
		dump.Attempts, err = r.probes.tryCopy(ctx, p, c.HostConfig)
	}
	return dump, err
}

// lookable says why a container cannot be inspected, if so.
func lookable(c engine.Container) error {
	switch {
	case !c.State.Running || c.State.Restarting:
		return fmt.Errorf("the container is %s", c.State.Status)
	case c.State.Paused:
		return errors.New("the container is paused")
	case c.HostConfig.PidMode.IsHost():
		return errors.New("the container shares the pid namespace of the host, which a probe cannot enter")
	}
	return nil
}

// Probed is how many containers were inspected by a probe of their own so far.
func (ps *Probes) Probed() int { return int(ps.counted.Load()) }

// probed runs a probe with the container's own user, because only that user may look through /proc/1/root; when PID 1
// turns out to have another user, or capabilities without which it cannot be inspected, it is asked again with these.
func (ps *Probes) probed(ctx context.Context, p probe) (*verify.Dump, error) {
	if !numericUser(p.user) {
		p.user = "65532:65532"
	}
	dump, err := ps.runProbe(ctx, p)
	if err != nil {
		return nil, err
	}
	if actual, capabilities, ok := dump.FirstUser(); ok && (actual != p.user || capabilities != 0) {
		p.user, p.capabilities = actual, policy.CapabilityList(capabilities)
		return ps.runProbe(ctx, p)
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

// made are the settings of a probe. It gets no capability but those the target itself has (for a target that runs as root), a
// read-only root, and a view of the control groups that it cannot change.
func (p probe) made() (*container.Config, *container.HostConfig, error) {
	request, err := json.Marshal(p.request)
	if err != nil {
		return nil, nil, fmt.Errorf("asking the probe: %w", err)
	}
	security := []string{"no-new-privileges:true"}
	if p.unconfined { // the engine's profile lets a process look at others of that profile only
		security = append(security, "apparmor=unconfined")
	}
	pids := int64(64)
	return p.config(string(request)), &container.HostConfig{
		PidMode: container.PidMode("container:" + p.target), NetworkMode: p.network, CgroupnsMode: "host",
		CapDrop: []string{"ALL"}, CapAdd: p.capabilities, SecurityOpt: security, ReadonlyRootfs: true,
		LogConfig: container.LogConfig{Type: "json-file"},
		Resources: container.Resources{Memory: 256 << 20, PidsLimit: &pids},
		Mounts:    []mount.Mount{{Type: mount.TypeBind, Source: "/sys/fs/cgroup", Target: "/sys/fs/cgroup", ReadOnly: true}},
	}, nil
}

// runProbe creates, starts and removes one probe, in its target's namespaces of processes and of the network.
func (ps *Probes) runProbe(ctx context.Context, p probe) (*verify.Dump, error) {
	ctx, cancel := context.WithTimeout(ctx, engine.ProbeTimeout)
	defer cancel()
	config, host, err := p.made()
	if err != nil {
		return nil, err
	}
	out, err := ps.throwAway(ctx, config, host, nil)
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
func (ps *Probes) run(ctx context.Context, id string, in []byte) (string, error) {
	var stdout strings.Builder
	err := ps.runTo(ctx, id, in, &stdout)
	return stdout.String(), err
}

// runTo does the same, and passes on what the container writes as it comes.
func (ps *Probes) runTo(ctx context.Context, id string, in []byte, stdout io.Writer) error {
	attached, err := ps.engine.API.ContainerAttach(ctx, id, client.ContainerAttachOptions{Stream: true, Stdin: in != nil, Stdout: true, Stderr: true})
	if err != nil {
		return fmt.Errorf("attaching to a probe: %w", err)
	}
	defer attached.Close()
	wait := ps.engine.API.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionNextExit})
	if _, err := ps.engine.API.ContainerStart(ctx, id, client.ContainerStartOptions{}); err != nil {
		return fmt.Errorf("starting a probe: %w", err)
	}
	var stderr strings.Builder
	read := make(chan error, 1)
	go func() {
		_, err := stdcopy.StdCopy(stdout, &stderr, io.LimitReader(attached.Reader, maxProbeBytes))
		read <- err
	}()
	if in != nil {
		if _, err := attached.Conn.Write(in); err != nil {
			return fmt.Errorf("telling a probe what to do: %w", err)
		}
		if err := attached.CloseWrite(); err != nil {
			return fmt.Errorf("telling a probe what to do: %w", err)
		}
	}
	select {
	case <-ctx.Done():
		return fmt.Errorf("waiting for a probe: %w", ctx.Err())
	case err := <-wait.Error:
		return fmt.Errorf("waiting for a probe: %w", err)
	case end := <-wait.Result:
		select {
		case err := <-read:
			if err != nil {
				return fmt.Errorf("reading from a probe: %w", err)
			}
		case <-ctx.Done():
			return fmt.Errorf("reading from a probe: %w", ctx.Err())
		}
		if end.StatusCode != 0 {
			return fmt.Errorf("the probe ended with code %d: %s", end.StatusCode, strings.Join(display.LastLines(stderr.String(), 3), " / "))
		}
	}
	return nil
}

// removeProbes removes what a killed run left behind: probes that have ended, that were not started in time, or that are
// older than any may live, by the engine's clock.
func (ps *Probes) removeProbes(ctx context.Context, project string, now time.Time) error {
	list, err := ps.engine.API.ContainerList(ctx, client.ContainerListOptions{All: true,
		Filters: make(client.Filters).Add("label", engine.LabelRole+"=probe", engine.LabelStack+"="+project)})
	if err != nil {
		return fmt.Errorf("listing probes: %w", err)
	}
	old := slices.DeleteFunc(list.Items, func(c container.Summary) bool {
		age := now.Sub(time.Unix(c.Created, 0))
		return c.State != container.StateExited && age < 2*engine.ProbeTimeout && (c.State != container.StateCreated || age < engine.ProbeStart)
	})
	for _, c := range old {
		if _, err := ps.engine.API.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true}); err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("removing a probe left behind: %w", err)
		}
	}
	return nil
}
