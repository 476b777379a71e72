package audit

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/image/scan"
	"github.com/hsectl/hsectl/internal/image/vuln"
	"github.com/hsectl/hsectl/internal/lifecycle"
)

// Finder looks advisories up. It is an error when it cannot.
type Finder interface {
	Find(ctx context.Context, ecosystem string, names map[string]bool) (vuln.Info, map[string][]vuln.Advisory, error)
}

// Match looks up every package. A package of an ecosystem that OSV does not know is noted as unmatched.
func (r *Report) Match(ctx context.Context, db Finder) error {
	byFamily := map[string][]scan.Package{}
	unknown := map[string]int{}
	for _, p := range r.Packages {
		ecosystem, _, _ := strings.Cut(p.Ecosystem, ":")
		if ecosystem == "" {
			unknown[p.Type]++
			continue
		}
		byFamily[ecosystem] = append(byFamily[ecosystem], p)
	}
	for _, kind := range slices.Sorted(maps.Keys(unknown)) {
		r.Unmatched = append(r.Unmatched, fmt.Sprintf("%d packages of type %s belong to no ecosystem with advisories", unknown[kind], kind))
	}
	for _, ecosystem := range slices.Sorted(maps.Keys(byFamily)) {
		if err := r.matchFamily(ctx, db, ecosystem, byFamily[ecosystem]); err != nil {
			return err
		}
	}
	r.Sort()
	return nil
}

// Cover notes the releases about which no advisory was found and that the data about distributions does not know either: a
// database that has nothing of a release does not say that nothing is wrong with it.
func (r *Report) Cover(release map[string]string, lives lifecycle.Distributions) {
	if _, _, known := lives.End(release["ID"], release["VERSION_ID"]); known {
		return
	}
	for _, u := range r.uncovered {
		r.Unmatched = append(r.Unmatched, "no advisory is about the release "+u)
	}
}

// Sort puts first what is exploited, then the worst.
func (r *Report) Sort() {
	slices.SortStableFunc(r.Vulnerabilities, func(a, b Vulnerability) int {
		return cmp.Or(cmp.Compare(rank(b), rank(a)), cmp.Compare(b.EPSS, a.EPSS), cmp.Compare(a.Package, b.Package), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Location, b.Location))
	})
}

func (r *Report) matchFamily(ctx context.Context, db Finder, ecosystem string, packages []scan.Package) error {
	names := map[string]bool{}
	for _, p := range packages {
		name, _ := p.Advisory()
		names[name] = true
	}
	info, advisories, err := db.Find(ctx, ecosystem, names)
	if err != nil {
		return err
	}
	r.Databases = append(r.Databases, info)
	asked := map[string]bool{} // releases
	for _, p := range packages {
		name, version := p.Advisory()
		if _, release, _ := strings.Cut(p.Ecosystem, ":"); release != "" && !asked[p.Ecosystem] {
			asked[p.Ecosystem] = true
			if !anyAbout(advisories, p.Ecosystem) {
				r.uncovered = append(r.uncovered, p.Ecosystem)
			}
		}
		r.Vulnerabilities = append(r.Vulnerabilities, r.about(p, vuln.Target{Ecosystem: p.Ecosystem, Name: name, Version: version}, advisories[name])...)
	}
	return nil
}

// anyAbout tells whether any advisory is about a release.
func anyAbout(advisories map[string][]vuln.Advisory, ecosystem string) bool {
	for _, list := range advisories {
		for _, a := range list {
			if slices.ContainsFunc(a.Affected, func(f vuln.Affected) bool { return vuln.SameEcosystem(f.Package.Ecosystem, ecosystem) }) {
				return true
			}
		}
	}
	return false
}

