package author

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/composefile"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/engine/images"
	"github.com/hsectl/hsectl/internal/image/cache"
	"github.com/hsectl/hsectl/internal/image/facts"
)

// Bounds of looking into images: what cannot be had in this time is unknown.
const (
	lookTime     = 20 * time.Second
	lookParallel = 4
	factsVersion = 2
	factsBytes   = 64 << 20
)

// look reads what the images of services show, where the engine has them. An engine that cannot be reached is no error: then nothing
// of them is known.
func look(ctx context.Context, g *app.Settings, s app.Streams, p *composefile.Project) map[string]*facts.Facts {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	engine, err := g.Connect(ctx)
	if err != nil {
		s.Say("cannot look into the images: %v", err)
		return nil
	}
	defer engine.Close()
	seen := seenImages{engine: engine, out: map[string]*facts.Facts{}}
	if dir, err := os.UserCacheDir(); err == nil {
		if seen.records, err = cache.OpenRecords(filepath.Join(dir, "hsectl", "facts"), factsBytes); err == nil {
			seen.keeps = true
		}
	}
	working, worked := errgroup.WithContext(ctx)
	working.SetLimit(lookParallel)
	for _, service := range p.ServiceConfigs() {
		reference := cmp.Or(service.Image, p.Name+"-"+service.Name)
		if service.Image == "" && service.Build == nil || strings.Contains(reference, "$") {
			continue
		}
		working.Go(func() error {
			seen.at(worked, service.Name, reference)
			return nil
		})
	}
	_ = working.Wait() // no function fails
	for _, problem := range seen.problems {
		s.Say("%s", problem)
	}
	return seen.out
}

// seenImages collects what images show.
type seenImages struct {
	engine   *docker.Engine
	records  cache.Records
	keeps    bool
	mu       sync.Mutex
	out      map[string]*facts.Facts
	problems []string
}

// at looks into one image, or takes what is kept of it.
func (i *seenImages) at(ctx context.Context, service, reference string) {
	f, err := i.read(ctx, reference)
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case err == nil:
		i.out[service] = &f
	case !errors.Is(err, images.ErrNoImage):
		i.problems = append(i.problems, fmt.Sprintf("cannot look into image %s: %v", reference, err))
	}
}

func (i *seenImages) read(ctx context.Context, reference string) (facts.Facts, error) {
	id, config, err := i.engine.Configured(ctx, reference)
	if err != nil {
		return facts.Facts{}, err
	}
	key := cache.Key("facts", factsVersion, id)
	var kept facts.Kept
	if i.keeps && i.records.Get(key, &kept) {
		return kept.Facts(), nil
	}
	f, err := i.engine.Shown(ctx, id, config)
	if err == nil && i.keeps && len(f.Problems) == 0 {
		_ = i.records.Put(key, f.Keep()) // a cache that cannot be written makes the next look slower, and nothing else
	}
	return f, err
}
