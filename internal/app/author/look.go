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
	"github.com/hsectl/hsectl/internal/engine/buildkit"
	"github.com/hsectl/hsectl/internal/engine/images"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/image/cache"
	"github.com/hsectl/hsectl/internal/image/facts"
)

// Bounds of looking into images: what cannot be had in this time is unknown.
const (
	lookTime     = 20 * time.Second
	lookParallel = 4
	factsVersion = 3
	factsBytes   = 64 << 20
)

// look reads what the images of services show, where the engine has them. An engine that cannot be reached is no error: then nothing
// of them is known.
func look(ctx context.Context, g *app.Settings, s app.Streams, p *composefile.Project, running bool) map[string]*facts.Facts {
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
			if b := service.Build; !seen.at(worked, service.Name, reference) && b != nil {
				seen.built(worked, service.Name, dockerfile{b.Context, cmp.Or(b.Dockerfile, "Dockerfile"), b.DockerfileInline, b.Target})
			}
			return nil
		})
	}
	_ = working.Wait() // no function fails
	if list, err := engine.Stack(ctx, p.Name); err == nil && len(list) > 0 && !running {
		s.Say("containers of %s exist on this engine: with --running they help to answer the questions", p.Name)
	}
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

// dockerfile is where the instructions of a build are.
type dockerfile struct{ context, name, inline, target string }

// built tells what an image will be that was not built yet, by its Dockerfile and the image from which it is made.
func (i *seenImages) built(ctx context.Context, service string, b dockerfile) {
	text := []byte(b.inline)
	if len(text) == 0 {
		file := b.name
		if !filepath.IsAbs(file) {
			file = filepath.Join(b.context, file)
		}
		var err error
		if text, err = host.ReadFile(file, app.MaxProfileBytes); err != nil {
			return // it is built elsewhere, or named wrongly: a build will say so
		}
	}
	read, err := buildkit.Instructions(b.name, text)
	if err != nil {
		return
	}
	var steps []facts.Step
	for _, s := range read {
		steps = append(steps, facts.Step{Keyword: s.Keyword, Args: s.Args})
	}
	stage, ok := facts.Last(steps, b.target)
	if !ok || stage.Base == "" {
		return
	}
	base, err := i.read(ctx, stage.Base)
	if err != nil {
		return // nothing of it is known here
	}
	f := stage.On(base)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.out[service] = &f
}

// at looks into one image, or takes what is kept of it, and reports whether the engine has it.
func (i *seenImages) at(ctx context.Context, service, reference string) bool {
	f, err := i.read(ctx, reference)
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case err == nil:
		i.out[service] = &f
	case errors.Is(err, images.ErrNoImage):
		return false
	default:
		i.problems = append(i.problems, fmt.Sprintf("cannot look into image %s: %v", reference, err))
	}
	return true
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
