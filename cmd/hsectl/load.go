package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/composefile"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/image/lock"
	"github.com/hsectl/hsectl/internal/monitoring"
	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/profiles"
)

// maxProfileBytes bounds a profile: one of 1,000 services has about 1 MiB.
const maxProfileBytes = 4 << 20

// selection says which profile is meant: what -f, -e, --set and --profiles mean.
type selection struct {
	files       []string // the profile, and what is laid over it
	environment string
	set         []string
	profiles    []string // of Compose: which services with profiles: take part
}

// loaded is a profile that was read, and the stack it stands for.
type loaded struct {
	path    string
	data    []byte
	inputs  []generate.File // what the profile was merged with
	choices []string        // --env, --set and --profiles, as they were typed
	profile *profile.Profile
	project *composefile.Project // instead of a profile, where a Compose file may stand in for one
	stack   stack.Stack
	root    string // of the paths of its services in the profile: empty, or "monitoring."
	locked  lock.File
	bundled *bundled // what came with the profile in a bundle, or nothing
}

// reader returns the bytes of a file: of this machine, or of a commit.
type reader func(path string, limit int64) ([]byte, error)

func load(from selection) (loaded, error) { return loadFrom(from, host.ReadFile, time.Now()) }

// loadFrom reads a profile, and all it extends, from where read finds it. Exceptions that expired before today are refused.
func loadFrom(from selection, read reader, today time.Time) (loaded, error) {
	path := from.files[0]
	data, err := readProfile(read, path)
	if err != nil {
		return loaded{}, err
	}
	l := loaded{path: path, data: data, choices: from.choices()}
	options := profile.Options{
		File: path, Today: today, Library: profiles.Library{}, Environment: from.environment, Set: from.set,
		Variables: os.LookupEnv, CheckImage: image.Check,
		Load: func(name, from string) (profile.Document, error) { return l.extend(read, name, from) },
	}
	for _, file := range from.files[1:] {
		overlay, err := readProfile(read, file)
		if err != nil {
			return loaded{}, err
		}
		options.Overlays = append(options.Overlays, profile.Document{File: file, Data: overlay})
		l.inputs = append(l.inputs, generate.File{Path: filepath.ToSlash(file), Data: overlay})
	}
	if l.profile, err = profile.Parse(data, options); err != nil {
		return loaded{}, err
	}
	l.stack = stack.New(l.profile)
	return l, nil
}

// chosen returns what was loaded without the services whose profiles: are not chosen. What is about running containers is
// about the others only; what is about files is about all.
func (l loaded) chosen(names []string) (loaded, error) {
	p, err := l.profile.Choose(names)
	if err != nil {
		return l, &usageError{fmt.Errorf("choosing services of %s: %w", l.path, err), "choose with --profiles NAME,NAME"}
	}
	l.profile, l.stack = p, stack.New(p).Pinned(l.locked.Pins(l.root))
	return l, nil
}

// choices are the flags that change what the files say.
func (s selection) choices() []string {
	var out []string
	if s.environment != "" {
		out = append(out, "--env "+s.environment)
	}
	for _, assignment := range s.set {
		out = append(out, "--set "+assignment)
	}
	for _, name := range s.profiles {
		out = append(out, "--profiles "+name)
	}
	return out
}

// extend finds what a profile extends, and notes it among the inputs.
func (l *loaded) extend(read reader, name, from string) (profile.Document, error) {
	document, err := read.extend(name, from)
	if err == nil {
		l.inputs = append(l.inputs, generate.File{Path: filepath.ToSlash(document.File), Data: document.Data})
	}
	return document, err
}

func readProfile(read reader, path string) ([]byte, error) {
	data, err := read(path, maxProfileBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &usageError{fmt.Errorf("reading the profile: there is no file %s", path), "name the profile with -f, or start in its directory"}
	}
	if err != nil {
		return nil, &usageError{fmt.Errorf("reading the profile: %w", err), "name a profile file with -f"}
	}
	return data, nil
}

// extend finds what a profile extends: a plain word is a baseline of the library, everything else a file.
func (read reader) extend(name, from string) (profile.Document, error) {
	if !strings.ContainsAny(name, "./\\") {
		data, ok := profiles.Library{}.Extension(name)
		if !ok {
			return profile.Document{}, fmt.Errorf("there is no baseline of this name; there are %s", strings.Join(profiles.Library{}.Extensions(), ", "))
		}
		return profile.Document{File: "baselines/" + name + ".yaml", Data: data, Library: true}, nil
	}
	path := filepath.FromSlash(name)
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(from), path)
	}
	data, err := read(path, maxProfileBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return profile.Document{}, fmt.Errorf("there is no file %s", path)
	}
	return profile.Document{File: path, Data: data}, err
}

// dir is the directory that paths in the profile are relative to.
func (l loaded) dir() string { return filepath.Dir(l.path) }

// watching returns the monitoring stack of the profile, or false when it has none.
func (l loaded) watching() (loaded, bool, error) {
	if l.profile.Monitoring == nil {
		return loaded{}, false, nil
	}
	beside, err := monitoring.New(l.profile, l.stack)
	if err != nil {
		return loaded{}, false, err
	}
	l.stack, l.root = beside, "monitoring."
	l.stack = l.stack.Pinned(l.locked.Pins(l.root))
	return l, true, nil
}

// watchers returns the monitoring stack of a profile that must have one.
func (l loaded) watchers() (loaded, error) {
	beside, ok, err := l.watching()
	if err == nil && !ok {
		err = &usageError{fmt.Errorf("%s has no monitoring section", l.path), "add monitoring: {} to the profile; see docs/monitoring.md"}
	}
	return beside, err
}

// connect reaches the engine that the flags mean.
func (g *globals) connect(ctx context.Context) (*docker.Engine, error) {
	if g.host != "" && g.context != "" {
		return nil, &usageError{errors.New("--host and --context exclude each other"), ""}
	}
	engine, err := docker.Connect(ctx, docker.Endpoint{Host: g.host, Context: g.context}, probeProgram)
	if err != nil {
		return nil, err
	}
	engine.Beside(host.Beside)
	engine.Nearby(host.Walk)
	return engine, nil
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

// stackFlag lets a verb name the stack where the profile is not at hand.
func (g *globals) stackFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&g.stack, "stack", "", "name of the stack; no profile is read")
}

// stackName is the name of the stack that a verb is about.
func (g *globals) stackName() (string, error) {
	if g.stack != "" {
		return g.stack, nil
	}
	l, err := load(g.file)
	if usage, ok := errors.AsType[*usageError](err); ok {
		usage.hint += ", or name the stack with --stack"
	}
	return l.stack.Name, err
}
