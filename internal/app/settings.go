package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/probe"
)

// Settings are what every use case may need to know: the profile, the engine, and the identity that decrypts secrets.
type Settings struct {
	File     Selection
	Host     string // the engine
	Context  string // Docker's, of the engine
	Stack    string // a name instead of the profile
	Identity string // file of an age identity, or the key itself
}

// Connect reaches the engine that is meant.
func (g *Settings) Connect(ctx context.Context) (*docker.Engine, error) {
	if g.Host != "" && g.Context != "" {
		return nil, &UsageError{errors.New("--host and --context exclude each other"), ""}
	}
	engine, err := docker.Connect(ctx, engine.Endpoint{Host: g.Host, Context: g.Context}, ProbeProgram)
	if err != nil {
		return nil, err
	}
	engine.MadeBy(host.Process())
	engine.LookLocally(probe.Local)
	engine.ReadLocally(host.Walk)
	return engine, nil
}

// ProbeProgram is what runs inside probes: this program, which must be one for Linux.
func ProbeProgram() ([]byte, error) {
	if path := os.Getenv("HSECTL_PROBE_PROGRAM"); path != "" {
		return probe.StaticProgram(path)
	}
	if runtime.GOOS != "linux" {
		return nil, &UsageError{fmt.Errorf("probes need hsectl for Linux, and this one is for %s", runtime.GOOS),
			"download hsectl for the engine's platform and set HSECTL_PROBE_PROGRAM to its path"}
	}
	return probe.Executable()
}

// StackName is the name of the stack that a verb is about.
func (g *Settings) StackName() (string, error) {
	if g.Stack != "" {
		return g.Stack, nil
	}
	l, err := Load(g.File)
	if usage, ok := errors.AsType[*UsageError](err); ok {
		usage.Hint += ", or name the stack with --stack"
	}
	return l.Stack.Name, err
}

// version is set by the linker in releases and images (-X), whose build does not see the repository.
var version string

// Version is that of the release; otherwise what the Go toolchain recorded: the module's version, or the revision for a build
// from source.
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
