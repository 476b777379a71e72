// Package records keeps what is written down of a stack on its engine: the lock, the journal and the releases, each in a
// volume or a container of its own.
package records

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/deploy/lock"
	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/volumes"
	"github.com/hsectl/hsectl/internal/record"
)

// Store is what an engine has recorded of stacks, in volumes of its own.
type Store struct {
	engine  *engine.Connection
	volumes *volumes.Archive
	walk    Walk // reads directories of this machine; nil where it cannot
	clock   clock
	signing record.Signing
}

// SignReleases lets the records of releases be signed and verified.
func (st *Store) SignReleases(s record.Signing) { st.signing = s }

// New returns the records of an engine.
func New(e *engine.Connection, v *volumes.Archive) *Store { return &Store{engine: e, volumes: v} }

// Names of the records in their volumes.
const (
	releaseFile = "release.json"
	outcomeFile = "outcome.json"
)

// keepRepository names the images of kept releases, so that no prune of unnamed images takes them.
const keepRepository = "hsectl/keep"

// ReleaseVolume names the volume of a release.
func ReleaseVolume(stack string, number int) string {
	return fmt.Sprintf("hsectl.release.%s.%d", stack, number)
}

// JournalVolume names the volume of a journal.
func JournalVolume(stack string) string { return "hsectl.journal." + stack }

// clock is what is known of the engine's clock without asking again. Under a lock each beat sets it.
type clock struct {
	mu    sync.Mutex // guards what follows
	shown time.Time  // what it showed
	at    time.Time  // when, by this machine's monotonic clock
}

func (c *clock) set(shown time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shown, c.at = shown, time.Now()
}

// Stamp returns the engine's time for a record, which people read and nothing compares.
func (st *Store) Stamp(ctx context.Context) (time.Time, error) {
	st.clock.mu.Lock()
	shown, at := st.clock.shown, st.clock.at
	st.clock.mu.Unlock()
	if shown.IsZero() || time.Since(at) > 2*lock.BeatEvery {
		return st.engine.Now(ctx)
	}
	return shown.Add(time.Since(at)), nil
}

// History reads the releases of a stack. A record that cannot be trusted is returned with its error.
func (st *Store) History(ctx context.Context, name string) (record.History, error) {
	s, err := st.List(ctx, name, RoleRelease)
	if err == nil {
		err = st.Read(ctx, &s, nil)
	}
	return s.History(), err
}

// Journal reads the last journal without the lock, for showing it.
func (st *Store) Journal(ctx context.Context, name string) (record.Journal, error) {
	s, err := st.List(ctx, name, RoleJournal)
	if err == nil {
		err = st.Read(ctx, &s, nil)
	}
	if err != nil {
		return record.Journal{}, err
	}
	return s.Journal()
}

// Locked tells whether the lock of a stack is held, or was left behind.
func (st *Store) Locked(ctx context.Context, stack string) (bool, error) {
	_, err := st.engine.API.ContainerInspect(ctx, lockName(stack), client.ContainerInspectOptions{})
	if err != nil && !errdefs.IsNotFound(err) {
		return false, fmt.Errorf("looking for the lock: %w", err)
	}
	return err == nil, nil
}

// What a volume of hsectl holds.
const (
	RoleJournal = "journal"
	RoleRelease = "release"
	RoleSecrets = "secrets"
	RoleConfig  = "config"
	RoleLive    = "live" // what a service has loaded of both
)

// KeptSecrets returns every value of a secret that the engine keeps of a stack, by name: of this release and of earlier
// ones, so that what containers printed can be shown without them.
func (st *Store) KeptSecrets(ctx context.Context, stack string) (map[string][]deploy.Secret, error) {
	s, err := st.List(ctx, stack, RoleSecrets)
	if err != nil {
		return nil, err
	}
	s.values = map[string][]deploy.Secret{}
	if err := st.Read(ctx, &s, nil); err != nil {
		return nil, fmt.Errorf("reading the secrets of %s: %w", stack, err)
	}
	return s.values, nil
}
