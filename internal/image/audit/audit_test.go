package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/image/audit"
	"github.com/hsectl/hsectl/internal/image/lock"
	"github.com/hsectl/hsectl/internal/image/sbom"
	"github.com/hsectl/hsectl/internal/image/scan"
	"github.com/hsectl/hsectl/internal/image/vuln"
	"github.com/hsectl/hsectl/internal/lifecycle"
)

var today = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// database is a database in memory.
type database map[string][]string

func (s database) Find(_ context.Context, ecosystem string, names map[string]bool) (vuln.Info, map[string][]vuln.Advisory, error) {
	records, ok := s[ecosystem]
	if !ok {
		return vuln.Info{}, nil, errors.New("no database of " + ecosystem)
	}
	out := map[string][]vuln.Advisory{}
	for _, r := range records {
		a, err := vuln.Parse([]byte(r))
		if err != nil {
			return vuln.Info{}, nil, err
		}
		for _, affected := range a.Affected {
			if names[affected.Package.Name] {
				out[affected.Package.Name] = append(out[affected.Package.Name], a)
			}
		}
	}
	return vuln.Info{Ecosystem: ecosystem, Checked: today, Records: len(records)}, out, nil
}

func advisories() database {
	npm := func(id, extra, name, fixed string) string {
		return `{"id":"` + id + `",` + extra + `"affected":[{"package":{"ecosystem":"npm","name":"` + name + `"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}` + fixed + `]}]}]}`
	}
	return database{
		"npm": {
			npm("GHSA-1", `"aliases":["CVE-2026-1"],"database_specific":{"severity":"CRITICAL"},`, "left", `,{"fixed":"2.0.0"}`),
			npm("GHSA-1b", `"aliases":["CVE-2026-1"],"database_specific":{"severity":"LOW"},`, "left", `,{"fixed":"2.0.0"}`),
			npm("GHSA-2", `"aliases":["CVE-2026-2"],"database_specific":{"severity":"HIGH"},`, "left", ""),
			npm("GHSA-3", `"database_specific":{"severity":"LOW"},`, "right", ""),
		},
		"Debian": {`{"id":"DEBIAN-CVE-2026-9","upstream":["CVE-2026-9"],"affected":[{"package":{"ecosystem":"Debian:12","name":"openssl"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"3.0.5"}]}],"ecosystem_specific":{"urgency":"high"}}]}`},
	}
}

func picture() image.Image {
	return image.Image{Name: "shop:1", Digest: "sha256:" + strings.Repeat("a", 64), Config: image.Config{OS: "linux", Architecture: "amd64", User: "1000:1000",
		Created: today.Add(-240 * time.Hour), DiffIDs: []string{"sha256:1", "sha256:2"}, History: []image.Step{{CreatedBy: "FROM debian", Layer: 0}, {CreatedBy: "ENV A=1", Layer: -1}, {CreatedBy: "COPY node_modules", Layer: 1}}}}
}

func contents() scan.Contents {
	return scan.Contents{Release: map[string]string{"ID": "debian", "VERSION_ID": "12"}, Files: true, Packages: []scan.Package{
		{Type: "deb", Name: "libssl3", Source: "openssl", Version: "3.0.2", Ecosystem: "Debian:12", PURL: "pkg:deb/debian/libssl3@3.0.2?distro=bookworm", Location: "var/lib/dpkg/status"},
		{Type: "npm", Name: "left", Version: "1.0.0", Ecosystem: "npm", PURL: "pkg:npm/left@1.0.0", Location: "a/left/package.json", Layer: 1},
		{Type: "npm", Name: "right", Version: "1.0.0", Ecosystem: "npm", PURL: "pkg:npm/right@1.0.0", Location: "a/right/package.json", Layer: 1},
	}}
}

func reported(t *testing.T, p audit.Policy, base []audit.Vulnerability) audit.Report {
	t.Helper()
	r := audit.New(picture(), []scan.Layer{{DiffID: "sha256:1"}, {DiffID: "sha256:2"}}, contents())
	if err := r.Match(context.Background(), advisories()); err != nil {
		t.Fatal(err)
	}
	r.Weigh(p, base)
	r.Findings = audit.Judge(audit.Subject{Reference: "shop:1", Config: picture().Config, Contents: contents(), Report: r, Matched: true}, p)
	return r
}

func ids(list []audit.Vulnerability) []string {
	var out []string
	for _, v := range list {
		out = append(out, v.ID)
	}
	return out
}

