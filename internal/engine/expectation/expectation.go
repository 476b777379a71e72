// Package expectation reads what Compose asks an engine for: Compose itself creates a stack on an engine that only writes
// requests down. So what a container should be is never described by hand, and follows whatever Compose does.
package expectation

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	composeapi "github.com/docker/compose/v5/pkg/api"
	"github.com/docker/compose/v5/pkg/compose"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/drift"
	"github.com/hsectl/hsectl/internal/engine"
)

// bound is how long Compose may take to say what it wants. It waits for nothing but a few answers of the engine.
const bound = 30 * time.Second

// Source is a Compose file with what it is read with.
type Source struct {
	File        []byte
	Environment map[string]string
	Dir         string // where files that it names are; empty is the root, as deploy has it
}

// Project returns a file as Compose brings it up. Whoever gives a project to Compose takes it from here, so that what is
// expected and what is done cannot differ.
func Project(ctx context.Context, from Source) (*types.Project, error) {
	p, err := generate.LoadIn(ctx, cmp.Or(from.Dir, "/"), from.File, from.Environment)
	if err != nil {
		return nil, err
	}
	for name, service := range p.Services {
		service.CustomLabels = map[string]string{
			composeapi.ProjectLabel: p.Name, composeapi.ServiceLabel: name, composeapi.VersionLabel: composeapi.ComposeVersion,
			composeapi.WorkingDirLabel: "/", composeapi.ConfigFilesLabel: generate.ComposeFile, composeapi.OneoffLabel: "False",
		}
		p.Services[name] = service
	}
	return p, nil
}

// Read returns what Compose asks an engine for to create the stack of a file. It asks the engine only what images, networks
// and volumes of others are; nothing is changed. A request that it does not know is an error: what is not understood is not
// expected.
func Read(ctx context.Context, e *engine.Connection, from Source) (drift.Requests, error) {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	p, err := Project(ctx, from)
	if err != nil {
		return drift.Requests{}, err
	}
	for name, service := range p.Services {
		service.SetScale(1) // the others differ by their number only
		p.Services[name] = service
	}
	r := newRecorder(e, p)
	cli, err := e.Through(r)
	if err != nil {
		return drift.Requests{}, err
	}
	defer func() { _ = cli.Client().Close() }() // it has no connection of its own
	sdk, err := compose.NewComposeService(cli, compose.WithStreams(io.Discard, io.Discard, strings.NewReader("")),
		compose.WithPrompt(func(string, bool) (bool, error) { return false, nil }))
	if err != nil {
		return drift.Requests{}, fmt.Errorf("preparing the Compose SDK: %w", err)
	}
	err = sdk.Create(ctx, p, composeapi.CreateOptions{IgnoreOrphans: true})
	if refused := r.refusal(); refused != nil {
		err = refused
	}
	if err != nil {
		return drift.Requests{}, fmt.Errorf("asking Compose what it wants of the engine: %w", err)
	}
	out := r.requests()
	for name := range p.Services {
		if _, ok := out.Containers[name]; !ok {
			return drift.Requests{}, fmt.Errorf("asking Compose what it wants of the engine: %w", &MissingError{name})
		}
	}
	for key, v := range p.Volumes {
		if bool(v.External) && generate.Versioned(key) { // which hsectl makes before Compose begins, as any volume of the engine's own
			if out.Volumes[v.Name], err = json.Marshal(map[string]string{"Name": v.Name}); err != nil {
				return drift.Requests{}, fmt.Errorf("asking Compose what it wants of the engine: %w", err)
			}
		}
	}
	return out, nil
}

// MissingError is a service for which Compose asked for no container.
type MissingError struct{ Service string }

// Error implements error.
func (e *MissingError) Error() string { return "no container for service " + e.Service }

// RefusedError is a request that the recorder does not know.
type RefusedError struct{ Method, Path string }

// Error implements error.
func (e *RefusedError) Error() string { return "unknown request " + e.Method + " " + e.Path }

var errNoBody = errors.New("the request has no body")

func body(req *http.Request) (json.RawMessage, error) {
	if req.Body == nil {
		return nil, errNoBody
	}
	defer req.Body.Close()
	data, err := io.ReadAll(io.LimitReader(req.Body, maxRequest))
	if err != nil {
		return nil, fmt.Errorf("reading a request: %w", err)
	}
	return data, nil
}
