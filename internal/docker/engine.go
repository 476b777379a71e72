// Package docker is the only speaker to an engine: it implements what image, deploy and verify ask of one, through
// the moby client, the Compose SDK and BuildKit's client. It makes no decision that a plan or a profile could make.
package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/docker/cli/cli/command"
	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/flags"
	"github.com/docker/go-connections/tlsconfig"
	"github.com/moby/moby/client"
	"github.com/moby/moby/client/pkg/versions"
	"github.com/sirupsen/logrus"

	"github.com/hsectl/hsectl/internal/verify"
)

// MinAPI is the oldest API that hsectl speaks: that of Docker 19.03.
const MinAPI = "1.40"

// pingTimeout bounds how long an engine may take to answer at all.
const pingTimeout = 15 * time.Second

// Engine is a connection to one engine.
type Engine struct {
	api     client.APIClient
	cli     *command.DockerCli
	os      string
	arch    string
	version string

	handsOver bool                   // its kernel lets one listener hand over connections to another
	probe     func() ([]byte, error) // the program that runs inside probes
	beside    func() verify.Look     // looks at containers of this machine without a probe; nil when nobody can
	counted   atomic.Int64           // containers that a probe has looked at
	survey    bool                   // one probe looks at all containers of the engine's machine
	walk      Walk                   // reads directories of this machine; nil when nobody can
	clock     clock
	held      *Lock // the lock under which this connection works; nil when it only reads
}

// Endpoint says which engine is meant. Empty values mean Docker's own rules: DOCKER_HOST, then the current context.
type Endpoint struct {
	Host    string
	Context string
}

// UnreachableError is an engine that does not answer.
type UnreachableError struct{ Err error }

// Error implements error.
func (e *UnreachableError) Error() string { return "reaching the engine: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *UnreachableError) Unwrap() error { return e.Err }

// TooOldError is an engine whose API is older than MinAPI.
type TooOldError struct{ API string }

// Error implements error.
func (e *TooOldError) Error() string {
	return fmt.Sprintf("the engine speaks API %s; hsectl needs %s or newer", e.API, MinAPI)
}

// Connect reaches the engine. Program returns the program that runs inside probes: this one, for Linux.
func Connect(ctx context.Context, at Endpoint, program func() ([]byte, error)) (*Engine, error) {
	// The libraries below log to a global logger; what matters is reported as errors and events.
	logrus.SetOutput(io.Discard)
	options := flags.NewClientOptions()
	if os.Getenv(client.EnvTLSVerify) != "" { // Docker's own command reads it with its flags
		dir := cmp.Or(os.Getenv(client.EnvOverrideCertPath), config.Dir())
		options.TLS, options.TLSVerify = true, true
		options.TLSOptions = &tlsconfig.Options{CAFile: filepath.Join(dir, flags.DefaultCaFile),
			CertFile: filepath.Join(dir, flags.DefaultCertFile), KeyFile: filepath.Join(dir, flags.DefaultKeyFile)}
	}
	options.Context = at.Context
	if at.Host != "" {
		options.Hosts = []string{at.Host}
	}
	file := config.LoadDefaultConfigFile(io.Discard)
	api, err := command.NewAPIClientFromFlags(options, file)
	if err != nil {
		return nil, &UnreachableError{err}
	}
	e := &Engine{api: api, probe: program}
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	ping, err := api.Ping(ctx, client.PingOptions{})
	if err != nil {
		return nil, errors.Join(&UnreachableError{err}, api.Close())
	}
	if ping.APIVersion != "" && versions.LessThan(ping.APIVersion, MinAPI) { // negotiating with it would only fail
		return nil, errors.Join(&TooOldError{ping.APIVersion}, api.Close())
	}
	if _, err := api.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true}); err != nil {
		return nil, errors.Join(&UnreachableError{err}, api.Close())
	}
	v, err := api.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return nil, errors.Join(&UnreachableError{err}, api.Close())
	}
	e.os, e.arch, e.version = v.Os, v.Arch, v.Version
	for _, c := range v.Components {
		if c.Name == "Engine" {
			e.handsOver = !versions.LessThan(strings.SplitN(c.Details["KernelVersion"]+"-", "-", 2)[0], "5.14")
		}
	}
	e.cli, err = command.NewDockerCli(command.WithAPIClient(api), command.WithCombinedStreams(io.Discard))
	if err == nil {
		err = e.cli.Initialize(options)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("preparing the Compose SDK: %w", err), api.Close())
	}
	return e, nil
}

// NoEngine is for what needs none: a BuildKit of its own that pushes what it builds. Nothing else may be asked of it.
func NoEngine(program func() ([]byte, error)) (*Engine, error) {
	logrus.SetOutput(io.Discard)
	cli, err := command.NewDockerCli(command.WithCombinedStreams(io.Discard))
	if err != nil {
		return nil, fmt.Errorf("reading Docker's configuration: %w", err)
	}
	return &Engine{cli: cli, probe: program}, nil
}

// Beside lets the engine look at containers of this machine directly, where look can; it is called once for each round of
// looking. All other containers get a probe beside them.
func (e *Engine) Beside(look func() verify.Look) { e.beside = look }

// Close ends the connection.
func (e *Engine) Close() error {
	if e.api == nil {
		return nil
	}
	return e.api.Close()
}

// Version returns the engine's version and the API that is spoken with it.
func (e *Engine) Version() string {
	return fmt.Sprintf("%s (API %s)", e.version, e.api.ClientVersion())
}

// Labels that mark what hsectl makes on an engine.
const (
	labelRole    = "dev.hsectl.role" // probe, carrier, secrets
	labelStack   = "dev.hsectl.stack"
	labelService = "dev.hsectl.service"
	labelVersion = "dev.hsectl.version"
)

// Labels of Compose, so that its own tools see hsectl's containers and volumes as theirs.
const (
	composeProject = "com.docker.compose.project"
	composeService = "com.docker.compose.service"
	composeVolume  = "com.docker.compose.volume"
	composeOneoff  = "com.docker.compose.oneoff"
)

// lastLines returns the last n lines of text from inside a container, without what could move a terminal's cursor.
func lastLines(text string, n int) []string {
	var out []string
	for line := range strings.Lines(text) {
		clean := clean(line)
		if clean != "" {
			out = append(out, clean)
		}
	}
	return out[max(0, len(out)-n):]
}
