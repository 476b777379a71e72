package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"

	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/stack"
)

// deliverConfigs fills a new volume with configuration files that the service may read and nobody changes.
func (e *Engine) deliverConfigs(ctx context.Context, s *deploy.ConfigsStep, version int) error {
	ref, err := e.carrierImage(ctx)
	if err != nil {
		return err
	}
	_, err = e.api.VolumeCreate(ctx, client.VolumeCreateOptions{Name: s.Volume, Labels: map[string]string{
		labelRole: roleConfig, labelStack: s.Stack, labelService: s.Service, labelVersion: strconv.Itoa(version),
	}})
	if err != nil {
		return fmt.Errorf("creating volume %s: %w", s.Volume, err)
	}
	content, err := packConfigs(s.Files, s.Owner)
	if err != nil {
		return fmt.Errorf("packing the configuration of %s: %w", s.Service, err)
	}
	return e.carry(ctx, ref, map[string]string{carrierMount: s.Volume}, func(id string) error {
		_, err := e.api.CopyToContainer(ctx, id, client.CopyToContainerOptions{DestinationPath: carrierMount, Content: content})
		if err != nil {
			return fmt.Errorf("delivering the configuration of %s: %w", s.Service, err)
		}
		return e.own(ctx, id, carrierMount, s.Owner, 0o555)
	})
}

func packConfigs(files []stack.ConfigFile, owner stack.User) (*bytes.Buffer, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	made := map[string]bool{".": true}
	var parents func(dir string) error
	parents = func(dir string) error {
		if made[dir] {
			return nil
		}
		made[dir] = true
		if err := parents(path.Dir(dir)); err != nil {
			return err
		}
		return w.WriteHeader(&tar.Header{Name: dir + "/", Typeflag: tar.TypeDir, Mode: 0o555, Uid: owner.UID, Gid: owner.GID})
	}
	for _, f := range files {
		err := parents(path.Dir(f.Path))
		err = errors.Join(err, w.WriteHeader(&tar.Header{Name: f.Path, Mode: 0o444, Uid: owner.UID, Gid: owner.GID, Size: int64(len(f.Data))}))
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(f.Data); err != nil {
			return nil, err
		}
	}
	return &b, w.Close()
}

// Identities returns the id of the container of each service of a stack. Counters of the kernel are named by it.
func (e *Engine) Identities(ctx context.Context, project string) (map[string]string, error) {
	list, err := e.stackContainers(ctx, project)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, c := range list {
		out[c.Config.Labels[composeService]] = c.ID
	}
	return out, nil
}
