package observe

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/verify"
)

// surveyVerb is the hidden verb of a survey.
const surveyVerb = "probe-machine"

// OneProbe lets one probe on the engine's machine inspect all containers, as this program does on its own
// machine. It sees every process there and has the rights that entering a container takes, so it is only for those who ask
// for it. Containers that it may not enter get a probe of their own, and so do all of an engine without root.
func (ps *Probes) OneProbe() { ps.oneProbe = true }

// surveyRights are what entering containers takes: their namespaces of the network, their root directories and users, and a
// look at processes of other users. Nothing of it is kept when a look tries something: that has the rights of the container.
func surveyRights() []string {
	return []string{"SYS_PTRACE", "SYS_ADMIN", "SYS_CHROOT", "SETUID", "SETGID", "DAC_READ_SEARCH"}
}

// surveyed looks at all containers at once, and answers for each what was seen of it.
func (ps *Probes) surveyed(ctx context.Context, stack string, list []engine.Container, ask []verify.Request) (verify.Look, error) {
	var subjects []verify.Subject
	for i, c := range list {
		if lookable(c) == nil {
			subjects = append(subjects, verify.Subject{PID: c.State.Pid, ID: c.ID, Ask: ask[i]})
		}
	}
	if len(subjects) == 0 {
		return elsewhere, nil
	}
	ref, err := ps.image(ctx)
	if err != nil {
		return nil, err
	}
	in, err := json.Marshal(subjects)
	if err != nil {
		return nil, fmt.Errorf("asking the survey: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, engine.ProbeTimeout)
	defer cancel()
	config := probe{image: ref, stack: stack, user: "0:0"}.config("")
	config.Cmd, config.Env, config.OpenStdin, config.StdinOnce = []string{surveyVerb}, nil, true, true
	pids := int64(512) // threads: each look enters its container with one of its own
	out, err := ps.throwAway(ctx, config, &container.HostConfig{
		PidMode: "host", NetworkMode: "none", CgroupnsMode: "host", UsernsMode: "host",
		CapDrop: []string{"ALL"}, CapAdd: surveyRights(), SecurityOpt: []string{"no-new-privileges:true"}, ReadonlyRootfs: true,
		LogConfig: container.LogConfig{Type: "json-file"}, Resources: container.Resources{Memory: 512 << 20, PidsLimit: &pids},
		Mounts: []mount.Mount{{Type: mount.TypeBind, Source: "/sys/fs/cgroup", Target: "/sys/fs/cgroup", ReadOnly: true}},
	}, in)
	if err != nil {
		return nil, fmt.Errorf("looking by one probe: %w", err)
	}
	seen := map[string]*verify.Dump{}
	decode := json.NewDecoder(bytes.NewReader([]byte(out)))
	for decode.More() {
		var s verify.Subject
		if err := decode.Decode(&s); err != nil {
			return nil, fmt.Errorf("reading what the survey saw: %w", err)
		}
		seen[s.ID] = s.Dump
	}
	return func(_ context.Context, _ int, id string, _ verify.Request) (*verify.Dump, error) {
		if d := seen[id]; d != nil {
			return d, nil
		}
		return nil, verify.ErrRemote
	}, nil
}
