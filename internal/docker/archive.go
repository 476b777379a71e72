package docker

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

// maxRecordBytes bounds a record that is read from an engine.
const maxRecordBytes = 16 << 20

// put writes one file, which only root may read, into a directory of a container that need not run.
func (e *Engine) put(ctx context.Context, id, file string, data []byte) error {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := w.WriteHeader(&tar.Header{Name: path.Base(file), Mode: 0o600, Size: int64(len(data))})
	if err == nil {
		_, err = w.Write(data)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		return fmt.Errorf("packing %s: %w", file, err)
	}
	_, err = e.api.CopyToContainer(ctx, id, client.CopyToContainerOptions{DestinationPath: path.Dir(file), Content: &b})
	if err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	return nil
}

// get reads one file of a container that need not run. A file that is not there is an errdefs.NotFound.
func (e *Engine) get(ctx context.Context, id, file string) ([]byte, error) {
	answer, err := e.api.CopyFromContainer(ctx, id, client.CopyFromContainerOptions{SourcePath: file})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	defer answer.Content.Close()
	r := tar.NewReader(answer.Content)
	h, err := r.Next()
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	if h.Typeflag != tar.TypeReg || h.Size > maxRecordBytes {
		return nil, fmt.Errorf("reading %s: it is not a file of at most %d bytes", file, maxRecordBytes)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	return data, nil
}

// readTree reads everything below a directory of a container that need not run, in one piece. Names are relative to it.
func (e *Engine) readTree(ctx context.Context, id, dir string, see func(*tar.Header, io.Reader) error) error {
	answer, err := e.api.CopyFromContainer(ctx, id, client.CopyFromContainerOptions{SourcePath: path.Clean(dir) + "/."})
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

// written returns when a file of a directory was last put there, replaced or removed, by the kernel of the engine's
// machine. The engine puts a file in the place of the one before, and each time the directory changes.
func (e *Engine) written(ctx context.Context, id, dir string) (time.Time, error) {
	stat, err := e.api.ContainerStatPath(ctx, id, client.ContainerStatPathOptions{Path: dir})
	if err != nil {
		return time.Time{}, fmt.Errorf("looking at %s: %w", dir, err)
	}
	return stat.Stat.Mtime, nil
}