func TestEachVulnerabilityOnceAndWorstFirst(t *testing.T) {
	r := reported(t, audit.Policy{FailOn: finding.High, Today: today}, nil)
	if want := []string{"GHSA-1", "GHSA-2", "DEBIAN-CVE-2026-9", "GHSA-3"}; !slices.Equal(ids(r.Vulnerabilities), want) {
		t.Errorf("got %v", ids(r.Vulnerabilities))
	}
	first := r.Vulnerabilities[0]
	if first.CreatedBy != "COPY node_modules" || first.Fixed != "2.0.0" || !slices.Contains(first.Aliases, "GHSA-1b") {
		t.Errorf("got %+v", first)
	}
	if v := r.Vulnerabilities[2]; v.Package != "libssl3" || v.Fixed != "3.0.5" || v.CreatedBy != "FROM debian" {
		t.Errorf("got %+v", v)
	}
}

func TestWhatCounts(t *testing.T) {
	ignore := func(id string, expires time.Time) []audit.Ignore {
		return []audit.Ignore{{ID: id, Reason: "not reached", Expires: expires}}
	}
	vex := func(product, status string) []audit.Statement {
		s, err := audit.ParseVEX([]byte(`{"@context":"https://openvex.dev/ns/v0.2.0","statements":[{"vulnerability":{"name":"CVE-2026-1"},"products":[{"@id":"` + product + `"}],"status":"` + status + `","justification":"vulnerable_code_not_present"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	day := today.Truncate(24 * time.Hour)
	all := []string{"GHSA-1", "GHSA-2", "DEBIAN-CVE-2026-9"}
	for name, c := range map[string]struct {
		policy audit.Policy
		base   []audit.Vulnerability
		want   []string
	}{
		"high and above":        {audit.Policy{}, nil, all},
		"only with a fix":       {audit.Policy{OnlyFixed: true}, nil, []string{"GHSA-1", "DEBIAN-CVE-2026-9"}},
		"ignored by its alias":  {audit.Policy{Ignore: ignore("CVE-2026-1", day)}, nil, all[1:]},
		"the entry has expired": {audit.Policy{Ignore: ignore("CVE-2026-1", day.Add(-24*time.Hour))}, nil, all},
		"VEX for the package":   {audit.Policy{VEX: vex("pkg:npm/left@1.0.0", "not_affected")}, nil, all[1:]},
		"VEX for all versions":  {audit.Policy{VEX: vex("pkg:npm/left", "not_affected")}, nil, all[1:]},
		"VEX for another":       {audit.Policy{VEX: vex("pkg:npm/lef", "not_affected")}, nil, all},
		"VEX still looking":     {audit.Policy{VEX: vex("pkg:npm/left@1.0.0", "under_investigation")}, nil, all},
		"new since an image":    {audit.Policy{}, []audit.Vulnerability{{ID: "CVE-2026-1", Package: "left"}, {ID: "CVE-2026-9", Package: "libssl3"}}, []string{"GHSA-2"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.policy.FailOn, c.policy.Today = finding.High, today
			if got := ids(reported(t, c.policy, c.base).Counting(c.policy)); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestAMissingDatabaseIsAnError(t *testing.T) {
	r := audit.New(picture(), nil, contents())
	if err := r.Match(context.Background(), database{"npm": nil}); err == nil {
		t.Error("no error")
	}
}

func day(t time.Time) lifecycle.Day { return lifecycle.Day{Time: t.Truncate(24 * time.Hour)} }

// lives are ends of life as of today, good for 400 days.
func lives() lifecycle.Distributions {
	return lifecycle.Distributions{Data: lifecycle.Dated{AsOf: day(today), MaxAgeDays: 400}, Ends: map[string]map[string]lifecycle.Day{
		"debian": {"12": day(today.AddDate(2, 0, 0))}, "alpine": {"3.19": day(today.AddDate(-1, 0, 0))}}}
}

func TestControls(t *testing.T) {
	good := func() audit.Subject {
		c := contents()
		c.Packages = nil
		c.Packages = []scan.Package{{Name: "x"}}
		return audit.Subject{Reference: "ghcr.io/shop/app@sha256:" + strings.Repeat("a", 64), Config: picture().Config, Contents: c, Matched: true}
	}
	policy := func() audit.Policy {
		return audit.Policy{FailOn: finding.High, Today: today, Registries: []string{"ghcr.io/shop"}, MaxBytes: 1 << 20, MaxLayers: 3, MaxAge: 720 * time.Hour, Lives: lives()}
	}
	for _, f := range audit.Judge(good(), policy()) {
		if !f.Proven() {
			t.Errorf("a good image fails %s: %s", f.Control, f.Detail)
		}
	}
	for name, c := range map[string]struct {
		control string
		spoil   func(*audit.Subject, *audit.Policy)
		want    finding.Status
	}{
		"a tag":          {"HSE-IMG-001", func(s *audit.Subject, _ *audit.Policy) { s.Reference = "ghcr.io/shop/app:1" }, finding.Fail},
		"no user":        {"HSE-IMG-003", func(s *audit.Subject, _ *audit.Policy) { s.Config.User = "" }, finding.Fail},
		"root by number": {"HSE-IMG-003", func(s *audit.Subject, _ *audit.Policy) { s.Config.User = "0:0" }, finding.Fail},
		"a user's name":  {"HSE-IMG-003", func(s *audit.Subject, _ *audit.Policy) { s.Config.User = "node" }, finding.Fail},
		"setuid": {"HSE-IMG-004", func(s *audit.Subject, _ *audit.Policy) {
			s.Contents.Marks = []scan.Mark{{Kind: scan.Setuid, Path: "bin/su"}}
		}, finding.Fail},
		"token in a variable": {"HSE-IMG-005", func(s *audit.Subject, _ *audit.Policy) { s.Config.Env = []string{"T=ghp_" + strings.Repeat("aB1c", 9)} }, finding.Fail},
		"token in the history": {"HSE-IMG-005", func(s *audit.Subject, _ *audit.Policy) {
			s.Config.History = []image.Step{{CreatedBy: "ARG T=glpat-" + strings.Repeat("aB1c", 6)}}
		}, finding.Fail},
		"a shell":      {"HSE-IMG-006", func(s *audit.Subject, _ *audit.Policy) { s.Contents.Tools = []string{"bin/sh"} }, finding.Fail},
		"too large":    {"HSE-IMG-007", func(s *audit.Subject, _ *audit.Policy) { s.Contents.Size = 2 << 20 }, finding.Fail},
		"too old":      {"HSE-IMG-008", func(s *audit.Subject, _ *audit.Policy) { s.Config.Created = today.Add(-1000 * time.Hour) }, finding.Fail},
		"reproducible": {"HSE-IMG-008", func(s *audit.Subject, _ *audit.Policy) { s.Config.Created = time.Unix(0, 0) }, finding.NotApplicable},
		"a base without updates": {"HSE-IMG-008", func(s *audit.Subject, _ *audit.Policy) {
			s.Contents.Release = map[string]string{"ID": "alpine", "VERSION_ID": "3.19.1"}
		}, finding.Fail},
		"the last day of its updates": {"HSE-IMG-008", func(_ *audit.Subject, p *audit.Policy) { p.Lives.Ends["debian"]["12"] = day(today) }, finding.Pass},
		"the day after":               {"HSE-IMG-008", func(_ *audit.Subject, p *audit.Policy) { p.Lives.Ends["debian"]["12"] = day(today.AddDate(0, 0, -1)) }, finding.Fail},
		"a table that is too old":     {"HSE-IMG-008", func(_ *audit.Subject, p *audit.Policy) { p.Lives.Data.AsOf = day(today.AddDate(0, 0, -401)) }, finding.Unknown},
		"one that is not yet":         {"HSE-IMG-008", func(_ *audit.Subject, p *audit.Policy) { p.Lives.Data.AsOf = day(today.AddDate(0, 0, -400)) }, finding.Pass},
		"over, and the table is too old": {"HSE-IMG-008", func(s *audit.Subject, p *audit.Policy) {
			s.Contents.Release = map[string]string{"ID": "alpine", "VERSION_ID": "3.19.1"}
			p.Lives.Data.AsOf = day(today.AddDate(0, 0, -401))
		}, finding.Fail},
		"no table":                      {"HSE-IMG-008", func(_ *audit.Subject, p *audit.Policy) { p.Lives = lifecycle.Distributions{} }, finding.Unknown},
		"no table, and no distribution": {"HSE-IMG-008", func(s *audit.Subject, p *audit.Policy) { p.Lives, s.Contents.Release = lifecycle.Distributions{}, nil }, finding.Pass},
		"another registry":              {"HSE-IMG-009", func(s *audit.Subject, _ *audit.Policy) { s.Reference = "ghcr.io/shopping/app:1" }, finding.Fail},
		"no database asked":             {"HSE-IMG-010", func(s *audit.Subject, _ *audit.Policy) { s.Matched = false }, finding.Unknown},
		"a file not read":               {"HSE-IMG-010", func(s *audit.Subject, _ *audit.Policy) { s.Contents.Problems = []scan.Problem{{Path: "x"}} }, finding.Unknown},
		"no package at all":             {"HSE-IMG-010", func(s *audit.Subject, _ *audit.Policy) { s.Contents.Packages = nil }, finding.Unknown},
		"a switch in a step": {"HSE-IMG-014", func(s *audit.Subject, _ *audit.Policy) {
			s.Config.History = []image.Step{{CreatedBy: "RUN curl -sk https://x"}}
		}, finding.Fail},
		"a switch in a variable": {"HSE-IMG-014", func(s *audit.Subject, _ *audit.Policy) { s.Config.Env = []string{"NODE_TLS_REJECT_UNAUTHORIZED=0"} }, finding.Fail},
		"a remote shell":         {"HSE-IMG-015", func(s *audit.Subject, _ *audit.Policy) { s.Config.Ports = []string{"22/tcp"} }, finding.Fail},
		"a volume on the system": {"HSE-IMG-015", func(s *audit.Subject, _ *audit.Policy) { s.Config.Volumes = []string{"/etc"} }, finding.Fail},
		"writable for everybody": {"HSE-IMG-017", func(s *audit.Subject, _ *audit.Policy) {
			s.Contents.Marks = []scan.Mark{{Kind: scan.WorldWritable, Path: "data"}}
		}, finding.Fail},
	} {
		t.Run(name, func(t *testing.T) {
			s, p := good(), policy()
			c.spoil(&s, &p)
			for _, f := range audit.Judge(s, p) {
				if f.Control == c.control && f.Status != c.want {
					t.Errorf("%s is %s: %s", f.Control, f.Status, f.Detail)
				}
				if strings.Contains(f.Detail, "aB1caB1c") {
					t.Error("the value of a secret is shown")
				}
			}
		})
	}
}

func TestGate(t *testing.T) {
	id := func(c string) string { return "sha256:" + strings.Repeat(c, 64) }
	file := lock.File{Images: []lock.Entry{{Service: "app", Reference: "shop:1", Source: lock.Engine, ID: id("a")}, {Service: "db", Reference: "postgres:18", Source: lock.Registry, Digest: id("b")}}}
	app := audit.Candidate{Service: "app", Reference: "shop:1", Present: true, ID: id("a")}
	db := audit.Candidate{Service: "db", Reference: "postgres:18"}
	change := func(c audit.Candidate, f func(*audit.Candidate)) audit.Candidate { f(&c); return c }
	for name, c := range map[string]struct {
		gate    audit.Gate
		images  []audit.Candidate
		refused []string
	}{
		"all as locked":       {audit.Gate{RequireLock: true, Lock: file}, []audit.Candidate{app, db}, nil},
		"no lock, none asked": {audit.Gate{}, []audit.Candidate{app, db}, nil},
		"no lock, one asked":  {audit.Gate{RequireLock: true}, []audit.Candidate{app}, []string{"HSE-IMG-001"}},
		"another build":       {audit.Gate{RequireLock: true, Lock: file}, []audit.Candidate{change(app, func(c *audit.Candidate) { c.ID = id("9") })}, []string{"HSE-IMG-002"}},
		"another reference":   {audit.Gate{RequireLock: true, Lock: file}, []audit.Candidate{change(db, func(c *audit.Candidate) { c.Reference = "postgres:19" })}, []string{"HSE-IMG-001"}},
		"not scanned":         {audit.Gate{RequireScan: true}, []audit.Candidate{app}, []string{"HSE-IMG-010"}},
		"not signed":          {audit.Gate{}, []audit.Candidate{change(app, func(c *audit.Candidate) { c.Signature = &audit.Signature{} })}, []string{"HSE-IMG-011"}},
		"waived": {audit.Gate{RequireLock: true}, []audit.Candidate{change(app, func(c *audit.Candidate) {
			c.Waived = map[string]finding.Waiver{"HSE-IMG-001": {Reason: "moving", Expires: "2027-01-01"}}
		})}, nil},
		"what is unknown cannot be waived": {audit.Gate{RequireScan: true}, []audit.Candidate{change(app, func(c *audit.Candidate) {
			c.Waived = map[string]finding.Waiver{"HSE-IMG-010": {Reason: "later", Expires: "2027-01-01"}}
		})}, []string{"HSE-IMG-010"}},
	} {
		t.Run(name, func(t *testing.T) {
			var refused []string
			for _, f := range c.gate.Judge(c.images) {
				if audit.Refuses(f) {
					refused = append(refused, f.Control)
				}
			}
			if !slices.Equal(refused, c.refused) {
				t.Errorf("refused %v, want %v", refused, c.refused)
			}
		})
	}
}

func TestReportsAreValidAndTheSameEachTime(t *testing.T) {
	p := audit.Policy{FailOn: finding.High, Today: today}
	for name, write := range map[string]func(*bytes.Buffer) error{
		"json":      func(b *bytes.Buffer) error { return audit.JSON(b, reported(t, p, nil)) },
		"cyclonedx": func(b *bytes.Buffer) error { return sbom.CycloneDX(b, reported(t, p, nil)) },
		"spdx":      func(b *bytes.Buffer) error { return sbom.SPDX(b, reported(t, p, nil)) },
		"statement": func(b *bytes.Buffer) error { return sbom.Statement(b, reported(t, p, nil)) },
	} {
		var first, second bytes.Buffer
		if err := errors.Join(write(&first), write(&second)); err != nil {
			t.Fatal(err)
		}
		if !json.Valid(first.Bytes()) || !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Errorf("%s: %s", name, first.String())
		}
		if !strings.Contains(first.String(), "pkg:npm/left@1.0.0") {
			t.Errorf("%s has no package", name)
		}
	}
	var text bytes.Buffer
	if err := audit.Text(&text, reported(t, p, nil), p, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"critical  CVE-2026-1", "fixed in 2.0.0", "layer 2: COPY node_modules", "3 at or above high"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in\n%s", want, text.String())
		}
	}
}

func FuzzParseVEX(f *testing.F) {
	f.Add([]byte(`{"@context":"https://openvex.dev/ns/v0.2.0","statements":[{"vulnerability":{"name":"CVE-1"},"products":[{"@id":"pkg:npm/a"}],"status":"fixed"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		statements, err := audit.ParseVEX(data)
		for _, s := range statements {
			if err != nil || s.Status != "fixed" && s.Justification == "" {
				t.Errorf("%+v, %v", s, err)
			}
		}
	})
}

// What could not be seen is unknown, also where nothing else was found; what was found stays found.
func TestWhatCouldNotBeSeenIsUnknown(t *testing.T) {
	t.Parallel()
	policy := audit.Policy{FailOn: finding.High, Today: today, Lives: lives()}
	judge := func(c scan.Contents, db database) finding.Status {
		r := audit.New(picture(), nil, c)
		if err := r.Match(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		r.Cover(c.Release, policy.Lives)
		r.Weigh(policy, nil)
		for _, f := range audit.Judge(audit.Subject{Reference: "shop:1", Config: picture().Config, Contents: c, Report: r, Matched: true}, policy) {
			if f.Control == "HSE-IMG-010" {
				return f.Status
			}
		}
		return finding.Pass
	}
	deb := func(release string) scan.Contents {
		return scan.Contents{Release: map[string]string{"ID": "debian", "VERSION_ID": release}, Files: true,
			Packages: []scan.Package{{Type: "deb", Name: "libssl3", Source: "openssl", Version: "3.0.9", Ecosystem: "Debian:" + release}}}
	}
	unseen := deb("12")
	unseen.Unseen = []string{"the image has packages of a distribution, and no os-release says of which"}
	vulnerable := unseen
	vulnerable.Packages = []scan.Package{{Type: "deb", Name: "libssl3", Source: "openssl", Version: "3.0.1", Ecosystem: "Debian:12"}}
	nowhere := deb("12")
	nowhere.Packages[0].Ecosystem = ""
	for name, c := range map[string]struct {
		contents scan.Contents
		db       database
		want     finding.Status
	}{
		"all seen":           {deb("12"), advisories(), finding.Pass},
		"something not seen": {unseen, advisories(), finding.Unknown},
		"something not seen, and a vulnerability":   {vulnerable, advisories(), finding.Fail},
		"a package of no ecosystem":                 {nowhere, advisories(), finding.Unknown},
		"a release without advisories":              {deb("42"), advisories(), finding.Unknown},
		"a known release without advisories so far": {deb("12"), database{"Debian": nil}, finding.Pass},
	} {
		if got := judge(c.contents, c.db); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
