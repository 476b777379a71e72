package record_test

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/hsectl/hsectl/internal/record"
)

func sealedJournal(t testing.TB, j record.Journal) []byte {
	t.Helper()
	data, err := record.EncodeJournal(j)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// The newest whole journal counts. One that is cut anywhere leaves the one before it.
func TestJournalCutAnywhere(t *testing.T) {
	first := record.Journal{Sequence: 4, Phase: record.Applying, Step: "converge shop"}
	second := record.Journal{Sequence: 5, Phase: record.Closed}
	one, two := sealedJournal(t, first), sealedJournal(t, second)
	got, err := record.DecodeJournal([][]byte{one, two})
	if err != nil || !reflect.DeepEqual(got, second) || got.Open() {
		t.Errorf("got %+v, %v", got, err)
	}
	for cut := range two {
		got, err := record.DecodeJournal([][]byte{one, two[:cut]})
		if err != nil || !reflect.DeepEqual(got, first) || !got.Open() {
			t.Fatalf("cut at %d: %+v, %v", cut, got, err)
		}
	}
	if got, err := record.DecodeJournal(nil); err != nil || got.Open() || got.Sequence != 0 {
		t.Errorf("nothing was written yet: %+v, %v", got, err)
	}
	if _, err := record.DecodeJournal([][]byte{one[:5]}); err != nil {
		t.Errorf("the first writing was cut: %v", err)
	}
	var damaged *record.DamagedError
	if _, err := record.DecodeJournal([][]byte{one[:5], two[:5]}); !errors.As(err, &damaged) {
		t.Errorf("both are damaged: %v", err)
	}
	if first.Slot() == second.Slot() {
		t.Error("two writings in a row go to one place")
	}
}

// A release that was changed by as much as one byte is refused, or says the same.
func TestTamperedRelease(t *testing.T) {
	r := record.Release{Stack: "shop", Number: 7, Intent: record.Intent{Name: "shop"}, Compose: []byte("name: shop\n"),
		Images: map[string]record.Image{"redis:8": {ID: "sha256:b"}}, Secrets: map[string]string{"app": "shop_app_secrets_3"}}
	data, err := record.EncodeRelease(r)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := record.DecodeRelease(data); err != nil || !reflect.DeepEqual(got, r) {
		t.Fatalf("got %+v, %v", got, err)
	}
	for i := range data {
		changed := bytes.Clone(data)
		changed[i] ^= 1
		if got, err := record.DecodeRelease(changed); err == nil && !reflect.DeepEqual(got, r) {
			t.Fatalf("byte %d was changed, and the release is taken as %+v", i, got)
		}
		if _, err := record.DecodeRelease(data[:i]); err == nil {
			t.Fatalf("cut at %d it is taken", i)
		}
	}
}

// history is a list of releases, oldest first: d deployed, u undone, c cut off, and a digit a return to that release.
func history(ends string) record.History {
	var out record.History
	for i, end := range ends {
		r := record.Entry{Number: i + 1, Release: record.Release{Number: i + 1}, Outcome: record.Outcome{Status: record.Deployed}}
		switch end {
		case 'u':
			r.Outcome.Status = record.Undone
		case 'c':
			r.Outcome.Status = ""
		case 'd':
		default:
			r.Release.Again = int(end - '0')
		}
		out = append(out, r)
	}
	return out
}

func TestHistory(t *testing.T) {
	for _, c := range []struct {
		ends              string
		current, previous int
		expired           []int // when two are kept
	}{
		{"", 0, 0, nil},
		{"d", 1, 0, nil},
		{"u", 0, 0, nil},
		{"dd", 2, 1, nil},
		{"ddu", 2, 1, nil},
		{"ddc", 2, 1, nil},
		{"udd", 3, 2, []int{1}},
		{"ddd2", 4, 1, []int{2, 1}},
		{"ddd21", 5, 0, []int{3, 2, 1}},
		{"dudud", 5, 3, []int{2, 1}},
		{"dd1d", 4, 3, []int{2, 1}},
	} {
		h := history(c.ends)
		current, _ := h.Current()
		previous, _ := h.Previous()
		var expired []int
		for _, r := range h.Expired(2).Sorted() {
			expired = append(expired, r.Number)
		}
		if current.Number != c.current || previous.Number != c.previous || !slices.Equal(expired, c.expired) || h.Next() != len(c.ends)+1 {
			t.Errorf("%q: current %d, previous %d, expired %v; want %d, %d, %v", c.ends, current.Number, previous.Number, expired, c.current, c.previous, c.expired)
		}
	}
}

func FuzzRecords(f *testing.F) {
	f.Add(sealedJournal(f, record.Journal{Sequence: 1}))
	f.Add([]byte(`{"apiVersion":"hsectl/v1","kind":"Release","sha256":"","body":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := record.DecodeRelease(data); err == nil {
			if _, err := record.EncodeRelease(r); err != nil {
				t.Error(err)
			}
		}
		_, _ = record.DecodeOutcome(data)
		if j, err := record.DecodeJournal([][]byte{data}); err != nil || j.Sequence < 0 {
			t.Errorf("%+v, %v", j, err)
		}
	})
}
