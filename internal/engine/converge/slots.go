package converge

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"path"

	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/edge"
	"github.com/hsectl/hsectl/internal/engine/volumes"
	"github.com/hsectl/hsectl/internal/stack"
)

// turn changes slots of an edge, in order. Caddy sees each change with the next request.
func (a *Applier) turn(ctx context.Context, g deploy.Gate, switches []edge.Switch) error {
	content, err := packSwitches(switches, g)
	if err != nil {
		return fmt.Errorf("packing the slots of the edge: %w", err)
	}
	return a.volumes.Mounted(ctx, map[string]string{volumes.MountPoint: g.Volume}, func(id string) error {
		_, err := a.engine.API.CopyToContainer(ctx, id, client.CopyToContainerOptions{DestinationPath: volumes.MountPoint, Content: content,
			AllowOverwriteDirWithFile: true}) // a slot that closes is a directory in the place of a file
		if err != nil {
			return fmt.Errorf("moving the traffic in volume %s: %w", g.Volume, err)
		}
		return nil
	})
}

func packSwitches(switches []edge.Switch, g deploy.Gate) (*bytes.Buffer, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	made := map[string]bool{}
	for _, s := range switches {
		if err := above(w, path.Dir(s.Path), g.Owner, made); err != nil {
			return nil, err
		}
		h := &tar.Header{Name: s.Path, Mode: 0o444, Uid: g.Owner.UID, Gid: g.Owner.GID, Size: int64(len(s.Data))}
		if s.Closed {
			h.Name, h.Typeflag, h.Mode, h.Size = s.Path+"/", tar.TypeDir, 0o555, 0
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(s.Data); err != nil {
			return nil, err
		}
	}
	return &b, w.Close()
}

// above writes the directories above a slot, which the configuration does not bring.
func above(w *tar.Writer, dir string, owner stack.User, made map[string]bool) error {
	if dir == "." || made[dir] {
		return nil
	}
	made[dir] = true
	if err := above(w, path.Dir(dir), owner, made); err != nil {
		return err
	}
	return w.WriteHeader(&tar.Header{Name: dir + "/", Typeflag: tar.TypeDir, Mode: 0o555, Uid: owner.UID, Gid: owner.GID})
}

// Maintain lets an edge show its maintenance page to everybody, or lets the services answer again.
func (a *Applier) Maintain(ctx context.Context, g deploy.Gate, on bool) error {
	return a.turn(ctx, g, edge.Maintenance(on))
}
