package record

import (
	"errors"
	"time"
)

// Phase is how far a transaction has come.
type Phase string

// The phases of a transaction. It is open in the first two: a journal that says so and has no living holder was interrupted.
const (
	Applying Phase = "applying"
	Undoing  Phase = "undoing"
	Closed   Phase = "closed"
)

// Journal says what a transaction is about to do. It is written before each step, so that the next run after a crash
// knows what may have happened.
type Journal struct {
	Sequence int               `json:"sequence"` // grows by one with each writing
	Token    string            `json:"token"`    // of the lock under which it was written
	Made     Made              `json:"made"`
	From     int               `json:"from"` // the release to return to; 0 when there is none
	To       int               `json:"to"`
	Phase    Phase             `json:"phase"`
	Step     string            `json:"step,omitempty"` // what happens now
	At       time.Time         `json:"at"`
	Tags     map[string]string `json:"tags,omitempty"` // image ids by reference, as they were before
}

// Open tells whether the transaction has not ended.
func (j Journal) Open() bool { return j.Phase == Applying || j.Phase == Undoing }

// Slots is the number of places in which the journal is kept in turn: one that is half written leaves the one before.
const Slots = 2

// Slot returns the place of this journal.
func (j Journal) Slot() int { return j.Sequence % Slots }

// EncodeJournal returns the bytes to keep.
func EncodeJournal(j Journal) ([]byte, error) { return seal("Journal", j) }

// DecodeJournal returns the newest whole journal among the slots. Without any it is the zero Journal: nothing was begun.
// It is an error only when there are slots and all are damaged, or when a later hsectl wrote one of them.
func DecodeJournal(slots [][]byte) (Journal, error) {
	var newest Journal
	var damage error
	for _, data := range slots {
		var j Journal
		err := unseal("Journal", data, &j)
		if newer, ok := errors.AsType[*NewerError](err); ok {
			return Journal{}, newer
		}
		if err != nil {
			damage = errors.Join(damage, err)
			continue
		}
		if j.Sequence > newest.Sequence {
			newest = j
		}
	}
	if newest.Sequence == 0 && damage != nil && len(slots) == Slots {
		return newest, &DamagedError{"the journal", damage}
	}
	return newest, nil
}
