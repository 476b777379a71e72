package platform_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/lifecycle"
	"github.com/hsectl/hsectl/internal/policy/platform"
	"github.com/hsectl/hsectl/profiles"
)

// Each floor that is delivered holds on the day of its data, proves nothing when the data is too old, and refuses what is below it for ever.
func TestDeliveredFloors(t *testing.T) {
	known, err := lifecycle.Parse("lifecycles.yaml", profiles.Lifecycles())
	if err != nil {
		t.Fatal(err)
	}
	fresh := known.Engine.Data.AsOf.Time
	stale := fresh.AddDate(0, 0, known.Engine.Data.MaxAgeDays+1)
	newest := map[string]string{} // of each part, a version that reaches every floor
	for part, floors := range known.Engine.Floors {
		var most lifecycle.Version
		for _, f := range floors {
			if last := f.First[len(f.First)-1]; most.Before(last) {
				most = last
			}
		}
		newest[part] = most.String()
	}
	judge := func(versions map[string]string, old bool) finding.Finding {
		m := safe()
		m.Versions = seen(versions)
		day := fresh
		if old {
			day = stale
		}
		return statusOf(t, platform.CheckMachine(m, known.Engine, day), "HSE-OPS-005")
	}
	if got := judge(newest, false); got.Status != finding.Pass {
		t.Errorf("the newest of all: %s: %s", got.Status, got.Detail)
	}
	if got := judge(newest, true); got.Status != finding.Unknown || !strings.Contains(got.Detail, "days old") {
		t.Errorf("the newest of all, by old data: %s: %s", got.Status, got.Detail)
	}
	for part, floors := range known.Engine.Floors {
		for _, f := range floors {
			for _, first := range f.First {
				below := first
				switch {
				case below[2] > 0:
					below[2]--
				case below[1] > 0:
					below[1]--
					below[2] = 0
				default:
					below[0]--
					below[1] = 0
				}
				if !f.Reached(first) || f.Reached(below) {
					t.Errorf("%s %s: %s reaches it %v, %s reaches it %v", part, f, first, f.Reached(first), below, f.Reached(below))
				}
				versions := maps.Clone(newest)
				versions[part] = below.String()
				for _, old := range []bool{false, true} {
					if got := judge(versions, old); got.Status != finding.Fail || !strings.Contains(got.Detail, fmt.Sprintf("%s %s; the fixes are in", part, below)) {
						t.Errorf("%s %s: %s: %s", part, below, got.Status, got.Detail)
					}
				}
			}
		}
	}
}
