package demand_test

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/internal/review/demand"
	"github.com/hsectl/hsectl/profiles"
)

// asked reads the demands of a profile.
func asked(t *testing.T, text string) demand.Set {
	t.Helper()
	head := "apiVersion: hsectl/v1\nkind: Profile\nname: shop\nservices: {cache: {preset: redis}}\n"
	p, err := parser.Parse([]byte(head+text), parser.Options{File: "shop.yaml", Library: profiles.Library{}})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return demand.Set{Images: p.SupplyChain, Releases: p.ReleaseSigning}
}

func signs(n int) string { return []string{"stricter", "other", "looser"}[n+1] }

// Each key of supply_chain and release_signing that is dropped or changed is a row, and the way back is the opposite row.
func TestCompare(t *testing.T) {
	signed := func(root, more string) string {
		return "supply_chain: {signatures: [{images: ghcr.io/example, identity: ci@example.org, issuer: https://issuer.example, root: " + cmp.Or(root, "root.json") + more + "}]}"
	}
	ignore := func(more string) string {
		return "supply_chain: {ignore: [{id: CVE-2026-1, reason: not reachable" + more + ", expires: 2027-01-01}]}"
	}
	for _, c := range []struct{ key, old, now, want string }{
		{"lock", "supply_chain: {lock: required}", "", "looser high locked images: required → optional"},
		{"scan", "supply_chain: {scan: required}", "supply_chain: {scan: optional}", "looser high scanned images: required → optional"},
		{"fail_on", "supply_chain: {fail_on: medium}", "supply_chain: {fail_on: critical}", "looser medium severity that fails an image: medium → critical"},
		{"fail_on", "supply_chain: {fail_on: medium}", "", "looser medium severity that fails an image: medium → high"},
		{"only_fixed", "", "supply_chain: {only_fixed: true}", "looser medium vulnerabilities without a fix: count → do not count"},
		{"max_db_age", "supply_chain: {max_db_age: 24h}", "", "looser low age of the vulnerability database: 24h0m0s → 168h0m0s"},
		{"registries", "supply_chain: {registries: [ghcr.io/example]}", "", "looser high registries: ghcr.io/example → any"},
		{"registries", "supply_chain: {registries: [ghcr.io/example]}", "supply_chain: {registries: [ghcr.io/example, docker.io]}", "looser medium registry:  → docker.io"},
		{"mirrors", "", "supply_chain: {mirrors: {docker.io: mirror.example/hub}}", "other medium mirror of docker.io:  → mirror.example/hub"},
		{"max_size", "supply_chain: {max_size: 100M}", "", "looser low size of an image: 100M → any"},
		{"max_layers", "supply_chain: {max_layers: 10}", "supply_chain: {max_layers: 20}", "looser low layers of an image: 10 → 20"},
		{"max_days", "supply_chain: {max_days: 30}", "", "looser low age of an image: 30 days → any"},
		{"vex", "", "supply_chain: {vex: [a.json]}", "looser medium VEX document:  → a.json"},
		{"kev", "supply_chain: {kev: kev.json}", "", "looser medium catalogue of exploited vulnerabilities: kev.json → "},
		{"epss", "supply_chain: {epss: epss.csv}", "", "looser medium scores of likely exploits: epss.csv → "},
		{"ignore", "", ignore(""), "looser medium ignored CVE-2026-1:  → until 2027-01-01: not reachable"},
		{"ignore", ignore(""), strings.Replace(ignore(""), "2027", "2028", 1), "looser low ignored CVE-2026-1: until 2027-01-01: not reachable → until 2028-01-01: not reachable"},
		{"ignore", ignore(""), strings.Replace(ignore(""), "not reachable", "not used", 1), "other info ignored CVE-2026-1: until 2027-01-01: not reachable → until 2027-01-01: not used"},
		{"signatures", signed("", ""), "", "looser high signatures of ghcr.io/example: ci@example.org of https://issuer.example → "},
		{"signatures", signed("", ""), strings.Replace(signed("", ""), "ci@", "dev@", 1), "other medium signatures of ghcr.io/example: ci@example.org of https://issuer.example → dev@example.org of https://issuer.example"},
		{"signatures", signed("a.json", ""), signed("b.json", ""), "other medium trusted root of ghcr.io/example: a.json → b.json"},
		{"signatures", signed("", ", attestations: ['https://slsa.dev/provenance/v1']"), signed("", ""), "looser medium statement about ghcr.io/example: https://slsa.dev/provenance/v1 → "},
		{"release_signing", "release_signing: {public_keys: [a.pub]}", "", "looser high signed releases: a.pub → "},
		{"release_signing", "release_signing: {public_keys: [a.pub]}", "release_signing: {public_keys: [a.pub, b.pub]}", "looser high key of a deployer:  → b.pub"},
		{"release_signing", "release_signing: {public_keys: [a.pub], private_key: a.key}", "release_signing: {public_keys: [a.pub], private_key: b.key}", "other info key that signs releases: a.key → b.key"},
	} {
		old, now := asked(t, c.old), asked(t, c.now)
		got, back := demand.Compare(old, now), demand.Compare(now, old)
		if len(got) != 1 || len(back) != 1 {
			t.Errorf("%q → %q: %+v, and back %+v", c.old, c.now, got, back)
			continue
		}
		if line := fmt.Sprintf("%s %s %s: %s → %s", signs(got[0].Looser), got[0].Severity, got[0].What, got[0].Old, got[0].New); line != c.want {
			t.Errorf("got %q, want %q", line, c.want)
		}
		if got[0].Looser != -back[0].Looser && c.key != "signatures" || got[0].Reason == "" {
			t.Errorf("%q: %+v, and back %+v", c.want, got[0], back[0])
		}
		if !strings.HasPrefix(strings.TrimPrefix(got[0].Key, "supply_chain."), c.key) {
			t.Errorf("%q is placed at %s", c.want, got[0].Key)
		}
	}
	if rows := demand.Compare(demand.Set{}, demand.Set{}); len(rows) > 0 {
		t.Errorf("nothing is asked on both sides: %+v", rows)
	}
}

