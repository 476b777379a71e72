// Package vuln knows which advisories apply to a package. It reads the databases that OSV publishes, one archive of
// JSON records for each ecosystem, keeps them on this machine, and compares versions as their ecosystem does.
//
// Nothing found is an answer only when there was a database to look in and it was young enough; everything else is an
// error, never an empty list.
package vuln

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/osv-scalibr/semantic"

	"github.com/hsectl/hsectl/internal/display"
)

// Advisory is one record of OSV, as https://ossf.github.io/osv-schema/ describes it, with the fields that are used.
type Advisory struct {
	ID        string     `json:"id"`
	Aliases   []string   `json:"aliases"`
	Upstream  []string   `json:"upstream"`
	Summary   string     `json:"summary"`
	Details   string     `json:"details"`
	Modified  time.Time  `json:"modified"`
	Withdrawn *time.Time `json:"withdrawn"`
	Severity  []Score    `json:"severity"`
	Affected  []Affected `json:"affected"`
	Database  struct {
		Severity any `json:"severity"`
	} `json:"database_specific"`
}

// Score is a severity in one of the known forms.
type Score struct {
	Type  string `json:"type"` // CVSS_V2, CVSS_V3, CVSS_V4 or Ubuntu
	Score string `json:"score"`
}

// Affected names a package and its vulnerable versions.
type Affected struct {
	Package struct {
		Ecosystem string `json:"ecosystem"`
		Name      string `json:"name"`
	} `json:"package"`
	Severity  []Score  `json:"severity"`
	Ranges    []Range  `json:"ranges"`
	Versions  []string `json:"versions"`
	Ecosystem struct {
		Urgency string `json:"urgency"`
	} `json:"ecosystem_specific"`
}

// Range is a list of events on a line of versions.
type Range struct {
	Type   string  `json:"type"` // SEMVER, ECOSYSTEM or GIT
	Events []Event `json:"events"`
}

// Event starts or ends a span of vulnerable versions. One field is set.
type Event struct {
	Introduced   string `json:"introduced"`
	Fixed        string `json:"fixed"`
	LastAffected string `json:"last_affected"`
}

// Parse reads one record.
func Parse(data []byte) (Advisory, error) {
	var a Advisory
	if err := json.Unmarshal(data, &a); err != nil {
		return Advisory{}, fmt.Errorf("reading an advisory: %w", err)
	}
	if a.ID == "" {
		return Advisory{}, errors.New("reading an advisory: it has no id")
	}
	return a, nil
}

// Target is a package as advisories name it.
type Target struct{ Ecosystem, Name, Version string }

// Match is an advisory that applies.
type Match struct {
	Fixed     string // lowest version with the fix; empty when there is none
	Undecided string // why the versions could not be compared; the package counts as affected
	Affected  Affected
}

// Applies tells whether the advisory is about the target.
func (a Advisory) Applies(t Target) (Match, bool) {
	if a.Withdrawn != nil {
		return Match{}, false
	}
	for _, affected := range a.Affected {
		if affected.Package.Name != t.Name || !SameEcosystem(affected.Package.Ecosystem, t.Ecosystem) {
			continue
		}
		hit, fixed, err := affected.includes(t)
		if err != nil {
			return Match{Undecided: err.Error(), Affected: affected}, true
		}
		if hit {
			return Match{Fixed: fixed, Affected: affected}, true
		}
	}
	return Match{}, false
}

// includes decides as the OSV specification says: listed, or within a range.
func (a Affected) includes(t Target) (bool, string, error) {
	hit, fixed := slices.Contains(a.Versions, t.Version), ""
	for _, r := range a.Ranges {
		if r.Type == "GIT" {
			continue
		}
		in, by, err := r.includes(t)
		if err != nil {
			return false, "", err
		}
		hit = hit || in
		if in {
			fixed = by
		}
	}
	return hit, fixed, nil
}

// event is an Event with its version parsed.
type event struct {
	Event
	text    string
	version semantic.Version // nil is before all versions
}

// includes walks the events in the order of their versions.
func (r Range) includes(t Target) (vulnerable bool, fixed string, err error) {
	version, err := semantic.Parse(t.Version, t.Ecosystem)
	if err != nil {
		return false, "", fmt.Errorf("version %q of %s cannot be compared: %w", t.Version, t.Name, err)
	}
	events, err := r.sorted(t.Ecosystem)
	if err != nil {
		return false, "", err
	}
	for _, e := range events {
		order := 1 // of the target to the event
		if e.version != nil {
			if order, err = version.Compare(e.version); err != nil {
				return false, "", fmt.Errorf("comparing %s with %s: %w", t.Version, e.text, err)
			}
		}
		switch {
		case e.Introduced != "" && order >= 0:
			vulnerable = true
		case e.Fixed != "" && order >= 0, e.LastAffected != "" && order > 0:
			vulnerable = false
		case e.Fixed != "" && vulnerable && fixed == "":
			fixed = e.Fixed
		}
	}
	if !vulnerable {
		fixed = ""
	}
	return vulnerable, fixed, nil
}

func (r Range) sorted(ecosystem string) ([]event, error) {
	var events []event
	for _, e := range r.Events {
		text := e.Introduced + e.Fixed + e.LastAffected
		if text == "" {
			continue // a limit, which only matters for git
		}
		out := event{Event: e, text: text}
		if e.Introduced != "0" {
			v, err := semantic.Parse(text, ecosystem)
			if err != nil {
				return nil, fmt.Errorf("version %q of the advisory cannot be compared: %w", text, err)
			}
			out.version = v
		}
		events = append(events, out)
	}
	var failed error
	slices.SortStableFunc(events, func(a, b event) int {
		switch {
		case a.version == nil && b.version == nil:
			return 0
		case a.version == nil:
			return -1
		case b.version == nil:
			return 1
		}
		order, err := a.version.Compare(b.version)
		failed = errors.Join(failed, err)
		return order
	})
	return events, failed
}

// SameEcosystem tells whether an advisory's ecosystem is a package's. Releases count when both name one; what vendors
// add behind the release (LTS, repositories of Red Hat) does not, but paid extensions are an ecosystem of their own.
func SameEcosystem(advisory, mine string) bool {
	a, releaseA, _ := strings.Cut(advisory, ":")
	b, releaseB, _ := strings.Cut(mine, ":")
	if a != b {
		return false
	}
	if releaseA == "" || releaseB == "" {
		return true
	}
	if a == "Red Hat" {
		return major(releaseA) == major(releaseB)
	}
	return strings.TrimSuffix(releaseA, ":LTS") == strings.TrimSuffix(releaseB, ":LTS")
}

// major returns product and major release of a CPE's end, such as enterprise_linux:9 of enterprise_linux:9::baseos.
func major(cpe string) string {
	parts := strings.Split(cpe, ":")
	if len(parts) < 2 {
		return cpe
	}
	release, _, _ := strings.Cut(parts[1], ".")
	return parts[0] + ":" + release
}

// Names returns the id and all other names of the advisory.
func (a Advisory) Names() []string { return slices.Concat([]string{a.ID}, a.Aliases, a.Upstream) }

// maxLine is what fits next to a name in a terminal.
const maxLine = 120

// Line says in one short line what an advisory is about.
func (a Advisory) Line() string {
	text := cmp.Or(a.Summary, a.Details)
	text = display.FirstLine(strings.TrimSpace(text))
	if runes := []rune(text); len(runes) > maxLine {
		text = strings.TrimSpace(string(runes[:maxLine-1])) + "…"
	}
	return display.Clean(text)
}
