package scanners_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/image/audit"
	"github.com/hsectl/hsectl/internal/image/scanners"
	"github.com/hsectl/hsectl/internal/image/vuln"
)

func parsed(t *testing.T, name string, replace ...string) scanners.Found {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	found, err := scanners.Parse([]byte(strings.NewReplacer(replace...).Replace(string(data))))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

var today = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)

// judged returns what counts, and the findings by control.
func judged(f scanners.Found, p audit.Policy) ([]string, map[string]finding.Status) {
	p.Today = today
	f.Report.Weigh(p, nil)
	var counting []string
	for _, v := range f.Report.Counting(p) {
		counting = append(counting, v.ID)
	}
	status := map[string]finding.Status{}
	for _, one := range audit.JudgeReported(f.Report, audit.Reported{Looked: f.Looked, Secrets: f.Secrets, EndOfLife: f.EndOfLife}, p) {
		status[one.Control] = one.Status
	}
	return counting, status
}

func TestTrivy(t *testing.T) {
	f := parsed(t, "trivy.json")
	r := f.Report
	if r.Image != "shop:1" || r.Platform != "linux/amd64" || r.Layers[1].CreatedBy != "RUN npm ci" || r.Packages[0].PURL != "pkg:deb/debian/openssl@3.0.2" || !f.Looked {
		t.Errorf("got %+v", r)
	}
	i := slices.IndexFunc(r.Vulnerabilities, func(v audit.Vulnerability) bool { return v.ID == "CVE-2026-1000" })
	if v := r.Vulnerabilities[i]; v.Fixed != "3.0.5" || v.Severity.Score != 7.5 || v.CreatedBy != "FROM debian" || strings.Contains(v.Summary, "\x1b") {
		t.Errorf("got %+v", v)
	}
	// What has no severity counts: unknown is never good.
	counting, status := judged(f, audit.Policy{FailOn: finding.High})
	if !slices.Equal(counting, []string{"CVE-2026-1000", "CVE-2026-1002"}) {
		t.Errorf("counting %v", counting)
	}
	for control, want := range map[string]finding.Status{"HSE-IMG-010": finding.Fail, "HSE-IMG-005": finding.Fail, "HSE-IMG-008": finding.Fail} {
		if status[control] != want {
			t.Errorf("%s: %s", control, status[control])
		}
	}
	if counting, _ := judged(f, audit.Policy{FailOn: finding.High, OnlyFixed: true}); !slices.Equal(counting, []string{"CVE-2026-1000"}) {
		t.Errorf("only fixed: %v", counting)
	}
	// A report that looked for secrets only proves nothing about packages.
	if _, status := judged(parsed(t, "trivy.json", `"os-pkgs"`, `"license"`, `"lang-pkgs"`, `"license"`, `"VulnerabilityID"`, `"x"`, `"Vulnerabilities"`, `"y"`), audit.Policy{FailOn: finding.High}); status["HSE-IMG-010"] != finding.Unknown {
		t.Errorf("got %v", status)
	}
}

func TestGrype(t *testing.T) {
	f := parsed(t, "grype.json")
	v := f.Report.Vulnerabilities[0] // what is exploited comes first
	if v.ID != "GHSA-aaaa" || v.Exploited != "2026-10-02" || v.EPSS != 0.42 || v.Fixed != "2.0.0" || v.CreatedBy != "RUN npm ci" || v.Location != "app/node_modules/left/package.json" {
		t.Errorf("got %+v", v)
	}
	if got := f.Report.Databases[0].Age(today); got != 114*time.Hour {
		t.Errorf("the database is %s old", got)
	}
	// Exploited counts, although it is only medium; an entry with a reason takes it away until a day.
	counting, status := judged(f, audit.Policy{FailOn: finding.Critical})
	if !slices.Equal(counting, []string{"GHSA-aaaa"}) || status["HSE-IMG-010"] != finding.Fail || len(status) != 1 {
		t.Errorf("got %v, %v", counting, status)
	}
	ignore := []audit.Ignore{{ID: "CVE-2026-1002", Reason: "not reached", Expires: today}}
	if counting, status := judged(f, audit.Policy{FailOn: finding.Critical, Ignore: ignore}); len(counting) != 0 || status["HSE-IMG-010"] != finding.Pass {
		t.Errorf("got %v, %v", counting, status)
	}
	if _, status := judged(parsed(t, "grype.json", `"matches"`, `"nothing"`), audit.Policy{}); status["HSE-IMG-010"] != finding.Unknown {
		t.Errorf("a report without matches: %v", status)
	}
}

func TestExploitsAreLaidOverAReport(t *testing.T) {
	var e vuln.Exploits
	if err := e.AddKEV("kev.json", []byte(`{"dateReleased":"2026-11-20T00:00:00Z","vulnerabilities":[{"cveID":"CVE-2026-1001","dateAdded":"2026-11-01"}]}`)); err != nil {
		t.Fatal(err)
	}
	if err := e.AddEPSS("epss.csv", strings.NewReader("#model_version:v2025.03.14,score_date:2026-11-20T00:00:00+0000\ncve,epss,percentile\nCVE-2026-1000,0.5,0.9\n")); err != nil {
		t.Fatal(err)
	}
	f := parsed(t, "trivy.json")
	if counting, _ := judged(f, audit.Policy{FailOn: finding.Critical, Exploits: e}); !slices.Equal(counting, []string{"CVE-2026-1001", "CVE-2026-1002"}) {
		t.Errorf("counting %v", counting)
	}
}

func TestWhatIsNoReport(t *testing.T) {
	for name, data := range map[string]string{"empty": "", "a list": "[]", "another form": `{"SchemaVersion":1}`, "a directory": `{"descriptor":{"name":"grype"},"source":{"type":"directory","target":"/"}}`,
		"Trivy of a file system": `{"SchemaVersion":2,"ArtifactType":"filesystem"}`, "cut": `{"SchemaVersion":2,"Results":[{"Vul`} {
		if found, err := scanners.Parse([]byte(data)); err == nil {
			t.Errorf("%s: %+v", name, found)
		} else if name == "another form" && !errors.Is(err, scanners.ErrForm) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"trivy.json", "grype.json"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		found, err := scanners.Parse(data)
		if err != nil {
			return
		}
		judged(found, audit.Policy{})
		var text strings.Builder
		if err := audit.Text(&text, found.Report, audit.Policy{Today: today}, true); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(text.String(), "\x1b\x07\r") {
			t.Error("the report moves the cursor")
		}
	})
}
