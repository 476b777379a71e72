package converge

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/records"
	"github.com/hsectl/hsectl/internal/engine/volumes"
	"github.com/hsectl/hsectl/internal/stack"
)

// delivery fills volumes with what services read.
type delivery struct {
	engine  *engine.Connection
	volumes *volumes.Archive
}

// packConfigs packs configuration files into a directory: their owner may read them, and no user may change them.
func packConfigs(w *tar.Writer, dir string, owner stack.User, files []stack.ConfigFile) error {
	owner = deploy.FileOwner(owner)
	made := map[string]bool{".": true}
	var parents func(below string) error
	parents = func(below string) error {
		if made[below] {
			return nil
		}
		made[below] = true
		if err := parents(path.Dir(below)); err != nil {
			return err
		}
		return w.WriteHeader(&tar.Header{Name: path.Join(dir, below) + "/", Typeflag: tar.TypeDir, Mode: 0o555, Uid: owner.UID, Gid: owner.GID})
	}
	err := w.WriteHeader(&tar.Header{Name: dir + "/", Typeflag: tar.TypeDir, Mode: 0o555, Uid: owner.UID, Gid: owner.GID})
	for _, f := range files {
		mode := int64(0o444)
		if f.Program {
			mode = 0o555
		}
		err = errors.Join(err, parents(path.Dir(f.Path)), w.WriteHeader(&tar.Header{Name: path.Join(dir, f.Path), Mode: mode, Uid: owner.UID, Gid: owner.GID, Size: int64(len(f.Data))}))
		if err != nil {
			return err
		}
		if _, err := w.Write(f.Data); err != nil {
			return err
		}
	}
	return err
}

// parallelVolumes bounds the transfer containers that work at once.
const parallelVolumes = 4

// givenAt is where a transfer container has the volumes of secrets that are passed on.
const givenAt = "/given"

// prepare prepares volumes, those of one image through one transfer container, and meanwhile delivers all secrets and configuration files
// through one more, in one piece: each transfer container, and each time that it gets something, costs the engine a process.
func (d *delivery) prepare(ctx context.Context, steps []deploy.Step, report func(deploy.Event)) error {
	working, worked := errgroup.WithContext(ctx)
	working.SetLimit(parallelVolumes)
	var volumes []*deploy.VolumeStep
	var deliveries []deploy.Step
	for _, s := range steps {
		if s.Kind == deploy.PrepareVolume {
			volumes = append(volumes, s.Volume)
		} else {
			deliveries = append(deliveries, s)
		}
	}
	for _, together := range together(volumes) {
		working.Go(func() error {
			if err := d.prepareVolumes(worked, together); err != nil {
				return err
			}
			for _, v := range together {
				report(deploy.Event{Subject: v.Key, Text: fmt.Sprintf("volume prepared for %d:%d", v.Owner.UID, v.Owner.GID), Done: true})
			}
			return nil
		})
	}
	if len(deliveries) > 0 {
		working.Go(func() error { return d.deliver(worked, deliveries, report) })
	}
	return working.Wait()
}

