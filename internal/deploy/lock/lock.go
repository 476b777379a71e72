// Package lock says of the lock of a stack who holds it, and when its holder must be taken for dead. It is pure: the lock itself is on an
// engine.
package lock

import (
	"fmt"
	"time"
)

const (
	// BeatEvery is how often a holder shows that it lives.
	BeatEvery = 5 * time.Second
	// deadAfter is the age of the last beat, by the engine's clock, from which on a holder may be dead.
	deadAfter = 45 * time.Second
	// watchFor is how long a holder that may be dead is watched, by this machine's steady clock, without a beat. It
	// covers the engine's clock being moved: that changes ages, but makes no beats.
	watchFor = 3 * BeatEvery
)

// Holder says who holds the lock of a stack.
type Holder struct {
	By      string
	Host    string
	PID     int
	Process string    // names the process, so that its end can be seen on its own machine
	Since   time.Time // engine's clock
	Token   string    // random; names this holding
}

// Sighting is what was seen of a held lock.
type Sighting struct {
	ID     string // of the lock on the engine
	Holder Holder
	Count  int           // beats so far
	Age    time.Duration // of the last beat, by the engine's clock
}

// Watch follows a held lock until its holder has let go or is surely dead.
type Watch struct {
	seen  Sighting
	since time.Duration
}

// Dead takes a new sighting, made at a time of this machine's steady clock, and tells whether the holder is dead: its
// last beat is old by the engine's clock, and none came while it was watched. Where the last beat seems to be yet to come
// the clock was moved back, and says nothing: then the holder is watched until its beat must be old.
func (w *Watch) Dead(s Sighting, now time.Duration) bool {
	if s.ID != w.seen.ID || s.Count != w.seen.Count || w.seen.ID == "" {
		w.seen, w.since = s, now
	}
	watched := now - w.since
	return s.Age > deadAfter && watched >= watchFor || s.Age < 0 && watched >= deadAfter+watchFor
}

// Doubtful tells whether the last sighting may be of a dead holder, so that it is worth watching on.
func (w *Watch) Doubtful(s Sighting) bool { return s.Age > deadAfter || s.Age < 0 }

// HeldError is a lock that a living holder has.
type HeldError struct {
	Stack  string
	Holder Holder
	Age    time.Duration // of the last sign of life
}

// Error implements error.
func (e *HeldError) Error() string {
	return fmt.Sprintf("%s is being deployed by %s on %s (process %d) since %s; last heartbeat %s ago", e.Stack,
		e.Holder.By, e.Holder.Host, e.Holder.PID, e.Holder.Since.UTC().Format(time.DateTime), e.Age.Round(time.Second))
}

// LostError is a lock that may be lost: another deploy took it over as stale, or the engine did not answer for so
// long that another may have. Nothing may be changed any more.
type LostError struct{ Stack string }

// Error implements error.
func (e *LostError) Error() string {
	return "the lock of " + e.Stack + " is lost: this deploy could not renew it in time, and another deploy may hold it now"
}
