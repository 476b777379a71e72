package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/stack"
)

// maxSecretBytes bounds a secret that is read back for comparison.
const maxSecretBytes = 1 << 20

// deliverSecrets fills a new volume: files of mode 0400 that belong to the service's user, in a directory only that
// user may enter. Nothing is written on this machine, and no value is in an argument, a label or a variable.
func (e *Engine) deliverSecrets(ctx context.Context, s *deploy.SecretsStep, version int) error {
	ref, err := e.carrierImage(ctx)
	if err != nil {
		return err
	}
	_, err = e.api.VolumeCreate(ctx, client.VolumeCreateOptions{Name: s.Volume, Labels: map[string]string{
		labelRole: roleSecrets, labelStack: s.Stack, labelService: s.Service, labelVersion: strconv.Itoa(version),
	}})
	if err != nil {
		return fmt.Errorf("creating volume %s: %w", s.Volume, err)
	}
	mounts := map[string]string{carrierMount: s.Volume}
	for _, f := range s.Files {
		if f.From != "" {
			mounts["/kept/"+f.From] = f.From
		}
	}
	return e.carry(ctx, ref, mounts, func(id string) error {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, f := range s.Files {
			value, err := e.secretValue(ctx, id, f)
			if err != nil {
				return err
			}
			err = w.WriteHeader(&tar.Header{Name: f.Name, Mode: 0o400, Uid: s.Owner.UID, Gid: s.Owner.GID, Size: int64(len(value))})
			if err != nil {
				return fmt.Errorf("packing secret %s: %w", f.Name, err)
			}
			if _, err := w.Write(value); err != nil {
				return fmt.Errorf("packing secret %s: %w", f.Name, err)
			}
		}
		if err := w.Close(); err != nil {
			return err
		}
		_, err = e.api.CopyToContainer(ctx, id, client.CopyToContainerOptions{DestinationPath: carrierMount, Content: &b})
		if err != nil {
			return fmt.Errorf("delivering the secrets of %s: %w", s.Service, err)
		}
		return e.own(ctx, id, carrierMount, s.Owner, 0o500)
	})
}

// secretValue returns the value that is delivered: a new one, or the one that an earlier volume keeps.
func (e *Engine) secretValue(ctx context.Context, id string, f deploy.SecretFile) ([]byte, error) {
	if f.From == "" {
		return f.Value.Reveal(), nil
	}
	answer, err := e.api.CopyFromContainer(ctx, id, client.CopyFromContainerOptions{SourcePath: "/kept/" + f.From + "/" + f.Name})
	if err != nil {
		return nil, fmt.Errorf("keeping secret %s: %w", f.Name, err)
	}
	defer answer.Content.Close()
	r := tar.NewReader(answer.Content)
	if _, err := r.Next(); err != nil {
		return nil, fmt.Errorf("keeping secret %s: %w", f.Name, err)
	}
	value, err := io.ReadAll(io.LimitReader(r, maxSecretBytes))
	if err != nil {
		return nil, fmt.Errorf("keeping secret %s: %w", f.Name, err)
	}
	return value, nil
}

// What a volume of hsectl holds.
const (
	roleSecrets = "secrets"
	roleConfig  = "config"
)

// deliveredVolumes finds the newest volume of a role of every service of a stack, and adds the names of all to a set.
func (e *Engine) deliveredVolumes(ctx context.Context, role, stackName string, all map[string]bool) (map[string]deploy.SecretState, error) {
	volumes, err := e.api.VolumeList(ctx, client.VolumeListOptions{
		Filters: make(client.Filters).Add("label", labelRole+"="+role, labelStack+"="+stackName),
	})
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", role, err)
	}
	out := map[string]deploy.SecretState{}
	for _, v := range volumes.Items {
		all[v.Name] = true
		version, err := strconv.Atoi(v.Labels[labelVersion])
		service := v.Labels[labelService]
		if err != nil || service == "" || version <= out[service].Version {
			continue
		}
		out[service] = deploy.SecretState{Volume: v.Name, Version: version}
	}
	return out, nil
}

// readDelivered takes the digests of the files in the volume mounted at a path, in memory. A value never leaves this
// function.
func (e *Engine) readDelivered(ctx context.Context, id, at string, s *deploy.SecretState) error {
	s.Digests = map[string]string{}
	answer, err := e.api.CopyFromContainer(ctx, id, client.CopyFromContainerOptions{SourcePath: at + "/."})
	if err != nil {
		return fmt.Errorf("comparing what was delivered: %w", err)
	}
	defer answer.Content.Close()
	r := tar.NewReader(answer.Content)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("comparing what was delivered: %w", err)
		}
		if h.Typeflag == tar.TypeDir {
			s.Owner = stack.User{UID: h.Uid, GID: h.Gid}
			continue
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, io.LimitReader(r, maxSecretBytes)); err != nil {
			return fmt.Errorf("comparing what was delivered: %w", err)
		}
		s.Digests[strings.TrimPrefix(h.Name, "./")] = hex.EncodeToString(sum.Sum(nil))
	}
}
