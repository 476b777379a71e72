// Package engine is the connection to an engine: how one is reached, how long it may take to answer, and the questions that
// every room below it asks. The rooms are records (what is written down), converge (what is changed), observe (what is
// seen), buildkit (builds), images, volumes and tasks; each is a struct over the connection.
package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/cli/cli/command"
	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/flags"
	"github.com/docker/go-connections/tlsconfig"
	"github.com/moby/moby/client"
	"github.com/moby/moby/client/pkg/versions"
	"github.com/sirupsen/logrus"
)

// MinAPI is the oldest API that hsectl speaks: that of Docker 19.03.
const MinAPI = "1.40"

// Connection is a connection to one engine.
type Connection struct {
	API       client.APIClient
	CLI       *command.DockerCli // contexts and credentials, for the Compose SDK, too
	OS        string
	Arch      string
	Bounds    Bounds
	HandsOver bool // its kernel lets one listener hand over connections to another

	version string
}

// Endpoint says which engine is meant. Empty values mean Docker's own rules: DOCKER_HOST, then the current context.
type Endpoint struct {
	Host    string
	Context string
	Bounds  Bounds // what is not said is as usual
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

// Connect reaches the engine.
func Connect(ctx context.Context, at Endpoint) (*Connection, error) {
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
	e := &Connection{Bounds: at.Bounds.orDefault()}
	if err := e.open(ctx, options); err != nil {
		return nil, err
	}
	api := e.API
	ctx, cancel := context.WithTimeout(ctx, e.Bounds.Prompt)
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
	e.OS, e.Arch, e.version = v.Os, v.Arch, v.Version
	for _, c := range v.Components {
		if c.Name == "Engine" {
			e.HandsOver = !versions.LessThan(strings.SplitN(c.Details["KernelVersion"]+"-", "-", 2)[0], "5.14")
		}
	}
	return e, nil
}

// open makes the only client that there is for an engine, which keeps the bounds. The Compose SDK and builds use it, too.
func (e *Connection) open(ctx context.Context, options *flags.ClientOptions) error {
	// What is wrong with the endpoint is found first: the CLI would end the program for it.
	tried, err := command.NewAPIClientFromFlags(options, config.LoadDefaultConfigFile(io.Discard))
	if err != nil {
		return &UnreachableError{err}
	}
	if err := tried.Close(); err != nil {
		return &UnreachableError{err}
	}
	e.CLI, err = command.NewDockerCli(command.WithBaseContext(ctx), command.WithCombinedStreams(io.Discard), command.WithAPIClientOptions(e.Bounds.options()...))
	if err == nil {
		err = e.CLI.Initialize(options)
	}
	if err != nil {
		return fmt.Errorf("preparing the Compose SDK: %w", err)
	}
	e.API = bounded{e.CLI.Client(), e.Bounds}
	return command.WithAPIClient(e.API)(e.CLI)
}

// Through returns Docker's command line as it speaks with this engine, but with requests that go through a transport.
func (e *Connection) Through(transport http.RoundTripper) (command.Cli, error) {
	api, err := client.New(client.WithHost(e.API.DaemonHost()), client.WithHTTPClient(&http.Client{Transport: transport}), client.WithAPIVersion(e.API.ClientVersion()))
	if err != nil {
		return nil, fmt.Errorf("preparing the Compose SDK: %w", err)
	}
	return redirected{e.CLI, api}, nil
}

// redirected is Docker's command line with another client.
type redirected struct {
	command.Cli
	api client.APIClient
}

// Client implements command.Cli.
func (r redirected) Client() client.APIClient { return r.api }

// NoEngine is for what needs none: a BuildKit of its own that pushes what it builds. Nothing else may be asked of it.
func NoEngine() (*Connection, error) {
	logrus.SetOutput(io.Discard)
	cli, err := command.NewDockerCli(command.WithCombinedStreams(io.Discard))
	if err != nil {
		return nil, fmt.Errorf("reading Docker's configuration: %w", err)
	}
	return &Connection{CLI: cli, Bounds: Bounds{}.orDefault()}, nil
}

// Close ends the connection.
func (e *Connection) Close() error {
	if e.API == nil {
		return nil
	}
	return e.API.Close()
}

// Version returns the engine's version and the API that is spoken with it.
func (e *Connection) Version() string {
	return fmt.Sprintf("%s (API %s)", e.version, e.API.ClientVersion())
}
