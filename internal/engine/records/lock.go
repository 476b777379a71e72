package records

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/deploy/lock"
	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/volumes"
)

const (
	lockPoll      = time.Second
	heartbeatFile = "/heartbeat"
	// selfDoubt is the time without a beat after which a holder takes itself for lost, well before others take it for dead.
	selfDoubt = 30 * time.Second
)

// Labels of a lock say who holds it.
const (
	labelOwner = "dev.hsectl.lock.owner"
	labelHost  = "dev.hsectl.lock.host"
	labelPID   = "dev.hsectl.lock.pid"
	labelProc  = "dev.hsectl.lock.process"
)

// Lock is a stack's lock while it is held: a container of a fixed name that is never started. Two cannot have one name,
// so creating it is atomic. It carries the journal's volume: who loses the lock cannot write the journal any more.
type Lock struct {
	store  *Store
	stack  string
	holder lock.Holder
	lost   chan struct{}
	stop   context.CancelFunc
	ended  chan struct{}
	atOnce bool

	record   string // transfer container of the release that is being deployed; empty when there is none yet
	recorded string // its volume

	turn    chan struct{} // holds a value while what follows is used; a write may hang, so it is waited for within a time
	id      string
	count   int
	journal int  // sequence of the last journal written or read
	open    bool // that journal's transaction has not ended
}

// acquire waits for its turn to use what only one may use at a time.
func (l *Lock) acquire(ctx context.Context) error {
	select {
	case l.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for a write of the lock to end: %w", context.Cause(ctx))
	}
}

func (l *Lock) release() { <-l.turn }

// heartbeat is what a holder writes to show that it lives. The time is the engine's.
type heartbeat struct {
	Count int       `json:"count"`
	At    time.Time `json:"at"`
}

// Names that begin so cannot be those of a Compose project's containers and volumes: projects have no dot.
func lockName(stack string) string { return "hsectl.lock." + stack }

// LockOptions say who takes a lock and how long they wait for it.
type LockOptions struct {
	Holder lock.Holder
	Wait   time.Duration
	Gone   func(process string) bool // tells a process of this machine that has surely ended; nil where none can be told
	Report func(deploy.Event)
}

// Lock takes the lock of a stack, waiting for it while a live process holds it.
func (st *Store) Lock(ctx context.Context, stack string, o LockOptions) (*Lock, error) {
	o.Holder.Token = rand.Text()
	if o.Gone == nil {
		o.Gone = func(string) bool { return false }
	}
	l := &Lock{store: st, stack: stack, holder: o.Holder, lost: make(chan struct{}), turn: make(chan struct{}, 1), ended: make(chan struct{})}
	var watch lock.Watch
	begun, told := time.Now(), ""
	for try := 1; ; try++ {
		taken, err := l.create(ctx)
		if err != nil {
			return nil, err
		}
		if taken {
			st.volumes.Hold(&volumes.Held{Stack: stack, Token: l.holder.Token})
			l.atOnce = try == 1
			if err := st.volumes.UnmountStale(ctx, stack, l.holder.Since, o.Gone); err != nil {
				return nil, errors.Join(err, l.Unlock(ctx))
			}
			return l, nil
		}
		seen, err := st.sight(ctx, stack)
		if errdefs.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		dead := watch.Dead(seen, time.Since(begun))
		switch {
		case dead || o.Gone(seen.Holder.Process):
			o.Report(deploy.Event{Subject: "lock", Text: "taken over from " + seen.Holder.By + " on " + seen.Holder.Host + ", which is gone"})
			if err := st.takeOver(ctx, seen); err != nil {
				return nil, err
			}
			continue
		case time.Since(begun) >= o.Wait && !watch.Doubtful(seen):
			return nil, &lock.HeldError{Stack: stack, Holder: seen.Holder, Age: seen.Age}
		}
		if text := waiting(watch, seen); text != told {
			o.Report(deploy.Event{Subject: "lock", Text: text})
			told = text
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(lockPoll):
		}
	}
}

