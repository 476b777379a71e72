package finding_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/hsectl/hsectl/internal/finding"
)

func TestTheZeroFindingProvesNothing(t *testing.T) {
	var f finding.Finding
	if f.Status != finding.Unknown || f.Tier != finding.None || f.Proven() {
		t.Errorf("the zero finding is %s with evidence %s", f.Status, f.Tier)
	}
}

func TestProven(t *testing.T) {
	for status, want := range map[finding.Status]bool{
		finding.Unknown: false, finding.Pass: true, finding.Fail: false, finding.Drift: false, finding.Waived: true, finding.NotApplicable: true,
	} {
		if got := (finding.Finding{Status: status}).Proven(); got != want {
			t.Errorf("%s is proven: %t", status, got)
		}
		if got := finding.Proven([]finding.Finding{{Status: finding.Pass}, {Status: status}}); got != want {
			t.Errorf("a pass and %s are proven: %t", status, got)
		}
	}
	if finding.Proven(nil) {
		t.Error("no findings prove something")
	}
}

func TestTally(t *testing.T) {
	got := finding.Tally([]finding.Finding{{Status: finding.Pass}, {}, {Status: finding.Pass}})
	if want := map[finding.Status]int{finding.Pass: 2, finding.Unknown: 1}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}

// What is written for machines is read back the same.
func TestJSONRoundTrip(t *testing.T) {
	for status := finding.Unknown; status <= finding.NotApplicable; status++ {
		for severity := finding.Info; severity <= finding.Critical; severity++ {
			for tier := finding.None; tier <= finding.Behaved; tier++ {
				want := finding.Finding{Subject: "app", Control: "HSE-FS-001", Title: "t", Severity: severity, Status: status, Tier: tier,
					Waiver: &finding.Waiver{Reason: "r", Owner: "o", Expires: "2027-01-01"}}
				data, err := json.Marshal(want)
				if err != nil {
					t.Fatal(err)
				}
				var got finding.Finding
				if err := json.Unmarshal(data, &got); err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("got %+v, %v from %s", got, err, data)
				}
			}
		}
	}
}

// A word that is not known is refused, so that a misspelt status cannot become a pass, or anything else.
func TestUnknownWords(t *testing.T) {
	for _, text := range []string{`{"status":"passed"}`, `{"status":""}`, `{"status":"PASS"}`, `{"severity":"urgent"}`, `{"tier":"guessed"}`} {
		f := finding.Finding{Status: finding.Fail}
		if err := json.Unmarshal([]byte(text), &f); err == nil || f.Status != finding.Fail {
			t.Errorf("%s: %v, %+v", text, err, f)
		}
	}
}
