package supply

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/engine/images"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/image/lock"
)

// LockOptions say which images are locked anew, or that the lock is only checked.
type LockOptions struct {
	Update, Check, Engine bool
	Services              []string
}

// Lock pins every image to its digest in the lock.
func Lock(ctx context.Context, g *app.Settings, s app.Streams, o LockOptions) error {
	l, err := app.Load(g.File)
	if err != nil {
		return err
	}
	wanted, err := l.Wanted()
	if err != nil {
		return err
	}
	for _, name := range o.Services {
		if !slices.ContainsFunc(wanted, func(w lock.Wanted) bool { return w.Service == name }) {
			return &app.UsageError{Err: fmt.Errorf("service %q not found in %s", name, l.Path), Hint: "name a service of the profile, or of its monitoring: monitoring.prometheus"}
		}
	}
	before, err := app.ReadLock(l)
	if err != nil {
		return err
	}
	if o.Check {
		return checkLock(s, l, before, wanted)
	}
	resolver := &resolver{g: g, mirrors: mirrors(l), fromEngine: o.Engine, now: time.Now().UTC().Truncate(time.Second)}
	defer resolver.close()
	after := lock.File{Profile: checksum(l.Data)}
	for _, w := range wanted {
		old, ok := before.Entry(w.Service)
		keep := ok && old.Reference == w.Reference
		if o.Update && (len(o.Services) == 0 || slices.Contains(o.Services, w.Service)) {
			keep = false
		}
		if keep {
			after.Images = append(after.Images, old)
			continue
		}
		e, err := resolver.entry(ctx, w)
		if err != nil {
			return fmt.Errorf("locking service %s: %w", w.Service, err)
		}
		if ok && lock.Same(old, e) {
			e.Locked = old.Locked
		}
		after.Images = append(after.Images, e)
	}
	return writeLock(s, l, before, after)
}

func writeLock(s app.Streams, l app.Loaded, before, after lock.File) error {
	data, err := after.Marshal()
	if err != nil {
		return err
	}
	if err := host.Rewrite(filepath.Join(l.Dir(), lock.Name), data); err != nil {
		return err
	}
	changes := lock.Diff(before, after)
	for _, c := range changes {
		fmt.Fprintln(s.Out, c)
	}
	if len(changes) == 0 {
		s.Say("%s is unchanged", filepath.Join(l.Dir(), lock.Name))
	}
	return nil
}

func checkLock(s app.Streams, l app.Loaded, f lock.File, wanted []lock.Wanted) error {
	stale := f.Stale(wanted)
	for _, line := range stale {
		fmt.Fprintln(s.Out, line)
	}
	if len(stale) > 0 {
		s.Say("%s is stale; update it with: hsectl lock", filepath.Join(l.Dir(), lock.Name))
		return app.ErrFindings
	}
	return nil
}

func mirrors(l app.Loaded) map[string]string {
	if l.Profile.SupplyChain == nil {
		return nil
	}
	return l.Profile.SupplyChain.Mirrors
}

func checksum(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// resolver finds the digests of references.
type resolver struct {
	g          *app.Settings
	mirrors    map[string]string
	fromEngine bool
	now        time.Time
	engine     *docker.Engine
}

func (r *resolver) close() {
	if r.engine != nil {
		r.engine.Close()
	}
}

func (r *resolver) entry(ctx context.Context, w lock.Wanted) (lock.Entry, error) {
	e := lock.Entry{Service: w.Service, Reference: w.Reference, Locked: r.now}
	if w.Built || r.fromEngine {
		return r.local(ctx, e)
	}
	at, err := image.Mirrored(w.Reference, r.mirrors)
	if err != nil {
		return lock.Entry{}, err
	}
	if at != w.Reference {
		e.Mirror = at
	}
	found, err := image.Resolve(ctx, at)
	if err != nil {
		return lock.Entry{}, err
	}
	e.Source, e.Digest, e.Base = lock.Registry, found.Digest, lock.Base{Name: found.BaseName, Digest: found.BaseDigest}
	for _, p := range found.Platforms {
		e.Platforms = append(e.Platforms, lock.Platform(p))
	}
	return e, nil
}

// local locks what the engine has, whatever its origin.
func (r *resolver) local(ctx context.Context, e lock.Entry) (lock.Entry, error) {
	if r.engine == nil {
		engine, err := r.g.Connect(ctx)
		if err != nil {
			return lock.Entry{}, err
		}
		r.engine = engine
	}
	facts, err := r.engine.ImageFacts(ctx, e.Reference)
	if errors.Is(err, images.ErrNoImage) {
		return lock.Entry{}, &app.UsageError{Err: err, Hint: "build it first: hsectl build; or pull it"}
	}
	if err != nil {
		return lock.Entry{}, err
	}
	e.Source, e.ID, e.Digest = lock.Engine, facts.ID, digestIn(facts.RepoDigests, e.Reference)
	e.Base = lock.Base{Name: facts.Labels["org.opencontainers.image.base.name"], Digest: facts.Labels["org.opencontainers.image.base.digest"]}
	return e, nil
}

// digestIn returns the digest that an image has in the registry of its reference, when it was pushed to it or pulled
// from it. Signatures are about that one.
func digestIn(repoDigests []string, reference string) string {
	repository, err := image.Repository(reference)
	if err != nil {
		return ""
	}
	for _, r := range repoDigests {
		if at, err := image.Repository(r); err == nil && at == repository {
			_, digest, _ := strings.Cut(r, "@")
			return digest
		}
	}
	return ""
}
