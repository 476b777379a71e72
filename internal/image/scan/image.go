package scan

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/hsectl/hsectl/internal/display"
)

// Source is a layer that can be read.
type Source struct {
	DiffID string
	Open   func() (io.ReadCloser, error)
}

// Records keep what was read of layers. A record that is gone is made anew.
type Records interface {
	Get(key string, into any) bool
	Put(key string, value any) error
}

// Key names the record of a layer.
func Key(diffID string) string { return fmt.Sprintf("layer-%d-%s", Version, diffID) }

// parallel is how many layers are read at once: more would cost memory and gain nothing on a disk.
const parallel = 2

// Layers returns the records of all layers, reading only those that are not kept. It also tells how many it read.
func (s *Scanner) Layers(ctx context.Context, sources []Source, kept Records) ([]Layer, int, error) {
	out := make([]Layer, len(sources))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	read := 0
	for i, source := range sources {
		name := Key(source.DiffID)
		if kept.Get(name, &out[i]) && out[i].Version == Version && out[i].DiffID == source.DiffID {
			continue
		}
		read++
		group.Go(func() error {
			layer, err := s.one(ctx, source)
			if err != nil {
				return fmt.Errorf("layer %d of %d: %w", i+1, len(sources), err)
			}
			out[i] = layer
			return kept.Put(name, layer)
		})
	}
	if err := group.Wait(); err != nil {
		return nil, 0, err
	}
	return out, read, nil
}

func (s *Scanner) one(ctx context.Context, source Source) (layer Layer, err error) {
	r, err := source.Open()
	if err != nil {
		return Layer{}, fmt.Errorf("opening layer %s: %w", display.Digest(source.DiffID), err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return s.Read(ctx, r, source.DiffID)
}
