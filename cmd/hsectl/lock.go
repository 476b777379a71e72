package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/image/lock"
)

type lockOptions struct {
	update, check, engine bool
	services              []string
}

func newLock(g *globals, s streams) *cobra.Command {
	var o lockOptions
	cmd := &cobra.Command{
		Use:   "lock [SERVICE...]",
		Short: "Pin every image to its digest in hsectl.lock",
		Long: `Lock asks registries what the profile's references stand for, and writes it beside the profile. Images that are
built are locked by the id that the engine has for them. What is locked stays so until --update.

Registries are asked with the credentials of Docker's own configuration and helpers.`,
		Example: `  hsectl lock                  # lock what is not locked yet
  hsectl lock --check          # exit 3 when the lock does not fit the profile
  hsectl lock --update db      # take what the reference of db stands for now`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.services = args
			return runLock(cmd.Context(), g, s, o)
		},
	}
	cmd.Flags().BoolVar(&o.update, "update", false, "take what the references stand for now; all, or those of the services named")
	cmd.Flags().BoolVar(&o.check, "check", false, "write nothing; exit 3 when the lock does not fit the profile")
	cmd.Flags().BoolVar(&o.engine, "engine", false, "lock what the engine has, and ask no registry")
	return cmd
}

func runLock(ctx context.Context, g *globals, s streams, o lockOptions) error {
	l, err := load(g.file)
	if err != nil {
		return err
	}
	wanted, err := l.wanted()
	if err != nil {
		return err
	}
	for _, name := range o.services {
		if !slices.ContainsFunc(wanted, func(w lock.Wanted) bool { return w.Service == name }) {
			return &usageError{fmt.Errorf("there is no service %q in %s", name, l.path), "name a service of the profile, or of its monitoring: monitoring.prometheus"}
		}
	}
	before, err := readLock(l)
	if err != nil {
		return err
	}
	if o.check {
		return checkLock(s, l, before, wanted)
	}
	resolver := &resolver{g: g, mirrors: l.mirrors(), fromEngine: o.engine, now: time.Now().UTC().Truncate(time.Second)}
	defer resolver.close()
	after := lock.File{Profile: checksum(l.data)}
	for _, w := range wanted {
		old, ok := before.Entry(w.Service)
		keep := ok && old.Reference == w.Reference
		if o.update && (len(o.services) == 0 || slices.Contains(o.services, w.Service)) {
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

func writeLock(s streams, l loaded, before, after lock.File) error {
	data, err := after.Marshal()
	if err != nil {
		return err
	}
	if err := host.WriteTree(l.dir(), []generate.File{{Path: lock.Name, Data: data}}); err != nil {
		return err
	}
	changes := lock.Diff(before, after)
	for _, c := range changes {
		fmt.Fprintln(s.Out, c)
	}
	if len(changes) == 0 {
		s.say("%s is as it was", filepath.Join(l.dir(), lock.Name))
	}
	return nil
}

func checkLock(s streams, l loaded, f lock.File, wanted []lock.Wanted) error {
	stale := f.Stale(wanted)
	for _, line := range stale {
		fmt.Fprintln(s.Out, line)
	}
	if len(stale) > 0 {
		s.say("%s is stale; mend it with: hsectl lock", filepath.Join(l.dir(), lock.Name))
		return errFindings
	}
	return nil
}

// readLock reads the lock beside the profile; without one it is empty.
func readLock(l loaded) (lock.File, error) {
	data, err := host.ReadFile(filepath.Join(l.dir(), lock.Name), lock.MaxBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return lock.File{}, nil
	}
	if err != nil {
		return lock.File{}, fmt.Errorf("reading the lock: %w", err)
	}
	f, err := lock.Parse(data)
	if err != nil {
		return lock.File{}, &usageError{err, "mend " + lock.Name + ", or remove it and run hsectl lock"}
	}
	return f, nil
}

// loadPinned reads the profile and its lock, and leaves out the services that are not chosen.
func loadPinned(from selection) (loaded, error) {
	l, err := load(from)
	if err != nil {
		return loaded{}, err
	}
	if l, err = l.pinned(); err != nil {
		return l, err
	}
	return l.chosen(from.profiles)
}

// pinned returns what was loaded with the stack's references as the lock has them. A lock that does not fit is an
// error: half a lock pins nothing.
func (l loaded) pinned() (loaded, error) {
	f, err := readLock(l)
	if err != nil || len(f.Images) == 0 {
		return l, err
	}
	wanted, err := l.wanted()
	if err != nil {
		return l, err
	}
	if stale := f.Stale(wanted); len(stale) > 0 {
		return l, &usageError{fmt.Errorf("%s does not fit %s: %s", lock.Name, l.path, stale[0]), "bring it up to date: hsectl lock"}
	}
	l.stack, l.locked = l.stack.Pinned(f.Pins("")), f
	return l, nil
}

// wanted are the images of the stack, and of the one that watches it. The names of the latter begin with monitoring.,
// because both may have a service of one name.
func (l loaded) wanted() ([]lock.Wanted, error) {
	var out []lock.Wanted
	add := func(l loaded) {
		for _, service := range l.stack.Services {
			out = append(out, lock.Wanted{Service: l.entryName(service.Name), Reference: service.Image, Built: service.Build != nil})
		}
	}
	add(l)
	beside, ok, err := l.watching()
	if ok && err == nil {
		add(beside)
	}
	return out, err
}

// entryName is the name of a service in the lock.
func (l loaded) entryName(service string) string { return l.root + service }

func (l loaded) mirrors() map[string]string {
	if l.profile.SupplyChain == nil {
		return nil
	}
	return l.profile.SupplyChain.Mirrors
}

func checksum(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// resolver finds the digests of references.
type resolver struct {
	g          *globals
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

// local locks what the engine has, whoever made it.
func (r *resolver) local(ctx context.Context, e lock.Entry) (lock.Entry, error) {
	if r.engine == nil {
		engine, err := r.g.connect(ctx)
		if err != nil {
			return lock.Entry{}, err
		}
		r.engine = engine
	}
	facts, err := r.engine.ImageFacts(ctx, e.Reference)
	if errors.Is(err, docker.ErrNoImage) {
		return lock.Entry{}, &usageError{err, "build it first: hsectl build; or pull it"}
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
