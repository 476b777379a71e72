// Package demand compares what two versions of a profile demand of images before they are deployed, and of the records of
// releases before they are believed: the keys supply_chain and release_signing. It is pure.
package demand

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/profile"
)

// Change is one demand that differs. Looser is positive where less is demanded, negative where more is, and zero where only
// something else is.
type Change struct {
	Key, What, Old, New, Reason string
	Looser                      int
	Severity                    finding.Severity
}

// Set is all that a profile asks for. Nil is nothing.
type Set struct {
	Images   *profile.SupplyChain
	Releases *profile.ReleaseSigning
}

// Compare returns the demands that differ, in the order in which the profile documents them.
func Compare(old, now Set) []Change {
	var out comparison
	was, is := deref(old.Images), deref(now.Images)
	out.gates(was, is)
	out.places(was, is)
	out.evidence(was, is)
	out.ignored(was.Ignore, is.Ignore)
	out.signatures(was.Signatures, is.Signatures)
	out.releases(old.Releases, now.Releases)
	return out
}

func deref(s *profile.SupplyChain) profile.SupplyChain {
	if s == nil {
		return profile.SupplyChain{}
	}
	return *s
}

type comparison []Change

// gates compares the demands that are one value each.
func (c *comparison) gates(old, now profile.SupplyChain) {
	required := func(v string) int64 { return map[string]int64{"required": -1}[v] }
	severity := func(s *profile.SupplyChain) (string, int64) {
		return s.Threshold(), int64(slices.Index([]string{"low", "medium", "high", "critical"}, s.Threshold()))
	}
	limit := func(n int64) int64 { return cmp.Or(n, math.MaxInt64) } // no limit is the loosest of all
	oldFloor, wasFloor := severity(&old)
	newFloor, isFloor := severity(&now)
	for _, g := range []struct {
		key, what, old, now string
		was, is             int64 // greater is looser
		severity            finding.Severity
		reason              string
	}{
		{"lock", "locked images", cmp.Or(old.Lock, "optional"), cmp.Or(now.Lock, "optional"), required(old.Lock), required(now.Lock), finding.High, "an image that hsectl.lock does not pin"},
		{"scan", "scanned images", cmp.Or(old.Scan, "optional"), cmp.Or(now.Scan, "optional"), required(old.Scan), required(now.Scan), finding.High, "an image that was not scanned, or fails the scan,"},
		{"fail_on", "severity that fails an image", oldFloor, newFloor, wasFloor, isFloor, finding.Medium, "an image with vulnerabilities below that severity"},
		{"only_fixed", "vulnerabilities without a fix", counted(!old.OnlyFixed), counted(!now.OnlyFixed), number(old.OnlyFixed), number(now.OnlyFixed), finding.Medium, "an image whose vulnerabilities have no fix"},
		{"max_db_age", "age of the vulnerability database", old.DatabaseAge().String(), now.DatabaseAge().String(), int64(old.DatabaseAge()), int64(now.DatabaseAge()), finding.Low, "an image that was judged by older advisories"},
		{"max_size", "size of an image", written(old.MaxSize.N, old.MaxSize.String()), written(now.MaxSize.N, now.MaxSize.String()), limit(old.MaxSize.N), limit(now.MaxSize.N), finding.Low, "a larger image"},
		{"max_layers", "layers of an image", written(int64(old.MaxLayers), strconv.Itoa(old.MaxLayers)), written(int64(now.MaxLayers), strconv.Itoa(now.MaxLayers)), limit(int64(old.MaxLayers)), limit(int64(now.MaxLayers)), finding.Low, "an image with more layers"},
		{"max_days", "age of an image", written(int64(old.MaxDays), fmt.Sprintf("%d days", old.MaxDays)), written(int64(now.MaxDays), fmt.Sprintf("%d days", now.MaxDays)), limit(int64(old.MaxDays)), limit(int64(now.MaxDays)), finding.Low, "an older image"},
	} {
		if g.was == g.is {
			continue
		}
		reason := g.reason + " is deployed now"
		if g.is < g.was {
			reason = g.reason + " is no longer deployed"
		}
		*c = append(*c, Change{Key: "supply_chain." + g.key, What: g.what, Old: g.old, New: g.now, Reason: reason, Looser: cmp.Compare(g.is, g.was), Severity: g.severity})
	}
}

