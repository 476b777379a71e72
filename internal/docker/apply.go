package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/deploy"
)

// Apply implements deploy.Engine.
func (e *Engine) Apply(ctx context.Context, steps []deploy.Step, report func(deploy.Event)) error {
	var fill []deploy.Step
	for _, s := range steps {
		if s.Kind.Fills() {
			fill = append(fill, s)
		} else if err := e.apply(ctx, s, report); err != nil {
			return err
		}
	}
	return e.fill(ctx, fill, report)
}

func (e *Engine) apply(ctx context.Context, s deploy.Step, report func(deploy.Event)) error {
	switch s.Kind {
	case deploy.PullImage:
		report(deploy.Event{Subject: s.Subject, Text: "pulling"})
		return e.pull(ctx, s.Subject)
	case deploy.Load:
		return e.loadLive(ctx, s.Subject, s.Load, report)
	case deploy.Converge:
		return e.converge(ctx, s.Subject, s.Compose, report)
	case deploy.Roll:
		return e.roll(ctx, s.Subject, s.Roll, report)
	case deploy.RunJob:
		return e.runJob(ctx, s.Compose.Stack, s.Subject, s.Compose, report)
	case deploy.TagImage:
		if _, err := e.api.ImageTag(ctx, client.ImageTagOptions{Source: s.Tag.ID, Target: s.Tag.Reference}); err != nil {
			return fmt.Errorf("naming image %s: %w", s.Tag.Reference, err)
		}
		return nil
	case deploy.Settle:
		return e.settleDown(ctx, s.Subject, s.Settle)
	case deploy.StopStack:
		return e.stopStack(ctx, s.Subject)
	}
	return fmt.Errorf("unknown step %q", s.Kind)
}

// pull brings an image from its registry, with the credentials that Docker's own configuration has for it.
func (e *Engine) pull(ctx context.Context, ref string) error {
	auth, err := e.registryAuth(ref)
	if err != nil {
		return err
	}
	answer, err := e.api.ImagePull(ctx, ref, client.ImagePullOptions{RegistryAuth: auth})
	if err != nil {
		return fmt.Errorf("pulling image %s: %w", ref, err)
	}
	defer answer.Close()
	decoder := json.NewDecoder(answer)
	for {
		var line struct {
			Error string `json:"error"`
		}
		if err := decoder.Decode(&line); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("pulling image %s: %w", ref, err)
		}
		if line.Error != "" {
			return fmt.Errorf("pulling image %s: %s", ref, clean(line.Error))
		}
	}
}

func (e *Engine) registryAuth(ref string) (string, error) {
	key := "https://index.docker.io/v1/"
	if first, _, ok := strings.Cut(ref, "/"); ok && strings.ContainsAny(first, ".:") {
		key = first
	}
	auth, err := e.cli.ConfigFile().GetAuthConfig(key)
	if err != nil {
		return "", fmt.Errorf("reading the credentials for %s: %w", key, err)
	}
	return authconfig.Encode(registryAuthConfig(auth))
}

func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
