package lifecycle_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/lifecycle"
	"github.com/hsectl/hsectl/profiles"
)

func shipped(t *testing.T) lifecycle.Data {
	t.Helper()
	d, err := lifecycle.Parse("lifecycles.yaml", profiles.Lifecycles())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func day(t *testing.T, text string) time.Time {
	t.Helper()
	d, err := time.Parse(time.DateOnly, text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// The data that hsectl brings can be read, each table is dated, and each end of life is one.
func TestShippedData(t *testing.T) {
	d := shipped(t)
	for name, table := range map[string]lifecycle.Dated{"engine": d.Engine.Data, "distributions": d.Distributions.Data, "images": d.Images.Data} {
		for _, source := range table.Sources {
			if !strings.HasPrefix(source, "https://") {
				t.Errorf("%s: %s is not an address", name, source)
			}
		}
	}
	if len(d.Engine.Floors) != 4 || len(d.Distributions.Ends) < 8 || len(d.Images.Retired) < 8 {
		t.Errorf("%d floors, %d distributions, %d images", len(d.Engine.Floors), len(d.Distributions.Ends), len(d.Images.Retired))
	}
}

// A table proves something up to the last day of its age, and nothing after it.
func TestStale(t *testing.T) {
	d := lifecycle.Dated{AsOf: lifecycle.Day{Time: day(t, "2026-01-01")}, MaxAgeDays: 180}
	if why := d.Stale(day(t, "2026-06-30")); why != "" {
		t.Errorf("on the last day: %s", why)
	}
	if why := d.Stale(day(t, "2026-07-01")); why != "the data is of 2026-01-01 and more than 180 days old; update hsectl" {
		t.Errorf("a day later: %s", why)
	}
	if why := d.Stale(time.Time{}); why != "the day of the check is not known" {
		t.Errorf("on no day: %s", why)
	}
	if why := (lifecycle.Dated{}).Stale(day(t, "2026-07-01")); why != "no data is loaded" {
		t.Errorf("without data: %s", why)
	}
}

func TestFloors(t *testing.T) {
	lines := lifecycle.Floor{First: []lifecycle.Version{{1, 2, 8}, {1, 3, 3}, {1, 4, 0}}}
	for v, want := range map[lifecycle.Version]bool{{1, 1, 15}: false, {1, 2, 7}: false, {1, 2, 8}: true, {1, 3, 2}: false, {1, 3, 4}: true, {1, 4, 0}: true, {2, 0, 0}: true} {
		if got := lines.Reached(v); got != want {
			t.Errorf("%s: %v", v, got)
		}
	}
	if (lifecycle.Floor{}).Reached(lifecycle.Version{9, 9, 9}) {
		t.Error("a floor that is not known is reached")
	}
}

// What hsectl brings names each fix that a version misses, and nothing else.
func TestMissingFixes(t *testing.T) {
	engine := shipped(t).Engine
	for _, c := range []struct {
		part    string
		version lifecycle.Version
		want    string
	}{
		{"engine", lifecycle.Version{29, 7, 1}, ""},
		{"engine", lifecycle.Version{29, 5, 1}, "29.7.1 (CVE-2026-17106)"},
		{"engine", lifecycle.Version{29, 3, 1}, "29.4.2 (CVE-2026-31431) 29.5.1 (CVE-2026-41567, CVE-2026-41568, CVE-2026-42306) 29.7.1 (CVE-2026-17106)"},
		{"runc", lifecycle.Version{1, 3, 6}, ""},
		{"runc", lifecycle.Version{1, 4, 2}, "1.3.6, 1.4.3 (CVE-2026-41579)"},
		{"containerd", lifecycle.Version{1, 7, 28}, "1.7.29, 2.0.7, 2.1.5, 2.2.0 (CVE-2024-25621)"},
		{"kernel", lifecycle.Version{6, 18, 44}, ""},
		{"kernel", lifecycle.Version{6, 18, 21}, "5.10.254, 5.15.204, 6.1.170, 6.6.137, 6.12.85, 6.18.22, 6.19.12, 7.0.0 (CVE-2026-31431)"},
	} {
		var got []string
		for _, f := range engine.Missing(c.part, c.version) {
			got = append(got, f.String())
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s %s misses %q", c.part, c.version, got)
		}
	}
}

func TestEnds(t *testing.T) {
	d := shipped(t).Distributions
	for release, want := range map[[2]string]string{{"debian", "9.13"}: "debian 9", {"alpine", "3.20.3"}: "alpine 3.20", {"ubuntu", "22.04"}: "ubuntu 22.04", {"debian", ""}: "", {"arch", "1"}: ""} {
		if _, name, ok := d.End(release[0], release[1]); name != want || ok != (want != "") {
			t.Errorf("%v is %q", release, name)
		}
	}
}

func TestRetiredImages(t *testing.T) {
	i := shipped(t).Images
	for reference, want := range map[[2]string]bool{{"mongo", ""}: true, {"mongo", "8"}: true, {"mongo", "8.0"}: false, {"grafana/promtail", "3.5"}: true, {"gcr.io/cadvisor/cadvisor", "v0.53.0"}: false,
		{"gcr.io/cadvisor/cadvisor", "v0.54.1"}: true, {"prom/prometheus", "v3.5.0"}: true, {"prom/prometheus", "v3.5.0-busybox"}: false, {"redis", "8"}: false} {
		if got := i.Why(reference[0], reference[1]); got != "" != want {
			t.Errorf("%v: %q", reference, got)
		}
	}
}

// A table without a date, a bound, a reason or a source is no data; all mistakes come at once, each with its place.
func TestWhatIsNoData(t *testing.T) {
	text := "engine: {data: {as_of: 2026-13-01}, floors: {runc: [{first: [1.4.0, 1.3.3], fixes: [x]}, {first: [1.4.1]}]}}\ndistributions: {data: {as_of: 2026-01-01, max_age_days: 1, sources: [x]}}\n" +
		"images:\n  data: {as_of: 2026-01-01, max_age_days: 1, reason: x, sources: [x]}\n  retired:\n    - {repository: a, tags: '(', why: b}\n    - {repository: c}\n"
	_, err := lifecycle.Parse("x.yaml", []byte(text))
	for _, want := range []string{"2026-13-01", "engine.floors.runc[0].first must list versions, the oldest first", "engine.floors.runc[1].fixes must name", "distributions.data: reason is missing", "images.retired[0].tags", "images.retired[1] needs"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	if _, err := lifecycle.Parse("x.yaml", nil); err == nil {
		t.Error("nothing is data")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(profiles.Lifecycles())
	f.Add([]byte("engine: {data: {as_of: 2026-01-01}}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := lifecycle.Parse("x.yaml", data)
		if err == nil && (d.Engine.Data.AsOf.IsZero() || d.Images.Data.MaxAgeDays <= 0) {
			t.Errorf("data without a date is read: %+v", d)
		}
	})
}
