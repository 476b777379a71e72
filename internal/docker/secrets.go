package docker

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"path"

	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/deploy"
)

// maxSecretBytes bounds a secret that is read back for comparison.
const maxSecretBytes = 1 << 20

// packSecrets packs the secrets of one service into a directory: files of mode 0400 that belong to its user, where only
// that user may enter.
func (e *Engine) packSecrets(ctx context.Context, w *tar.Writer, id, dir string, s *deploy.SecretsStep) error {
	if err := w.WriteHeader(&tar.Header{Name: dir + "/", Typeflag: tar.TypeDir, Mode: 0o500, Uid: s.Owner.UID, Gid: s.Owner.GID}); err != nil {
		return err
	}
	for _, f := range s.Files {
		value, err := e.secretValue(ctx, id, f)
		if err != nil {
			return err
		}
		err = w.WriteHeader(&tar.Header{Name: path.Join(dir, f.Name), Mode: 0o400, Uid: s.Owner.UID, Gid: s.Owner.GID, Size: int64(len(value))})
		if err != nil {
			return fmt.Errorf("packing secret %s: %w", f.Name, err)
		}
		if _, err := w.Write(value); err != nil {
			return fmt.Errorf("packing secret %s: %w", f.Name, err)
		}
	}
	return nil
}

// secretValue returns the value that is delivered: a new one, or the one that an earlier volume keeps.
func (e *Engine) secretValue(ctx context.Context, id string, f deploy.SecretFile) ([]byte, error) {
	if f.From == "" {
		return f.Value.Reveal(), nil
	}
	answer, err := e.api.CopyFromContainer(ctx, id, client.CopyFromContainerOptions{SourcePath: path.Join(givenAt, f.From, f.Name)})
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
