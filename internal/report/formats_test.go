package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/hsectl/hsectl/internal/finding"
)

// updating tells whether -update was given; the flag belongs to the tests of the text.
func updating() bool {
	f := flag.Lookup("update")
	return f != nil && f.Value.String() == "true"
}

// example has one finding of each status, text that must be escaped everywhere, an earlier report and a chart.
func example() Document {
	find := func(subject, control, title string, sev finding.Severity, s finding.Status, t finding.Tier, detail string) finding.Finding {
		return finding.Finding{Subject: subject, Control: control, Title: title, Severity: sev, Status: s, Tier: t, Detail: detail,
			Remedy: "declare it under writable:", Where: "profiles/shop.yaml:7:5"}
	}
	waived := find("db", "HSE-RES-003", "CPU is limited as declared", finding.Medium, finding.Waived, finding.Effective, "cpu is unlimited")
	waived.Waiver = &finding.Waiver{Reason: "measured first", Owner: "ops", Expires: "2026-12-31"}
	var used, cpu, taken []Point
	for i := range 64 {
		taken = append(taken, Point{float64(i) * 0.125 / 63, 4 * float64(i)})
	}
	for i := range 60 {
		used = append(used, Point{float64(i), 180 + 60*float64(i%17)/17})
		cpu = append(cpu, Point{float64(i), 90 + 30*float64(i%11)/11})
	}
	owned := func(f finding.Finding, owner string) finding.Finding { f.Owner = owner; return f }
	return Document{
		Kind: "Evidence", Subject: "shop", Tool: "v1.2.3", Profile: "profiles/shop.yaml", Engine: "29.1.0 (API 1.52)",
		Made: time.Date(2026, 6, 15, 9, 30, 0, 0, time.UTC),
		Rules: []Rule{{ID: "HSE-FS-001", Title: "Root file system is read-only", Severity: finding.High, Rationale: "An intruder cannot change the program.",
			Remedy: "declare it under writable:", References: []string{"CIS 5.13", "NIST SP 800-190 4.4.3"}}},
		Findings: []finding.Finding{
			owned(find("app", "HSE-FS-001", "Root file system is read-only", finding.High, finding.Drift, finding.Effective, "/ is mounted writable"), "@shop/web"),
			owned(find("app", "HSE-NET-007", "The service listens on the declared ports only", finding.Medium, finding.Fail, finding.Effective, "port 9229 is open | <script>alert(1)</script>"), "@shop/web"),
			find("app", "HSE-USR-001", "No process runs as root", finding.High, finding.Pass, finding.Effective, "all user ids are above 0"),
			find("db", "HSE-KRN-003", "A security module confines every process", finding.Medium, finding.NotApplicable, finding.Effective, "the kernel has none"),
			find("db", "HSE-SEC-002", "Secrets are read-only files", finding.Medium, finding.Unknown, finding.None, "no probe could run"),
			waived,
			find("db", "HSE-IMG-003", "The image does not start as root by itself", finding.Info, finding.Advice, finding.Applied, "the image's user is root"),
		},
		Before: &Snapshot{Made: time.Date(2026, 6, 1, 9, 0, 0, 0, time.UTC), Findings: []finding.Finding{
			find("app", "HSE-FS-001", "Root file system is read-only", finding.High, finding.Pass, finding.Effective, ""),
			find("app", "HSE-USR-001", "No process runs as root", finding.High, finding.Fail, finding.Effective, ""),
			find("app", "HSE-CAP-001", "No capability is left", finding.High, finding.Pass, finding.Effective, ""),
		}},
		Charts: []Chart{
			{Title: "Memory under load", Unit: "MiB", Lines: []Line{{"app", used}}, Limit: Limit{"limit", 256}},
			{Title: "Allocating twice the memory of app", Unit: "MiB", Lines: []Line{{"allocated next to app", taken}}, Limit: Limit{"limit", 256}, Marks: []Mark{{"killed by the kernel", 0.125, 252}}},
			{Title: "CPU under load", Unit: "%", Lines: []Line{{"app", cpu}, {"db", used}}},
		},
	}
}