// together groups volumes that one transfer container can have: of one image, whose content goes into them, and each at another path.
func together(volumes []*deploy.VolumeStep) [][]*deploy.VolumeStep {
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
func (d *delivery) prepareVolumes(ctx context.Context, volumes []*deploy.VolumeStep) error {
	mounts := map[string]string{}
	for _, v := range volumes {
		mounts[v.Path] = v.Name
		if !v.Create {
			continue
		}
		_, err := d.engine.API.VolumeCreate(ctx, client.VolumeCreateOptions{Name: v.Name, Driver: v.Driver, DriverOpts: v.Options, Labels: map[string]string{
			engine.ComposeProject: v.Stack, engine.ComposeVolume: v.Key,
		}})
		if err != nil {
			return fmt.Errorf("creating volume %s: %w", v.Name, err)
		}
	}
	return d.volumes.MountedWith(ctx, volumes[0].Image, mounts, func(id string) error { return d.volumes.Chown(ctx, id, volumes) })
}

// deliver fills new volumes with secrets and configuration files. Nothing is written on this machine, and no value is in
// an argument, a label or a variable.
func (d *delivery) deliver(ctx context.Context, steps []deploy.Step, report func(deploy.Event)) error {
	mounts := map[string]string{}
	for _, s := range steps {
		role, volume, in, service := records.RoleSecrets, "", "", ""
		if s.Kind == deploy.DeliverSecrets {
			volume, in, service = s.Secrets.Volume, s.Secrets.Stack, s.Secrets.Service
			for _, f := range s.Secrets.Files {
				if f.From != "" {
					mounts[path.Join(givenAt, f.From)] = f.From
				}
			}
		} else {
			role, volume, in, service = records.RoleConfig, s.Configs.Volume, s.Configs.Stack, s.Configs.Service
		}
		_, err := d.engine.API.VolumeCreate(ctx, client.VolumeCreateOptions{Name: volume, Labels: map[string]string{
			engine.LabelRole: role, engine.LabelStack: in, engine.LabelService: service, engine.LabelVersion: strconv.Itoa(versionOf(volume)),
		}})
		if err != nil {
			return fmt.Errorf("creating volume %s: %w", volume, err)
		}
		mounts[path.Join(volumes.MountPoint, volume)] = volume
	}
	err := d.volumes.Mounted(ctx, mounts, func(id string) error { return d.pack(ctx, id, steps) })
	if err != nil {
		return fmt.Errorf("delivering: %w", err)
	}
	for _, s := range steps {
		text := ""
		if s.Kind == deploy.DeliverSecrets {
			text = display.Count(len(s.Secrets.Files), "secret")
		} else {
			text = display.Count(len(s.Configs.Files), "configuration file")
		}
		report(deploy.Event{Subject: s.Subject, Text: text + " delivered", Done: true})
	}
	return nil
}

// pack sends everything that is delivered to the volumes of a transfer container, owners and modes with it.
func (d *delivery) pack(ctx context.Context, id string, steps []deploy.Step) error {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, s := range steps {
		var err error
		if s.Kind == deploy.DeliverSecrets {
			err = d.packSecrets(ctx, w, id, path.Join(volumes.MountPoint[1:], s.Secrets.Volume), s.Secrets)
		} else {
			err = packConfigs(w, path.Join(volumes.MountPoint[1:], s.Configs.Volume), s.Configs.Owner, s.Configs.Files)
		}
		if err != nil {
			return fmt.Errorf("packing for %s: %w", s.Subject, err)
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	_, err := d.engine.API.CopyToContainer(ctx, id, client.CopyToContainerOptions{DestinationPath: "/", Content: &b})
	return err
}

func versionOf(volume string) int {
	n, err := strconv.Atoi(volume[strings.LastIndexByte(volume, '_')+1:])
	if err != nil {
		return 0
	}
	return n
}

// packSecrets packs the secrets of one service into a directory.
func (d *delivery) packSecrets(ctx context.Context, w *tar.Writer, id, dir string, s *deploy.SecretsStep) error {
	values := map[string][]byte{}
	for _, f := range s.Files {
		value, err := d.secretValue(ctx, id, f)
		if err != nil {
			return err
		}
		values[f.Name] = value
	}
	return packValues(w, dir, s.Owner, values)
}

// packValues packs secrets into a directory: files of mode 0400 that belong to a user, where only that user may enter. Where the
// image decides who reads them, every user of the one container that gets the volume may.
func packValues(w *tar.Writer, dir string, owner stack.User, values map[string][]byte) error {
	directory, file := int64(0o500), int64(0o400)
	if !owner.Known() {
		owner, directory, file = deploy.FileOwner(owner), 0o555, 0o444
	}
	if err := w.WriteHeader(&tar.Header{Name: dir + "/", Typeflag: tar.TypeDir, Mode: directory, Uid: owner.UID, Gid: owner.GID}); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		err := w.WriteHeader(&tar.Header{Name: path.Join(dir, name), Mode: file, Uid: owner.UID, Gid: owner.GID, Size: int64(len(values[name]))})
		if err != nil {
			return fmt.Errorf("packing secret %s: %w", name, err)
		}
		if _, err := w.Write(values[name]); err != nil {
			return fmt.Errorf("packing secret %s: %w", name, err)
		}
	}
	return nil
}

// secretValue returns the value that is delivered: a new one, or the one that an earlier volume keeps.
func (d *delivery) secretValue(ctx context.Context, id string, f deploy.SecretFile) ([]byte, error) {
	if f.From == "" {
		return f.Value.Reveal(), nil
	}
	answer, err := d.engine.API.CopyFromContainer(ctx, id, client.CopyFromContainerOptions{SourcePath: path.Join(givenAt, f.From, f.Name)})
	if err != nil {
		return nil, fmt.Errorf("keeping secret %s: %w", f.Name, err)
	}
	defer answer.Content.Close()
	r := tar.NewReader(answer.Content)
	if _, err := r.Next(); err != nil {
		return nil, fmt.Errorf("keeping secret %s: %w", f.Name, err)
	}
	value, err := io.ReadAll(io.LimitReader(r, volumes.MaxSecret))
	if err != nil {
		return nil, fmt.Errorf("keeping secret %s: %w", f.Name, err)
	}
	return value, nil
}