func waiting(watch lock.Watch, seen lock.Sighting) string {
	if watch.Doubtful(seen) {
		return "its holder " + seen.Holder.By + " on " + seen.Holder.Host + " sends no heartbeat; checking again"
	}
	return "held by " + seen.Holder.By + " on " + seen.Holder.Host + "; waiting"
}

// takeOver removes the lock of a dead holder by its id: a lock that was taken over meanwhile has another.
func (st *Store) takeOver(ctx context.Context, seen lock.Sighting) error {
	_, err := st.engine.API.ContainerRemove(ctx, seen.ID, client.ContainerRemoveOptions{Force: true})
	if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
		return fmt.Errorf("taking over the lock: %w", err)
	}
	return nil
}

// create makes the container of the lock. That it was made just now is its first sign of life, and tells the engine's time.
func (l *Lock) create(ctx context.Context) (bool, error) {
	id, err := l.container(ctx)
	if errdefs.IsConflict(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("acquiring the lock: %w", err)
	}
	if err := l.acquire(ctx); err != nil {
		return false, err
	}
	l.id = id
	l.release()
	if err := l.begin(ctx); err != nil {
		return false, errors.Join(err, l.remove(ctx))
	}
	beating, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop = stop
	go l.live(beating)
	return true, nil
}

// begin notes since when, by the engine's clock, the lock is held.
func (l *Lock) begin(ctx context.Context) error {
	found, err := l.store.engine.Inspect(ctx, l.id)
	if err != nil {
		return fmt.Errorf("inspecting the lock: %w", err)
	}
	since, err := time.Parse(time.RFC3339Nano, found.Created)
	if err != nil {
		return fmt.Errorf("inspecting the lock: %w", err)
	}
	l.holder.Since = since.UTC()
	l.store.clock.set(l.holder.Since)
	return nil
}

func (l *Lock) container(ctx context.Context) (string, error) {
	created, err := l.store.engine.Create(ctx, client.ContainerCreateOptions{
		Name: lockName(l.stack),
		Config: &container.Config{Image: l.store.engine.EmptyImage().Reference, Entrypoint: []string{"/never-started"}, Labels: map[string]string{
			engine.LabelRole: "lock", engine.LabelStack: l.stack, labelOwner: l.holder.By, labelHost: l.holder.Host,
			labelPID: strconv.Itoa(l.holder.PID), labelProc: l.holder.Process, volumes.LabelToken: l.holder.Token,
		}},
		HostConfig: &container.HostConfig{NetworkMode: "none", CapDrop: []string{"ALL"}, Mounts: []mount.Mount{{
			Type: mount.TypeVolume, Source: JournalVolume(l.stack), Target: volumes.MountPoint,
			VolumeOptions: &mount.VolumeOptions{NoCopy: true, Labels: map[string]string{engine.LabelRole: "journal", engine.LabelStack: l.stack}},
		}}},
	})
	return created.ID, err
}

// sight inspects a lock that is held.
func (st *Store) sight(ctx context.Context, stack string) (lock.Sighting, error) {
	c, err := st.engine.Inspect(ctx, lockName(stack))
	if err != nil {
		return lock.Sighting{}, fmt.Errorf("inspecting the lock: %w", err)
	}
	since, err := time.Parse(time.RFC3339Nano, c.Created)
	if err != nil {
		return lock.Sighting{}, fmt.Errorf("inspecting the lock: %w", err)
	}
	labels := c.Config.Labels
	pid, _ := strconv.Atoi(labels[labelPID]) // only shown
	s := lock.Sighting{ID: c.ID, Holder: lock.Holder{By: labels[labelOwner], Host: labels[labelHost], PID: pid, Process: labels[labelProc], Since: since, Token: labels[volumes.LabelToken]}}
	last := heartbeat{At: since}
	data, err := st.volumes.Get(ctx, c.ID, heartbeatFile)
	switch {
	case err == nil:
		// Half a beat counts as none; the one before it is gone, and the next one comes.
		if json.Unmarshal(data, &last) != nil {
			last = heartbeat{At: since}
		}
	case !errdefs.IsNotFound(err):
		return lock.Sighting{}, err
	}
	now, err := st.engine.Now(ctx)
	if err != nil {
		return lock.Sighting{}, err
	}
	s.Count, s.Age = last.Count, now.Sub(last.At)
	return s, nil
}