// Every format has a golden file, so that a change of a report is seen in review.
func TestEveryFormat(t *testing.T) {
	for _, format := range Formats() {
		t.Run(format, func(t *testing.T) {
			var b bytes.Buffer
			if err := Write(&b, format, example(), TextOptions{}); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", "example."+format)
			if updating() {
				if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(b.Bytes(), want) {
				t.Errorf("%s differs; when that is meant: go test ./internal/report -update", path)
			}
		})
	}
}

// What is written is valid by the schema that OASIS published for SARIF 2.1.0.
func TestSARIFKeepsTheSchema(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("testdata/sarif-schema-2.1.0.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, write := range map[string]func(io.Writer) error{
		"example": func(w io.Writer) error { return SARIF(w, example()) },
		"empty":   func(w io.Writer) error { return SARIF(w, Document{Kind: "Lint", Subject: "shop"}) },
		"review":  func(w io.Writer) error { return ReviewSARIF(w, hostile(), Sources{}) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		written, err := jsonschema.UnmarshalJSON(&b)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(written); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What the library allows, plus what GitHub asks for beyond it.
func TestSARIFIsValid(t *testing.T) {
	for name, d := range map[string]Document{"example": example(), "empty": {Kind: "Lint", Subject: "shop"}} {
		if err := sarif.NewReport().AddRun(sarifRun(d)).Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	run := sarifRun(example())
	if len(run.Results) != 5 {
		t.Errorf("%d results, want the 5 that do not simply hold", len(run.Results))
	}
	for _, result := range run.Results {
		if *run.Tool.Driver.Rules[result.RuleIndex].ID != *result.RuleID {
			t.Errorf("%s points at another rule", *result.RuleID)
		}
		if result.PartialFingerprints["primaryLocationLineHash"] == "" || *result.Locations[0].PhysicalLocation.Region.StartLine != 7 {
			t.Errorf("%s has no fingerprint or no place", *result.RuleID)
		}
	}
}

// A fingerprint is the same when the line in the profile moves.
func TestSARIFFingerprintIsStable(t *testing.T) {
	d := example()
	before := sarifRun(d).Results[0].PartialFingerprints
	d.Findings[0].Where, d.Findings[0].Detail = "profiles/shop.yaml:90:1", "another detail"
	after := sarifRun(d).Results[0].PartialFingerprints
	if before["hsectlControl/v1"] != after["hsectlControl/v1"] {
		t.Error("the fingerprint follows the line")
	}
}

// No format may lose a finding that is not proven, or show it as a pass.
func TestUnknownIsNeverAPass(t *testing.T) {
	d := Document{Kind: "Evidence", Subject: "shop", Findings: []finding.Finding{{Subject: "app", Control: "HSE-FS-001", Title: "Root", Detail: "not seen"}}}
	for format, want := range map[string]string{"text": "not proven", "json": `"proven": false`, "sarif": "not known", "junit": `errors="1"`, "markdown": "not proven", "html": "not proven"} {
		var b strings.Builder
		if err := Write(&b, format, d, TextOptions{}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s does not say %q", format, want)
		}
	}
}

func TestJUnitIsXML(t *testing.T) {
	var b bytes.Buffer
	if err := JUnit(&b, example()); err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(&b)
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestReadWhatJSONWrote(t *testing.T) {
	var b bytes.Buffer
	if err := JSON(&b, example()); err != nil {
		t.Fatal(err)
	}
	d, err := Read(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Findings) != 7 || d.Findings[0] != example().Findings[0] || !d.Made.Equal(example().Made) {
		t.Errorf("read %+v", d)
	}
	if _, err := Read([]byte(`{"apiVersion":"other/v9"}`)); err == nil {
		t.Error("another version is read as ours")
	}
}

// The page asks for nothing, runs nothing, names every picture, and escapes what comes from containers.
func TestHTMLIsSelfContained(t *testing.T) {
	var b strings.Builder
	if err := HTML(&b, example()); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, bad := range []string{"<script", "http:", "https:", "@import", "ZgotmplZ", "onclick"} {
		if strings.Contains(text, bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
	ids := regexp.MustCompile(`id="([^"]+)"`).FindAllStringSubmatch(text, -1)
	var seen []string
	for _, m := range ids {
		if slices.Contains(seen, m[1]) {
			t.Errorf("id %q is used twice", m[1])
		}
		seen = append(seen, m[1])
	}
	for _, m := range regexp.MustCompile(`href="#([^"]+)"|aria-labelledby="([^"]+)"`).FindAllStringSubmatch(text, -1) {
		if !slices.Contains(seen, m[1]+m[2]) {
			t.Errorf("%s leads nowhere", m[0])
		}
	}
}

// FuzzRead feeds what is not a report; it must be refused, not crash.
func FuzzRead(f *testing.F) {
	var b bytes.Buffer
	if err := JSON(&b, example()); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte(`{"apiVersion":"hsectl/v1","findings":[{"status":"pass"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Read(data)
		if err == nil && !json.Valid(data) {
			t.Errorf("read %+v from what is not JSON", d)
		}
	})
}

// Every path is relative to the root of the sources, wherever hsectl was called and however the profile was named.
func TestSARIFPathsAreRelative(t *testing.T) {
	t.Parallel()
	inside := Sources{Root: "/work/shop", Dir: "/work/shop/deploy"}
	for file, want := range map[string]string{
		"hsectl.yaml": "deploy/hsectl.yaml", "../hsectl.yaml": "hsectl.yaml", "/work/shop/a/hsectl.yaml": "a/hsectl.yaml",
		"/home/someone/hsectl.yaml": "hsectl.yaml", "../../other/hsectl.yaml": "hsectl.yaml", "./x/../hsectl.yaml": "deploy/hsectl.yaml",
	} {
		if got := inside.path(file); got != want {
			t.Errorf("%s is %s, want %s", file, got, want)
		}
	}
	for file, want := range map[string]string{"a/./hsectl.yaml": "a/hsectl.yaml", "/home/someone/hsectl.yaml": "hsectl.yaml", "../hsectl.yaml": "hsectl.yaml"} {
		if got := (Sources{}).path(file); got != want {
			t.Errorf("without a root %s is %s, want %s", file, got, want)
		}
	}
	d := example()
	d.Sources, d.Profile = inside, "/work/shop/deploy/hsectl.yaml"
	for i := range d.Findings {
		d.Findings[i].Where = "/work/shop/deploy/hsectl.yaml:7:3"
	}
	for _, r := range sarifRun(d).Results {
		if at := r.Locations[0].PhysicalLocation.ArtifactLocation; *at.URI != "deploy/hsectl.yaml" || *at.URIBaseID != "%SRCROOT%" {
			t.Errorf("%s is at %s of %v", *r.RuleID, *at.URI, at.URIBaseID)
		}
	}
}
