package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/deploy"
)

// Apply implements deploy.Engine.
func (e *Engine) Apply(ctx context.Context, s deploy.Step, report func(deploy.Event)) error {
	switch s.Kind {
	case deploy.PullImage:
		report(deploy.Event{Subject: s.Subject, Text: "pulling"})
		return e.pull(ctx, s.Subject)
	case deploy.PrepareVolume:
		if err := e.prepareVolume(ctx, s.Volume); err != nil {
			return err
		}
		report(deploy.Event{Subject: s.Volume.Key, Text: fmt.Sprintf("volume prepared for %d:%d", s.Volume.Owner.UID, s.Volume.Owner.GID), Done: true})
		return nil
	case deploy.DeliverSecrets:
		if err := e.deliverSecrets(ctx, s.Secrets, versionOf(s.Secrets.Volume)); err != nil {
			return err
		}
		report(deploy.Event{Subject: s.Subject, Text: count(len(s.Secrets.Files), "secret") + " delivered", Done: true})
		return nil
	case deploy.DeliverConfigs:
		if err := e.deliverConfigs(ctx, s.Configs, versionOf(s.Configs.Volume)); err != nil {
			return err
		}
		report(deploy.Event{Subject: s.Subject, Text: count(len(s.Configs.Files), "configuration file") + " delivered", Done: true})
		return nil
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

func versionOf(volume string) int {
	n, err := strconv.Atoi(volume[strings.LastIndexByte(volume, '_')+1:])
	if err != nil {
		return 0
	}
	return n
}

// prepareVolume lets the engine copy the image's content into a new volume, as it would on a first start, and then
// hands the root directory to the user who writes there: the engine's copy would otherwise decide whose it is.
func (e *Engine) prepareVolume(ctx context.Context, v *deploy.VolumeStep) error {
	if v.Create {
		_, err := e.api.VolumeCreate(ctx, client.VolumeCreateOptions{Name: v.Name, Labels: map[string]string{
			composeProject: v.Stack, composeVolume: v.Key,
		}})
		if err != nil {
			return fmt.Errorf("creating volume %s: %w", v.Name, err)
		}
	}
	return e.carry(ctx, v.Image, map[string]string{v.Path: v.Name}, func(id string) error {
		return e.own(ctx, id, v.Path, v.Owner, v.Mode)
	})
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