func counted(yes bool) string {
	if yes {
		return "count"
	}
	return "do not count"
}

func number(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

func written(n int64, text string) string {
	if n == 0 {
		return "any"
	}
	return text
}

// places compares where images come from.
func (c *comparison) places(old, now profile.SupplyChain) {
	const key, what = "supply_chain.registries", "registry"
	switch {
	case len(old.Registries) > 0 && len(now.Registries) == 0:
		*c = append(*c, Change{Key: key, What: "registries", Old: strings.Join(old.Registries, ", "), New: "any", Reason: "images from every registry are deployed now", Looser: 1, Severity: finding.High})
	case len(old.Registries) == 0 && len(now.Registries) > 0:
		*c = append(*c, Change{Key: key, What: "registries", Old: "any", New: strings.Join(now.Registries, ", "), Reason: "images from elsewhere are no longer deployed", Looser: -1, Severity: finding.High})
	default:
		c.lists(key, what, old.Registries, now.Registries, finding.Medium, "images from there are deployed now", "images from there are no longer deployed")
	}
	for _, name := range sortedKeys(old.Mirrors, now.Mirrors) {
		if a, b := old.Mirrors[name], now.Mirrors[name]; a != b {
			*c = append(*c, Change{Key: "supply_chain.mirrors", What: "mirror of " + name, Old: a, New: b, Reason: "the images come from another place", Severity: finding.Medium})
		}
	}
}

// evidence compares what an image is judged by.
func (c *comparison) evidence(old, now profile.SupplyChain) {
	c.lists("supply_chain.vex", "VEX document", old.VEX, now.VEX, finding.Medium, "vulnerabilities do not count where it says so", "what it says no longer counts")
	for _, f := range []struct{ key, what, old, now string }{
		{"kev", "catalogue of exploited vulnerabilities", old.KEV, now.KEV}, {"epss", "scores of likely exploits", old.EPSS, now.EPSS},
	} {
		row := Change{Key: "supply_chain." + f.key, What: f.what, Old: f.old, New: f.now, Severity: finding.Medium}
		switch {
		case f.old == f.now:
			continue
		case f.now == "":
			row.Looser, row.Reason = 1, "it no longer fails an image"
		case f.old == "":
			row.Looser, row.Reason = -1, "it can fail an image"
		default:
			row.Reason = "another file is read"
		}
		*c = append(*c, row)
	}
}

// ignored compares the vulnerabilities that do not count for a time.
func (c *comparison) ignored(old, now []profile.Ignored) {
	name := func(e profile.Ignored) string { return strings.TrimSpace(e.ID + " " + e.Package) }
	text := func(e profile.Ignored) string { return "until " + e.Expires.String() + ": " + e.Reason }
	for i, e := range now {
		row := Change{Key: fmt.Sprintf("supply_chain.ignore[%d]", i), What: "ignored " + name(e), New: text(e), Reason: "the vulnerability does not count", Looser: 1, Severity: finding.Medium}
		if j := slices.IndexFunc(old, func(o profile.Ignored) bool { return name(o) == name(e) }); j >= 0 {
			row.Old, row.Severity = text(old[j]), finding.Low
			switch row.Looser = e.Expires.T.Compare(old[j].Expires.T); {
			case row.Looser > 0:
				row.Reason = "the vulnerability does not count for longer"
			case row.Looser < 0:
				row.Reason = "the vulnerability counts again sooner"
			default:
				row.Severity, row.Reason = finding.Info, "the reason changed"
			}
		}
		if row.Old != row.New {
			*c = append(*c, row)
		}
	}
	for _, o := range old {
		if !slices.ContainsFunc(now, func(e profile.Ignored) bool { return name(e) == name(o) }) {
			*c = append(*c, Change{Key: "supply_chain.ignore", What: "ignored " + name(o), Old: text(o), Reason: "the vulnerability counts again", Looser: -1, Severity: finding.Low})
		}
	}
}

// signatures compares which images must be signed, and by whom. The most specific entry of an image applies.
func (c *comparison) signatures(old, now []profile.Signature) {
	for i, s := range now {
		j := slices.IndexFunc(old, func(o profile.Signature) bool { return o.Images == s.Images })
		key := fmt.Sprintf("supply_chain.signatures[%d]", i)
		if j < 0 {
			row := Change{Key: key, What: "signatures of " + s.Images, New: signer(s), Reason: "images without this signature are no longer deployed", Looser: -1, Severity: finding.Medium}
			if len(old) > 0 { // it may take the place of a wider entry
				row.Looser, row.Reason = 0, "another signature is asked of these images than before, or one for the first time"
			}
			*c = append(*c, row)
			continue
		}
		o := old[j]
		if a, b := signer(o), signer(s); a != b {
			*c = append(*c, Change{Key: key, What: "signatures of " + s.Images, Old: a, New: b, Reason: "another signer is trusted", Severity: finding.Medium})
		}
		if o.Root != s.Root {
			*c = append(*c, Change{Key: key + ".root", What: "trusted root of " + s.Images, Old: o.Root, New: s.Root, Reason: "other authorities are trusted", Severity: finding.Medium})
		}
		if o.Logged != s.Logged {
			row := Change{Key: key + ".logged", What: "transparency log of " + s.Images, Old: strconv.FormatBool(o.Logged), New: strconv.FormatBool(s.Logged), Reason: "a signature that no log shows is believed", Looser: 1, Severity: finding.Medium}
			if s.Logged {
				row.Looser, row.Reason = -1, "a signature must be in the log"
			}
			*c = append(*c, row)
		}
		// No statement is a demand for a plain signature, so the first one that is asked for takes its place.
		*c = append(*c, statements(key+".attestations", s.Images, o.Attestations, s.Attestations)...)
	}
	for _, o := range old {
		if !slices.ContainsFunc(now, func(s profile.Signature) bool { return s.Images == o.Images }) {
			*c = append(*c, Change{Key: "supply_chain.signatures", What: "signatures of " + o.Images, Old: signer(o), Reason: "this signature is no longer asked of these images", Looser: 1, Severity: finding.High})
		}
	}
}

func signer(s profile.Signature) string {
	if s.Key != "" {
		return "key " + s.Key
	}
	return strings.TrimSpace(cmp.Or(s.Identity, s.Pattern) + " of " + s.Issuer)
}

func statements(key, images string, old, now []string) []Change {
	var out comparison
	out.lists(key, "statement about "+images, now, old, finding.Medium, "it is no longer asked for", "it is asked for as well")
	for i := range out { // the lists were exchanged: more statements are a greater demand
		out[i].Old, out[i].New = out[i].New, out[i].Old
	}
	return out
}

// releases compares who may write the records of releases.
func (c *comparison) releases(old, now *profile.ReleaseSigning) {
	switch {
	case old == nil && now == nil:
		return
	case now == nil:
		*c = append(*c, Change{Key: "release_signing", What: "signed releases", Old: strings.Join(old.PublicKeys, ", "), Reason: "rollback returns to records that anyone with access to the engine could have written", Looser: 1, Severity: finding.High})
		return
	case old == nil:
		*c = append(*c, Change{Key: "release_signing", What: "signed releases", New: strings.Join(now.PublicKeys, ", "), Reason: "records of others are refused", Looser: -1, Severity: finding.Medium})
		return
	}
	c.lists("release_signing.public_keys", "key of a deployer", old.PublicKeys, now.PublicKeys, finding.High, "its owner may write releases", "its owner may no longer write releases")
	if old.PrivateKey != now.PrivateKey {
		*c = append(*c, Change{Key: "release_signing.private_key", What: "key that signs releases", Old: old.PrivateKey, New: now.PrivateKey, Reason: "another file on the deploying machine", Severity: finding.Info})
	}
}

// lists compares lists in which a further entry demands less.
func (c *comparison) lists(key, what string, old, now []string, severity finding.Severity, more, less string) {
	for i, v := range now {
		if !slices.Contains(old, v) {
			*c = append(*c, Change{Key: fmt.Sprintf("%s[%d]", key, i), What: what, New: v, Reason: more, Looser: 1, Severity: severity})
		}
	}
	for _, v := range old {
		if !slices.Contains(now, v) {
			*c = append(*c, Change{Key: key, What: what, Old: v, Reason: less, Looser: -1, Severity: severity})
		}
	}
}

func sortedKeys(maps ...map[string]string) []string {
	var out []string
	for _, m := range maps {
		for k := range m {
			if !slices.Contains(out, k) {
				out = append(out, k)
			}
		}
	}
	slices.Sort(out)
	return out
}
