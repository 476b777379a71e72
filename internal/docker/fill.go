package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/hsectl/hsectl/internal/deploy"
)

// fillParallel bounds the carriers that work at once.
const fillParallel = 4

// givenAt is where a carrier has the volumes of secrets that are passed on.
const givenAt = "/given"

// fill prepares volumes, those of one image through one carrier, and meanwhile delivers all secrets and configuration files
// through one more, in one piece: each carrier, and each time that it gets something, costs the engine a process.
func (e *Engine) fill(ctx context.Context, steps []deploy.Step, report func(deploy.Event)) error {
	working, worked := errgroup.WithContext(ctx)
	working.SetLimit(fillParallel)
	var volumes []*deploy.VolumeStep
	var deliveries []deploy.Step
	for _, s := range steps {
		if s.Kind == deploy.PrepareVolume {
			volumes = append(volumes, s.Volume)
		} else {
			deliveries = append(deliveries, s)
		}
	}
	for _, together := range carried(volumes) {
		working.Go(func() error {
			if err := e.prepareVolumes(worked, together); err != nil {
				return err
			}
			for _, v := range together {
				report(deploy.Event{Subject: v.Key, Text: fmt.Sprintf("volume prepared for %d:%d", v.Owner.UID, v.Owner.GID), Done: true})
			}
			return nil
		})
	}
	if len(deliveries) > 0 {
		working.Go(func() error { return e.deliver(worked, deliveries, report) })
	}
	return working.Wait()
}

// carried groups volumes that one carrier can have: of one image, whose content goes into them, and each at another path.
func carried(volumes []*deploy.VolumeStep) [][]*deploy.VolumeStep {
	var out [][]*deploy.VolumeStep
	for _, v := range volumes {
		i := slices.IndexFunc(out, func(group []*deploy.VolumeStep) bool {
			return group[0].Image == v.Image && !slices.ContainsFunc(group, func(other *deploy.VolumeStep) bool { return other.Path == v.Path })
		})
		if i < 0 {
			i, out = len(out), append(out, nil)
		}
		out[i] = append(out[i], v)
	}
	return out
}

// prepareVolumes lets the engine copy the image's content into new volumes, as it would on a first start, and then
// hands their root directories to the users who write there: the engine's copy would otherwise decide whose they are.
func (e *Engine) prepareVolumes(ctx context.Context, volumes []*deploy.VolumeStep) error {
	mounts := map[string]string{}
	for _, v := range volumes {
		mounts[v.Path] = v.Name
		if !v.Create {
			continue
		}
		_, err := e.api.VolumeCreate(ctx, client.VolumeCreateOptions{Name: v.Name, Labels: map[string]string{
			composeProject: v.Stack, composeVolume: v.Key,
		}})
		if err != nil {
			return fmt.Errorf("creating volume %s: %w", v.Name, err)
		}
	}
	return e.carryAs(ctx, volumes[0].Image, mounts, func(id string) error { return e.own(ctx, id, volumes) })
}

// deliver fills new volumes with secrets and configuration files. Nothing is written on this machine, and no value is in
// an argument, a label or a variable.
func (e *Engine) deliver(ctx context.Context, steps []deploy.Step, report func(deploy.Event)) error {
	mounts := map[string]string{}
	for _, s := range steps {
		role, volume, in, service := roleSecrets, "", "", ""
		if s.Kind == deploy.DeliverSecrets {
			volume, in, service = s.Secrets.Volume, s.Secrets.Stack, s.Secrets.Service
			for _, f := range s.Secrets.Files {
				if f.From != "" {
					mounts[path.Join(givenAt, f.From)] = f.From
				}
			}
		} else {
			role, volume, in, service = roleConfig, s.Configs.Volume, s.Configs.Stack, s.Configs.Service
		}
		_, err := e.api.VolumeCreate(ctx, client.VolumeCreateOptions{Name: volume, Labels: map[string]string{
			labelRole: role, labelStack: in, labelService: service, labelVersion: strconv.Itoa(versionOf(volume)),
		}})
		if err != nil {
			return fmt.Errorf("creating volume %s: %w", volume, err)
		}
		mounts[path.Join(carrierMount, volume)] = volume
	}
	err := e.carry(ctx, mounts, func(id string) error { return e.pack(ctx, id, steps) })
	if err != nil {
		return fmt.Errorf("delivering: %w", err)
	}
	for _, s := range steps {
		text := ""
		if s.Kind == deploy.DeliverSecrets {
			text = count(len(s.Secrets.Files), "secret")
		} else {
			text = count(len(s.Configs.Files), "configuration file")
		}
		report(deploy.Event{Subject: s.Subject, Text: text + " delivered", Done: true})
	}
	return nil
}

// pack sends everything that is delivered to the volumes of a carrier, owners and modes with it.
func (e *Engine) pack(ctx context.Context, id string, steps []deploy.Step) error {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, s := range steps {
		var err error
		if s.Kind == deploy.DeliverSecrets {
			err = e.packSecrets(ctx, w, id, path.Join(carrierMount[1:], s.Secrets.Volume), s.Secrets)
		} else {
			err = packConfigs(w, path.Join(carrierMount[1:], s.Configs.Volume), s.Configs.Owner, s.Configs.Files)
		}
		if err != nil {
			return fmt.Errorf("packing for %s: %w", s.Subject, err)
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	_, err := e.api.CopyToContainer(ctx, id, client.CopyToContainerOptions{DestinationPath: "/", Content: &b})
	return err
}

func versionOf(volume string) int {
	n, err := strconv.Atoi(volume[strings.LastIndexByte(volume, '_')+1:])
	if err != nil {
		return 0
	}
	return n
}