// about returns the advisories that apply to a package, each vulnerability once: several records of one database may
// be about the same one.
func (r *Report) about(p scan.Package, t vuln.Target, advisories []vuln.Advisory) []Vulnerability {
	var out []Vulnerability
	for _, a := range advisories {
		m, ok := a.Applies(t)
		if !ok {
			continue
		}
		v := Vulnerability{ID: a.ID, Aliases: slices.Concat(a.Aliases, a.Upstream), Summary: a.Line(), Package: p.Name, Version: p.Version, PURL: p.PURL,
			Location: p.Location, Severity: a.Rate(m.Affected), Fixed: m.Fixed, Undecided: m.Undecided, Layer: p.Layer, Status: Affected}
		if p.Layer < len(r.Layers) {
			v.CreatedBy = r.Layers[p.Layer].CreatedBy
		}
		same := slices.IndexFunc(out, func(o Vulnerability) bool { return slices.ContainsFunc(a.Names(), o.named) })
		if same < 0 {
			out = append(out, v)
			continue
		}
		if rank(v) > rank(out[same]) {
			v.Aliases = without(slices.Concat(v.Aliases, []string{out[same].ID}, out[same].Aliases), v.ID)
			out[same] = v
		} else {
			out[same].Aliases = without(slices.Concat(out[same].Aliases, a.Names()), out[same].ID)
		}
	}
	return out
}

func without(names []string, id string) []string {
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(n string) bool { return n == id })
}

// rank orders by severity; one that says nothing comes after those that do, for a reader's sake.
func rank(v Vulnerability) float64 {
	out := -1.0
	if v.Severity.Known {
		out = float64(v.Severity.Level)*100 + v.Severity.Score
	}
	if v.Exploited != "" {
		out += 1000
	}
	return out
}

// Weigh applies what is known of attacks, exceptions, VEX statements and the image that is compared with.
func (r *Report) Weigh(p Policy, base []Vulnerability) {
	known := map[string]bool{}
	for _, b := range base {
		for _, name := range append([]string{b.ID}, b.Aliases...) {
			known[b.Package+" "+name] = true
		}
	}
	for i := range r.Vulnerabilities {
		v := &r.Vulnerabilities[i]
		exploited, probability := p.Exploits.Of(append([]string{v.ID}, v.Aliases...))
		v.Exploited, v.EPSS = cmp.Or(v.Exploited, exploited), max(v.EPSS, probability)
		if slices.ContainsFunc(append([]string{v.ID}, v.Aliases...), func(name string) bool { return known[v.Package+" "+name] }) {
			v.Status, v.Reason = Known, "the image compared with has it too"
		}
		for _, s := range p.VEX {
			if s.about(*v, r.Digest) {
				v.Status, v.Reason = NotAffected, "OpenVEX: "+cmp.Or(s.Justification, s.Status)
			}
		}
		for _, e := range p.Ignore {
			if e.holds(*v, p.Today) {
				v.Status, v.Reason = Ignored, "until "+e.Expires.Format("2006-01-02")+": "+e.Reason
			}
		}
	}
	r.Databases = append(r.Databases, p.Exploits.Sources...)
	r.Sort()
}

// Rejudge weighs the vulnerabilities of a report anew, by today's rules, and brings the finding about them up to date.
// One that was unknown stays unknown: nothing was scanned again.
func (r *Report) Rejudge(p Policy) {
	for i := range r.Vulnerabilities {
		r.Vulnerabilities[i].Status, r.Vulnerabilities[i].Reason = Affected, ""
	}
	r.Databases = slices.DeleteFunc(r.Databases, func(d vuln.Info) bool { return d.Archive == "" }) // what was known of attacks then
	r.Weigh(p, nil)
	for i, f := range r.Findings {
		if f.Control != "HSE-IMG-010" || f.Status == finding.Unknown {
			continue
		}
		r.Findings[i] = JudgeReported(*r, Reported{Looked: true}, p)[0]
	}
}

// Counting returns the vulnerabilities that fail the image: those that reach the threshold, and those that are exploited.
func (r Report) Counting(p Policy) []Vulnerability {
	var out []Vulnerability
	for _, v := range r.Vulnerabilities {
		if v.Status == Affected && (v.Severity.AtLeast(p.FailOn) || v.Exploited != "") && (!p.OnlyFixed || v.Fixed != "" || v.Undecided != "") {
			out = append(out, v)
		}
	}
	return out
}
