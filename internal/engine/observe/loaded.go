package observe

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/edge"
	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

// maxPrinted bounds what a health test may print.
const maxPrinted = 4 << 10

// loaded says which configuration a container tells on its health test, if one is expected. What it has printed last may be
// older than what it has loaded since; then the very same test is run once more. Where another test does not tell it, it is unknown.
func (obs *Observer) loaded(ctx context.Context, c engine.Container, expected string) (out policy.Fact[string]) {
	if expected == "" || !c.State.Running || c.Config.Healthcheck == nil {
		return out
	}
	told := lastTold(c)
	if told == "" {
		return out
	}
	if told != expected {
		again, err := obs.testOnce(ctx, c)
		if err != nil {
			return policy.Unseen[string](err.Error())
		}
		told = edge.LoadedVersion(again)
	}
	if told == "" {
		return policy.Unseen[string]("its health test does not report it")
	}
	return policy.Seen(told, finding.Behaved)
}

// lastTold is what a container's health test has told last. A test that found no time told nothing, and the one before it did.
func lastTold(c engine.Container) string {
	if c.State.Health == nil {
		return ""
	}
	for _, test := range slices.Backward(c.State.Health.Log) {
		if told := edge.LoadedVersion(test.Output); told != "" {
			return told
		}
	}
	return ""
}

// testOnce runs a container's own health test and returns what it printed.
func (obs *Observer) testOnce(ctx context.Context, c engine.Container) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, obs.engine.Bounds.Prompt)
	defer cancel()
	test := c.Config.Healthcheck.Test
	if len(test) < 2 || test[0] != "CMD" {
		return "", nil
	}
	made, err := obs.engine.API.ExecCreate(ctx, c.ID, client.ExecCreateOptions{Cmd: test[1:], AttachStdout: true})
	if err != nil {
		return "", err
	}
	attached, err := obs.engine.API.ExecAttach(ctx, made.ID, client.ExecAttachOptions{})
	if err != nil {
		return "", err
	}
	defer attached.Close()
	defer context.AfterFunc(ctx, attached.Close)() // a test that never ends is not waited for
	var out bytes.Buffer
	_, err = stdcopy.StdCopy(&out, io.Discard, io.LimitReader(attached.Reader, maxPrinted))
	if ctx.Err() != nil {
		return "", fmt.Errorf("waiting for the health test: %w", ctx.Err())
	}
	return out.String(), err
}
