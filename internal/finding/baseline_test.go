package finding_test

import (
	"testing"

	"github.com/hsectl/hsectl/internal/finding"
)

// A baseline knows what was there, and nothing else: a pass is not in it, and another detail is another finding.
func TestBaseline(t *testing.T) {
	port := finding.Finding{Subject: "app", Control: "HSE-NET-001", Status: finding.Fail, Detail: "port 80"}
	unknown := finding.Finding{Subject: "app", Control: "HSE-USR-001", Detail: "the image decides"}
	good := finding.Finding{Subject: "app", Control: "HSE-FS-001", Status: finding.Pass}
	b := finding.NewBaseline([]finding.Finding{port, unknown, good, port})
	if len(b.Findings) != 2 {
		t.Fatalf("got %+v", b)
	}
	data, err := b.Text()
	if err != nil {
		t.Fatal(err)
	}
	if b, err = finding.ParseBaseline(data); err != nil {
		t.Fatal(err)
	}
	more := port
	more.Detail = "port 80; port 81"
	fresh, known, stale := b.Apart([]finding.Finding{more, unknown, good})
	if len(fresh) != 2 || known != 1 || stale != 1 || fresh[0].Detail != more.Detail {
		t.Errorf("fresh %+v, %d known, %d stale", fresh, known, stale)
	}
	fixed := port
	fixed.Status = finding.Pass
	if fresh, known, stale = b.Apart([]finding.Finding{fixed}); len(fresh) != 1 || known != 0 || stale != 2 {
		t.Errorf("a pass is taken for known: %+v, %d, %d", fresh, known, stale)
	}
}

func TestBaselineRefusesOthers(t *testing.T) {
	for _, text := range []string{"", "{}", "[]", `{"apiVersion":"hsectl/v1","kind":"Lint"}`, `{"apiVersion":"hsectl/v2","kind":"Baseline"}`} {
		if _, err := finding.ParseBaseline([]byte(text)); err == nil {
			t.Errorf("%s is read", text)
		}
	}
}