// No key can be added to a profile without a row: each field, set to another value, is seen.
func TestEveryFieldIsCompared(t *testing.T) {
	day := profile.Day{T: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}
	base := profile.SupplyChain{Ignore: []profile.Ignored{{ID: "CVE-2026-1", Reason: "x", Expires: day}}, Signatures: []profile.Signature{{Images: "*", Key: "a.pub"}}}
	var size profile.Bytes
	if err := yaml.Unmarshal([]byte("1G"), &size); err != nil {
		t.Fatal(err)
	}
	other := map[string]any{
		"FailOn": "critical", "Lock": "required", "Scan": "required", "MaxSize": size, "MaxDBAge": profile.Duration{D: time.Hour},
		"Mirrors": map[string]string{"docker.io": "x"}, "Registries": []string{"x"}, "VEX": []string{"x"},
		"Ignore": []profile.Ignored{}, "Signatures": []profile.Signature{},
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[profile.SupplyChain]()) {
		changed := base
		set(t, reflect.ValueOf(&changed).Elem().FieldByIndex(f.Index), f.Name, other)
		if rows := demand.Compare(demand.Set{Images: &base}, demand.Set{Images: &changed}); len(rows) != 1 {
			t.Errorf("supply_chain.%s: %+v", f.Name, rows)
		}
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[profile.Signature]()) {
		changed := base
		changed.Signatures = slices.Clone(base.Signatures)
		set(t, reflect.ValueOf(&changed.Signatures[0]).Elem().FieldByIndex(f.Index), f.Name, map[string]any{"Attestations": []string{"x"}})
		if f.Name == "Identity" || f.Name == "Pattern" || f.Name == "Issuer" {
			changed.Signatures[0].Key = "" // one or the other
		}
		if rows := demand.Compare(demand.Set{Images: &base}, demand.Set{Images: &changed}); len(rows) == 0 {
			t.Errorf("signatures.%s is not compared", f.Name)
		}
	}
}

// set gives a field another value.
func set(t *testing.T, v reflect.Value, name string, other map[string]any) {
	t.Helper()
	switch value, ok := other[name]; {
	case ok:
		v.Set(reflect.ValueOf(value))
	case v.Kind() == reflect.String:
		v.SetString("another")
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.Kind() == reflect.Int:
		v.SetInt(7)
	default:
		t.Fatalf("field %s is new: say what another value of it is", name)
	}
}
