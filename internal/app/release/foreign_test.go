package release

import (
	"errors"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/record"
)

// Rollback returns to no record that none of the deployers has signed, and never from a signed one to an unsigned one.
func TestRollbackToForeignRecords(t *testing.T) {
	t.Parallel()
	entry := func(number int, foreign error, signed bool) record.Entry {
		return record.Entry{Number: number, Outcome: record.Outcome{Status: record.Deployed}, Foreign: foreign, Signed: signed}
	}
	history := record.History{entry(1, nil, true), entry(2, record.ErrUnsigned, false), entry(3, nil, true)}
	s := &session{stack: "shop", history: history}
	if got, err := s.target(1); err != nil || got.Number != 1 {
		t.Errorf("a signed one: %d, %v", got.Number, err)
	}
	for _, number := range []int{2, 0} { // 0 is the one before the current one
		if _, err := s.target(number); !errors.Is(err, record.ErrUnsigned) || !strings.Contains(err.Error(), "release 2 of shop") {
			t.Errorf("an unsigned one: %v", err)
		}
	}
	s.named = true
	if _, err := s.target(1); err == nil || !strings.Contains(err.Error(), "is signed") {
		t.Errorf("without a profile: %v", err)
	}
}
