package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/monitoring"
	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/profiles"
)

// maxProfileBytes bounds a profile: one of 1,000 services has about 1 MiB.
const maxProfileBytes = 4 << 20

// loaded is a profile that was read, and the stack it stands for.
type loaded struct {
	path    string
	data    []byte
	profile *profile.Profile
	stack   stack.Stack
	root    string // of the paths of its services in the profile: empty, or "monitoring."
}

func load(path string) (loaded, error) {
	data, err := host.ReadFile(path, maxProfileBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return loaded{}, &usageError{fmt.Errorf("reading the profile: there is no file %s", path), "name the profile with -f, or start in its directory"}
	}
	if err != nil {
		return loaded{}, &usageError{fmt.Errorf("reading the profile: %w", err), "name a profile file with -f"}
	}
	p, err := profile.Parse(data, profile.Options{File: path, Today: time.Now(), Library: profiles.Library{}, CheckImage: image.Check})
	if err != nil {
		return loaded{}, err
	}
	return loaded{path: path, data: data, profile: p, stack: stack.New(p)}, nil
}

// dir is the directory that paths in the profile are relative to.
func (l loaded) dir() string { return filepath.Dir(l.path) }

// watching returns the monitoring stack of the profile, or false when it has none. Ids names the containers that are
// watched, by service; it may be nil.
func (l loaded) watching(ids map[string]string) (loaded, bool, error) {
	if l.profile.Monitoring == nil {
		return loaded{}, false, nil
	}
	beside, err := monitoring.New(l.profile, l.stack, ids)
	if err != nil {
		return loaded{}, false, err
	}
	l.stack, l.root = beside, "monitoring."
	return l, true, nil
}

// connect reaches the engine that the flags mean.
func (g *globals) connect(ctx context.Context) (*docker.Engine, error) {
	if g.host != "" && g.context != "" {
		return nil, &usageError{errors.New("--host and --context exclude each other"), ""}
	}
	return docker.Connect(ctx, docker.Endpoint{Host: g.host, Context: g.context}, probeProgram)
}

// probeProgram is what runs inside probes: this program, which must be one for Linux.
func probeProgram() ([]byte, error) {
	if path := os.Getenv("HSECTL_PROBE_PROGRAM"); path != "" {
		return host.StaticProgram(path)
	}
	if runtime.GOOS != "linux" {
		return nil, &usageError{fmt.Errorf("probes need hsectl for Linux, and this one is for %s", runtime.GOOS),
			"download hsectl for the engine's platform and set HSECTL_PROBE_PROGRAM to its path"}
	}
	return host.Executable()
}