// Holder returns who holds the lock of a stack, and the age of the last sign of life.
func (st *Store) Holder(ctx context.Context, stack string) (holder lock.Holder, age time.Duration, held bool, err error) {
	s, err := st.sight(ctx, stack)
	if errdefs.IsNotFound(err) {
		return holder, 0, false, nil
	}
	return s.Holder, s.Age, err == nil, err
}

// live beats until the lock is let go. A lock that cannot be kept is lost.
func (l *Lock) live(ctx context.Context) {
	defer close(l.ended)
	ticker := time.NewTicker(lock.BeatEvery)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := l.beat(ctx)
		var lost *lock.LostError
		switch {
		case err == nil:
			last = time.Now()
		case ctx.Err() != nil:
			return
		case errors.As(err, &lost), time.Since(last) > selfDoubt:
			close(l.lost)
			return
		}
	}
}

// beat shows that the holder lives.
func (l *Lock) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.store.engine.Bounds.Prompt)
	defer cancel()
	now, err := l.store.engine.Now(ctx)
	if err != nil {
		return err
	}
	l.store.clock.set(now)
	if err := l.acquire(ctx); err != nil {
		return err
	}
	defer l.release()
	l.count++
	data, err := json.Marshal(heartbeat{l.count, now})
	if err != nil {
		return err
	}
	return l.write(ctx, heartbeatFile, data)
}

// write puts a file into the lock's container. Where the container is gone, it was pruned or taken over: it is made
// again, unless another run has it, or has had it. The caller has acquired it.
func (l *Lock) write(ctx context.Context, file string, data []byte) error {
	err := l.store.volumes.Put(ctx, l.id, file, data)
	if !errdefs.IsNotFound(err) {
		return err
	}
	id, err := l.container(ctx)
	if errdefs.IsConflict(err) {
		return &lock.LostError{Stack: l.stack}
	}
	if err != nil {
		return fmt.Errorf("keeping the lock: %w", err)
	}
	journal, err := l.store.readJournal(ctx, l.stack, id, volumes.MountPoint)
	if err == nil && journal.Sequence != l.journal {
		err = &lock.LostError{Stack: l.stack}
	}
	if err != nil {
		return errors.Join(err, l.store.engine.Discard(ctx, id))
	}
	l.id = id
	return l.store.volumes.Put(ctx, l.id, file, data)
}

// AtOnce tells whether the lock was free.
func (l *Lock) AtOnce() bool { return l.atOnce }

// Lost is closed when another run has the lock.
func (l *Lock) Lost() <-chan struct{} { return l.lost }

// Unlock lets go. It is given up even when ctx has ended.
func (l *Lock) Unlock(ctx context.Context) error {
	l.store.volumes.Hold(nil)
	l.stop()
	<-l.ended
	return errors.Join(l.forget(ctx), l.remove(ctx))
}

// forget removes the transfer container of the release.
func (l *Lock) forget(ctx context.Context) error {
	if l.record == "" {
		return nil
	}
	return l.store.volumes.Unmount(ctx, l.record)
}

func (l *Lock) remove(ctx context.Context) error {
	ctx, cancel := l.store.engine.Cleanup(ctx)
	defer cancel()
	if err := l.acquire(ctx); err != nil {
		return fmt.Errorf("releasing the lock: %w", err)
	}
	defer l.release()
	_, err := l.store.engine.API.ContainerRemove(ctx, l.id, client.ContainerRemoveOptions{Force: true})
	if err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("releasing the lock: %w", err)
	}
	return nil
}
