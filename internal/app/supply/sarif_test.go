package supply

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/image/audit"
	"github.com/hsectl/hsectl/internal/image/vuln"
)

// Code scanning gets one run for all images, with a result for each vulnerability that counts, on the line that names the image.
func TestScanAsSARIF(t *testing.T) {
	severe := vuln.Severity{Known: true, Level: finding.High}
	reports := []audit.Report{
		{Image: "shop:1", Findings: []finding.Finding{
			{Control: "HSE-IMG-010", Title: "No vulnerability", Status: finding.Fail}, {Control: "HSE-IMG-003", Title: "No root", Status: finding.Fail, Severity: finding.Medium}},
			Vulnerabilities: []audit.Vulnerability{
				{ID: "CVE-2026-1", Package: "libssl3", Version: "3.0.1", Fixed: "3.0.5", Severity: severe, Status: audit.Affected},
				{ID: "CVE-2026-1", Package: "openssl", Version: "3.0.1", Severity: severe, Status: audit.Affected},
				{ID: "CVE-2026-2", Package: "left", Severity: severe, Status: audit.Ignored, Reason: "until 2026-12-31: not reached"},
				{ID: "CVE-2026-3", Package: "right", Severity: severe, Status: audit.NotAffected},
				{ID: "CVE-2026-4", Package: "low", Severity: vuln.Severity{Known: true}, Status: audit.Affected},
			}},
		{Image: "registry.example:5000/other:2", Findings: []finding.Finding{{Control: "HSE-IMG-010", Title: "No vulnerability", Status: finding.Unknown, Detail: "no os-release"}}},
	}
	var out bytes.Buffer
	rules := Rules{stack: "shop", path: "hsectl.yaml", places: map[string]string{"shop:1": "hsectl.yaml:7:12"}}
	if err := writeSARIF(app.Streams{Out: &out, Err: &out}, rules, reports, audit.Policy{FailOn: finding.High}); err != nil {
		t.Fatal(err)
	}
	var log struct {
		Runs []struct {
			Results []struct {
				RuleID       string
				Message      struct{ Text string }
				Suppressions []any
				Locations    []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           struct{ StartLine int }
					}
				}
			}
		}
	}
	if err := json.Unmarshal(out.Bytes(), &log); err != nil || len(log.Runs) != 1 {
		t.Fatalf("%d runs, %v", len(log.Runs), err)
	}
	var got []string
	for _, r := range log.Runs[0].Results {
		at := r.Locations[0].PhysicalLocation
		got = append(got, strings.Join([]string{r.RuleID, at.ArtifactLocation.URI[strings.LastIndex(at.ArtifactLocation.URI, "/")+1:]}, " "))
		if r.RuleID == "CVE-2026-1" && (!strings.Contains(r.Message.Text, "libssl3 3.0.1 (fixed in 3.0.5), openssl 3.0.1 (no fix)") || at.Region.StartLine != 7) {
			t.Errorf("got %q at %d", r.Message.Text, at.Region.StartLine)
		}
		if (r.RuleID == "CVE-2026-2") != (len(r.Suppressions) == 1) {
			t.Errorf("%s has %d suppressions", r.RuleID, len(r.Suppressions))
		}
	}
	if want := []string{"HSE-IMG-003 hsectl.yaml", "CVE-2026-1 hsectl.yaml", "CVE-2026-2 hsectl.yaml", "HSE-IMG-010 other"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
