// Package lifecycle is what is known of the life of versions: which releases of the engine have the fixes of known escapes, until
// when a distribution gets updates, and which images are not made any more. It is data as of a day, and says when that is too
// long ago to prove anything. The day of the check is a value that the caller gives.
package lifecycle

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/yamldoc"
)

// Data are the three tables. The zero Data is older than any day.
type Data struct {
	Engine        Engine        `yaml:"engine"`
	Distributions Distributions `yaml:"distributions"`
	Images        Images        `yaml:"images"`
}

// Dated says as of which day a table is, and how old it may become.
type Dated struct {
	AsOf       Day      `yaml:"as_of"`
	MaxAgeDays int      `yaml:"max_age_days"`
	Reason     string   `yaml:"reason"` // why it may become that old
	Sources    []string `yaml:"sources"`
}

// Stale says that the table is too old to prove anything on a day; empty when it is not.
func (d Dated) Stale(today time.Time) string {
	switch {
	case d.AsOf.IsZero():
		return "no data is loaded"
	case today.IsZero():
		return "the day of the check is not known"
	case today.Before(d.AsOf.AddDate(0, 0, d.MaxAgeDays+1)):
		return ""
	}
	return fmt.Sprintf("the data is of %s and more than %d days old; update hsectl", d.AsOf.Format(time.DateOnly), d.MaxAgeDays)
}

// Day is a day, written 2026-11-27.
type Day struct{ time.Time }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Day) UnmarshalText(text []byte) error {
	t, err := time.Parse(time.DateOnly, string(text))
	if err != nil {
		return fmt.Errorf("%q is not a day such as 2026-11-27", text)
	}
	d.Time = t
	return nil
}

// Engine are the floors of the engine and what it stands on, by name.
type Engine struct {
	Data   Dated              `yaml:"data"`
	Floors map[string][]Floor `yaml:"floors"`
	Guards []Guard            `yaml:"guards"`

	Loopback Version `yaml:"loopback"` // the first release that keeps neighbours on a network away from ports on loopback
}

// Guard is a system call that the engine's own filter refuses.
type Guard struct {
	Call  string   `yaml:"call"`  // as the probe calls what it tries
	Since Version  `yaml:"since"` // the first release of the engine that refuses it
	Fixes []string `yaml:"fixes"` // what begins with this call, if that has a number

	Unless []string `yaml:"unless"` // capabilities for which the filter lets it through
}

// Floor are the first releases that have fixes, one for each line of development, the oldest line first.
type Floor struct {
	First []Version `yaml:"first"`
	Fixes []string  `yaml:"fixes"` // what they fix
}

// Missing returns the floors of a part that a version does not reach.
func (e Engine) Missing(part string, v Version) []Floor {
	return slices.DeleteFunc(slices.Clone(e.Floors[part]), func(f Floor) bool { return f.Reached(v) })
}

// Reached reports whether a version has the fixes: it is compared with the floor of its own line, or with the newest line.
func (f Floor) Reached(v Version) bool {
	for _, first := range f.First {
		if len(f.First) > 1 && v[0] == first[0] && v[1] == first[1] {
			return v[2] >= first[2]
		}
	}
	return len(f.First) > 0 && slices.Compare(v[:], f.First[len(f.First)-1][:]) >= 0
}

// String lists the first releases and what they fix.
func (f Floor) String() string {
	var words []string
	for _, v := range f.First {
		words = append(words, v.String())
	}
	text := strings.Join(words, ", ")
	if len(f.Fixes) > 0 {
		text += " (" + strings.Join(f.Fixes, ", ") + ")"
	}
	return text
}

// Version is major, minor and patch.
type Version [3]int

// leading reads the numbers at the beginning of a version.
var leading = regexp.MustCompile(`^v?(\d+)\.(\d+)(?:\.(\d+))?(.*)$`)

// VersionOf reads what a part calls itself, such as v1.2.3+vendor, and returns also what follows the numbers.
func VersionOf(text string) (v Version, rest string, ok bool) {
	parts := leading.FindStringSubmatch(text)
	if parts == nil {
		return Version{}, "", false
	}
	for i := range v {
		v[i], _ = strconv.Atoi(parts[i+1]) // the pattern has digits there, or nothing
	}
	return v, parts[4], true
}

// Before reports whether a version is older than another.
func (v Version) Before(other Version) bool { return slices.Compare(v[:], other[:]) < 0 }

// String returns 1.2.3.
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

// UnmarshalText implements encoding.TextUnmarshaler.
func (v *Version) UnmarshalText(text []byte) error {
	parts := strings.Split(string(text), ".")
	if len(parts) != len(v) {
		return fmt.Errorf("%q is not a version such as 1.2.3", text)
	}
	for i, p := range parts {
		n, err := strconv.Atoi(p)
		if err != nil || n < 0 {
			return fmt.Errorf("%q is not a version such as 1.2.3", text)
		}
		v[i] = n
	}
	return nil
}

