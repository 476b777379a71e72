package volumes

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"time"

	"github.com/moby/moby/client"
)

// MaxRecord bounds a record that is read from an engine.
const MaxRecord = 16 << 20

// MaxSecret bounds a secret that is read back for comparison.
const MaxSecret = 1 << 20

// Put writes one file, which only root may read, into a directory of a container that need not run.
func (a *Archive) Put(ctx context.Context, id, file string, data []byte) error {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := w.WriteHeader(&tar.Header{Name: path.Base(file), Mode: 0o600, Size: int64(len(data))})
	if err == nil {
		_, err = w.Write(data)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		return fmt.Errorf("packing %s: %w", file, err)
	}
	_, err = a.engine.API.CopyToContainer(ctx, id, client.CopyToContainerOptions{DestinationPath: path.Dir(file), Content: &b})
	if err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	return nil
}

// Get reads one file of a container that need not run. A file that is not there is an errdefs.NotFound.
func (a *Archive) Get(ctx context.Context, id, file string) ([]byte, error) {
	answer, err := a.engine.API.CopyFromContainer(ctx, id, client.CopyFromContainerOptions{SourcePath: file})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	defer answer.Content.Close()
	r := tar.NewReader(answer.Content)
	h, err := r.Next()
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	if h.Typeflag != tar.TypeReg || h.Size > MaxRecord {
		return nil, fmt.Errorf("reading %s: it is not a file of at most %d bytes", file, MaxRecord)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	return data, nil
}

// ReadTree reads everything below a directory of a container that need not run, in one piece. Names are relative to it.
func (a *Archive) ReadTree(ctx context.Context, id, dir string, see func(*tar.Header, io.Reader) error) error {
	answer, err := a.engine.API.CopyFromContainer(ctx, id, client.CopyFromContainerOptions{SourcePath: path.Clean(dir) + "/."})
	if err != nil {
		return fmt.Errorf("reading %s: %w", dir, err)
	}
	defer answer.Content.Close()
	r := tar.NewReader(answer.Content)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = see(h, r)
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", dir, err)
		}
	}
}

// Written returns when a file of a directory was last put there, replaced or removed, by the kernel of the engine's
// machine. The engine puts a file in the place of the one before, and each time the directory changes.
func (a *Archive) Written(ctx context.Context, id, dir string) (time.Time, error) {
	stat, err := a.engine.API.ContainerStatPath(ctx, id, client.ContainerStatPathOptions{Path: dir})
	if err != nil {
		return time.Time{}, fmt.Errorf("inspecting %s: %w", dir, err)
	}
	return stat.Stat.Mtime, nil
}
