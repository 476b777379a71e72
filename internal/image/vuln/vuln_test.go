package vuln_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/image/vuln"
)

// about is an advisory for package p with the given events, such as introduced:0 fixed:1.2.
func about(t *testing.T, ecosystem, extra string, events ...string) vuln.Advisory {
	t.Helper()
	var list []string
	for _, e := range events {
		key, value, _ := strings.Cut(e, "=")
		list = append(list, `{"`+key+`":"`+value+`"}`)
	}
	kind := "ECOSYSTEM"
	if ecosystem == "npm" || ecosystem == "Go" {
		kind = "SEMVER"
	}
	a, err := vuln.Parse([]byte(`{"id":"X-1",` + extra + `"affected":[{"package":{"ecosystem":"` + ecosystem + `","name":"p"},"ranges":[{"type":"` + kind + `","events":[` + strings.Join(list, ",") + `]}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestApplies(t *testing.T) {
	for _, c := range []struct {
		name, ecosystem, mine, version string
		events                         []string
		hit                            bool
		fixed                          string
	}{
		{"before the fix", "npm", "npm", "1.1.9", []string{"introduced=0", "fixed=1.2.0"}, true, "1.2.0"},
		{"the fix itself", "npm", "npm", "1.2.0", []string{"introduced=0", "fixed=1.2.0"}, false, ""},
		{"ten is after nine", "npm", "npm", "1.10.0", []string{"introduced=0", "fixed=1.9.0"}, false, ""},
		{"before it came", "npm", "npm", "0.9.0", []string{"introduced=1.0.0"}, false, ""},
		{"never fixed", "npm", "npm", "9.0.0", []string{"introduced=0"}, true, ""},
		{"a pre-release comes before", "npm", "npm", "1.2.0-rc.1", []string{"introduced=0", "fixed=1.2.0"}, true, "1.2.0"},
		{"the last one affected", "npm", "npm", "1.5.0", []string{"introduced=0", "last_affected=1.5.0"}, true, ""},
		{"after the last one", "npm", "npm", "1.5.1", []string{"introduced=0", "last_affected=1.5.0"}, false, ""},
		{"between two spans", "npm", "npm", "1.5.0", []string{"introduced=0", "fixed=1.1.0", "introduced=2.0.0", "fixed=2.1.0"}, false, ""},
		{"in the second span", "npm", "npm", "2.0.5", []string{"introduced=0", "fixed=1.1.0", "introduced=2.0.0", "fixed=2.1.0"}, true, "2.1.0"},
		{"events in no order", "npm", "npm", "2.0.5", []string{"fixed=2.1.0", "introduced=2.0.0", "fixed=1.1.0", "introduced=0"}, true, "2.1.0"},
		{"an epoch outweighs", "Debian:12", "Debian:12", "1:1.0-1", []string{"introduced=0", "fixed=9.0-1"}, false, ""},
		{"no epoch is epoch zero", "Debian:12", "Debian:12", "9.0-1", []string{"introduced=0", "fixed=1:1.0-1"}, true, "1:1.0-1"},
		{"a tilde comes before", "Debian:12", "Debian:12", "3.0.2~rc1-1", []string{"introduced=0", "fixed=3.0.2-1"}, true, "3.0.2-1"},
		{"a security update", "Debian:12", "Debian:12", "3.0.2-1+deb12u3", []string{"introduced=0", "fixed=3.0.2-1+deb12u2"}, false, ""},
		{"another release", "Debian:11", "Debian:12", "1.0", []string{"introduced=0"}, false, ""},
		{"long-term support is the release", "Ubuntu:22.04:LTS", "Ubuntu:22.04", "1.0", []string{"introduced=0"}, true, ""},
		{"paid updates are another one", "Ubuntu:Pro:22.04:LTS", "Ubuntu:22.04", "1.0", []string{"introduced=0"}, false, ""},
		{"Alpine's revisions", "Alpine:v3.22", "Alpine:v3.22", "1.2.5-r9", []string{"introduced=0", "fixed=1.2.5-r10"}, true, "1.2.5-r10"},
		{"Python's pre-releases", "PyPI", "PyPI", "2.0rc1", []string{"introduced=0", "fixed=2.0"}, true, "2.0"},
		{"the standard library", "Go", "Go", "1.26.1", []string{"introduced=1.26.0-0", "fixed=1.26.2"}, true, "1.26.2"},
		{"one repository of many", "Red Hat:enterprise_linux:9::appstream", "Red Hat:enterprise_linux:9::baseos", "1.0-1.el9", []string{"introduced=0", "fixed=1.0-2.el9"}, true, "1.0-2.el9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, hit := about(t, c.ecosystem, "", c.events...).Applies(vuln.Target{Ecosystem: c.mine, Name: "p", Version: c.version})
			if hit != c.hit || m.Fixed != c.fixed || m.Undecided != "" {
				t.Errorf("got %t %+v, want %t fixed in %q", hit, m, c.hit, c.fixed)
			}
			if _, other := about(t, c.ecosystem, "", c.events...).Applies(vuln.Target{Ecosystem: c.mine, Name: "q", Version: c.version}); other {
				t.Error("applies to another package")
			}
		})
	}
}

func TestWithdrawnListedAndUndecided(t *testing.T) {
	target := vuln.Target{Ecosystem: "npm", Name: "p", Version: "1.0.0"}
	if _, hit := about(t, "npm", `"withdrawn":"2026-01-01T00:00:00Z",`, "introduced=0").Applies(target); hit {
		t.Error("a withdrawn advisory applies")
	}
	listed, err := vuln.Parse([]byte(`{"id":"X","affected":[{"package":{"ecosystem":"npm","name":"p"},"versions":["1.0.0"]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, hit := listed.Applies(target); !hit {
		t.Error("a listed version is not affected")
	}
	strange := about(t, "Nowhere", "", "introduced=0", "fixed=2")
	if m, hit := strange.Applies(vuln.Target{Ecosystem: "Nowhere", Name: "p", Version: "1"}); !hit || m.Undecided == "" {
		t.Errorf("what cannot be compared must count: %t %+v", hit, m)
	}
}

func TestRate(t *testing.T) {
	for extra, want := range map[string]vuln.Severity{
		`"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],`:                                                                                              {Known: true, Level: finding.Critical, Score: 9.8},
		`"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"},{"type":"CVSS_V4","score":"CVSS:4.0/AV:L/AC:H/AT:P/PR:H/UI:A/VC:L/VI:N/VA:N/SC:N/SI:N/SA:N"}],`: {Known: true, Level: finding.Low, Score: 1},
		`"database_specific":{"severity":"MODERATE"},`:                 {Known: true, Level: finding.Medium},
		`"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/nonsense"}],`: {},
		``: {},
	} {
		a := about(t, "npm", extra, "introduced=0")
		got := a.Rate(a.Affected[0])
		if got.Vector = ""; got != want {
			t.Errorf("%s: got %+v, want %+v", extra, got, want)
		}
	}
	if !(vuln.Severity{}).AtLeast(finding.Critical) {
		t.Error("an unknown severity passes a threshold")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"id":"X","affected":[{"package":{"ecosystem":"npm","name":"p"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1.0.0"}]}]}]}`), "1.0.0")
	f.Add([]byte(`{"id":"X","affected":[{"package":{"ecosystem":"Debian:12","name":"p"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"1:1~a"},{"last_affected":"2"}]}]}]}`), "1:1")
	f.Fuzz(func(t *testing.T, data []byte, version string) {
		a, err := vuln.Parse(data)
		if err != nil {
			return
		}
		for _, affected := range a.Affected {
			a.Rate(affected)
			m, hit := a.Applies(vuln.Target{Ecosystem: affected.Package.Ecosystem, Name: affected.Package.Name, Version: version})
			if !hit && m.Fixed != "" {
				t.Errorf("not affected and fixed in %q", m.Fixed)
			}
		}
		if _, err := json.Marshal(a); err != nil {
			t.Error(err)
		}
	})
}

func TestExploitsRefuseWhatIsNoTable(t *testing.T) {
	for name, data := range map[string]string{"empty": "", "no entries": `{"dateReleased":"2026-11-20T00:00:00Z"}`, "no date": `{"vulnerabilities":[{"cveID":"CVE-1","dateAdded":"2026-11-01"}]}`,
		"no day": `{"dateReleased":"2026-11-20T00:00:00Z","vulnerabilities":[{"cveID":"CVE-1","dateAdded":"soon"}]}`} {
		if err := new(vuln.Exploits).AddKEV("x", []byte(data)); err == nil {
			t.Errorf("KEV, %s: taken", name)
		}
	}
	const stamp = "#model_version:v1,score_date:2026-11-20T00:00:00+0000\n"
	for name, data := range map[string]string{"empty": "", "no date": "cve,epss,percentile\n", "a bad date": "#score_date:x\ncve,epss\n", "no header": stamp + "CVE-1,0.1,0.1\n",
		"no number": stamp + "cve,epss,percentile\nCVE-1,high,0.1\n", "above one": stamp + "cve,epss,percentile\nCVE-1,1.5,0.1\n", "cut": stamp + "cve,epss,percentile\nCVE-1\n"} {
		if err := new(vuln.Exploits).AddEPSS("x", strings.NewReader(data)); err == nil {
			t.Errorf("EPSS, %s: taken", name)
		}
	}
}