// Distributions are the last days of support of releases of distributions, by ID and VERSION_ID of os-release(5).
type Distributions struct {
	Data Dated                     `yaml:"data"`
	Ends map[string]map[string]Day `yaml:"ends"`
}

// End returns the last day of support of a release, and its name; false when it is not known. A version of several parts
// belongs to the release with the most of them.
func (d Distributions) End(id, version string) (Day, string, bool) {
	parts := strings.SplitN(version, ".", 3)
	for n := len(parts); n > 0; n-- {
		release := strings.Join(parts[:n], ".")
		if end, ok := d.Ends[id][release]; ok {
			return end, id + " " + release, true
		}
	}
	return Day{}, "", false
}

// Images are the images that are not made any more.
type Images struct {
	Data    Dated     `yaml:"data"`
	Retired []Retired `yaml:"retired"`
}

// Retired is an image that is not made any more, or some tags of it.
type Retired struct {
	Repository string  `yaml:"repository"` // without docker.io and library
	Tags       Pattern `yaml:"tags"`       // all of them where there is none
	Why        string  `yaml:"why"`
}

// Pattern is a regular expression; the zero Pattern fits everything.
type Pattern struct{ expression *regexp.Regexp }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Pattern) UnmarshalText(text []byte) (err error) {
	p.expression, err = regexp.Compile(string(text))
	return err
}

// Why says why an image should not be used any more, or not under this tag; empty when nothing is known against it.
func (i Images) Why(repository, tag string) string {
	if tag == "" {
		tag = "latest"
	}
	for _, r := range i.Retired {
		if r.Repository == repository && (r.Tags.expression == nil || r.Tags.expression.MatchString(tag)) {
			return r.Why
		}
	}
	return ""
}

// Mentions reports whether the table says anything of a repository.
func (i Images) Mentions(repository string) bool {
	return slices.ContainsFunc(i.Retired, func(r Retired) bool { return r.Repository == repository })
}

// Parse reads the tables. What is missing or has no date is a mistake.
func Parse(file string, data []byte) (Data, error) {
	c := &yamldoc.Collector{}
	node := yamldoc.Parse(yamldoc.Source{File: file, Data: data}, c)
	var out Data
	if node != nil {
		d := yamldoc.NewDecoder(c)
		d.Decode(node, &out, "")
		out.check(c, d.Places)
	}
	if err := c.Err(); err != nil {
		return Data{}, fmt.Errorf("reading the data about life cycles: %w", err)
	}
	return out, nil
}

func (d Data) check(c *yamldoc.Collector, places yamldoc.Places) {
	tables := map[string]Dated{"engine": d.Engine.Data, "distributions": d.Distributions.Data, "images": d.Images.Data}
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		if err := tables[name].check(); err != nil {
			c.Add(places.Origin(name+".data").At, "", "%s.data: %v", name, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.Engine.Floors)) {
		for i, f := range d.Engine.Floors[name] {
			at := fmt.Sprintf("engine.floors.%s[%d]", name, i)
			if len(f.First) == 0 || !slices.IsSortedFunc(f.First, func(a, b Version) int { return slices.Compare(a[:], b[:]) }) {
				c.Add(places.Origin(at).At, "", "%s.first must list versions, the oldest first", at)
			}
			if len(f.Fixes) == 0 {
				c.Add(places.Origin(at).At, "", "%s.fixes must name what the releases fix", at)
			}
		}
	}
	if d.Engine.Loopback == (Version{}) {
		c.Add(places.Origin("engine").At, "", "engine.loopback is missing")
	}
	for i, g := range d.Engine.Guards {
		if g.Call == "" || g.Since == (Version{}) {
			c.Add(places.Origin(fmt.Sprintf("engine.guards[%d]", i)).At, "", "engine.guards[%d] needs a call and since", i)
		}
	}
	for i, r := range d.Images.Retired {
		if r.Repository == "" || r.Why == "" {
			c.Add(places.Origin(fmt.Sprintf("images.retired[%d]", i)).At, "", "images.retired[%d] needs a repository and why", i)
		}
	}
}

func (d Dated) check() error {
	switch {
	case d.AsOf.IsZero():
		return errors.New("as_of is missing")
	case d.MaxAgeDays <= 0:
		return errors.New("max_age_days must be above 0")
	case d.Reason == "":
		return errors.New("reason is missing")
	case len(d.Sources) == 0:
		return errors.New("sources are missing")
	}
	return nil
}
