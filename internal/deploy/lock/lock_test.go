package lock_test

import (
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/deploy/lock"
)

// look is what is seen of a lock at one moment of this machine's clock.
type look struct {
	at    time.Duration
	id    string
	count int
	age   time.Duration // by the engine's clock
	dead  bool
}

// A holder is dead when its last beat is old and no other came while it was watched. One that beats is never dead,
// whatever the engine's clock says.
func TestWhoIsDead(t *testing.T) {
	const s = time.Second
	for name, looks := range map[string][]look{
		"alive":                     {{0, "a", 1, 2 * s, false}, {60 * s, "a", 13, 1 * s, false}},
		"dead":                      {{0, "a", 9, time.Hour, false}, {10 * s, "a", 9, time.Hour, false}, {15 * s, "a", 9, time.Hour, true}},
		"the clock jumped ahead":    {{0, "a", 1, time.Hour, false}, {5 * s, "a", 2, time.Hour, false}, {15 * s, "a", 4, time.Hour, false}, {60 * s, "a", 13, time.Hour, false}},
		"the clock jumped back":     {{0, "a", 1, -time.Hour, false}, {59 * s, "a", 1, 59*s - time.Hour, false}, {60 * s, "a", 1, 60*s - time.Hour, true}},
		"it jumped back, and beats": {{0, "a", 1, -time.Hour, false}, {5 * s, "a", 2, 0, false}, {70 * s, "a", 15, 0, false}},
		"just stopped":              {{0, "a", 3, 20 * s, false}, {20 * s, "a", 3, 40 * s, false}, {30 * s, "a", 3, 50 * s, true}},
		"taken over meanwhile":      {{0, "a", 9, time.Hour, false}, {14 * s, "b", 9, time.Hour, false}, {16 * s, "b", 9, time.Hour, false}},
		"woke while it was watched": {{0, "a", 9, time.Hour, false}, {14 * s, "a", 10, 0, false}, {16 * s, "a", 10, 2 * s, false}},
	} {
		t.Run(name, func(t *testing.T) {
			var w lock.Watch
			for _, l := range looks {
				if got := w.Dead(lock.Sighting{ID: l.id, Count: l.count, Age: l.age}, l.at); got != l.dead {
					t.Errorf("after %s: dead %v, want %v", l.at, got, l.dead)
				}
			}
		})
	}
}
