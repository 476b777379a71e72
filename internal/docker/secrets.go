package docker

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"

	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/stack"
)

// maxSecretBytes bounds a secret that is read back for comparison.
const maxSecretBytes = 1 << 20

// KeptSecrets returns every value of a secret that the engine keeps of a stack, by name: of this release and of earlier
// ones, so that what containers printed can be shown without them.
func (e *Engine) KeptSecrets(ctx context.Context, stack string) (map[string][]deploy.Secret, error) {
	s, err := e.shelf(ctx, stack, roleSecrets)
	if err != nil {
		return nil, err
	}
	s.values = map[string][]deploy.Secret{}
	if err := e.unpack(ctx, &s, nil); err != nil {
		return nil, fmt.Errorf("reading the secrets of %s: %w", stack, err)
	}
	return s.values, nil
}

// packSecrets packs the secrets of one service into a directory.
func (e *Engine) packSecrets(ctx context.Context, w *tar.Writer, id, dir string, s *deploy.SecretsStep) error {
	values := map[string][]byte{}
	for _, f := range s.Files {
		value, err := e.secretValue(ctx, id, f)
		if err != nil {
			return err
		}
		values[f.Name] = value
	}
	return packValues(w, dir, s.Owner, values)
}

// packValues packs secrets into a directory: files of mode 0400 that belong to a user, where only that user may enter.
func packValues(w *tar.Writer, dir string, owner stack.User, values map[string][]byte) error {
	if err := w.WriteHeader(&tar.Header{Name: dir + "/", Typeflag: tar.TypeDir, Mode: 0o500, Uid: owner.UID, Gid: owner.GID}); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		err := w.WriteHeader(&tar.Header{Name: path.Join(dir, name), Mode: 0o400, Uid: owner.UID, Gid: owner.GID, Size: int64(len(values[name]))})
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
