package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/report"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// observed has every status, on three services: one as it should be, one that drifted, one that could not be seen.
func observed() report.Document {
	find := func(subject, control, title string, severity finding.Severity, status finding.Status, tier finding.Tier, detail string) finding.Finding {
		return finding.Finding{Subject: subject, Control: control, Title: title, Severity: severity, Status: status, Tier: tier, Detail: detail,
			Remedy: "fix it", Where: "shop.yaml:7:5"}
	}
	waived := find("db", "HSE-USR-001", "No process runs as root", finding.High, finding.Waived, finding.Effective, "process postgres runs with uid 0")
	waived.Waiver = &finding.Waiver{Reason: "until the volume is handed over", Owner: "ops", Expires: "2027-01-31"}
	blind := "the probe could not be started"
	return report.Document{Kind: "Evidence", Subject: "shop", Findings: []finding.Finding{
		find("app", "HSE-FS-001", "Root file system is read-only", finding.High, finding.Pass, finding.Behaved, "a write to / fails with EROFS"),
		find("app", "HSE-KRN-003", "A security module confines every process", finding.Medium, finding.NotApplicable, finding.Effective, "no security module"),
		find("cache", "HSE-USR-001", "No process runs as root", finding.High, finding.Unknown, finding.None, "the processes: "+blind),
		find("cache", "HSE-CAP-001", "The bounding set holds the declared capabilities only", finding.High, finding.Unknown, finding.None, "the processes: "+blind),
		find("cache", "HSE-FS-010", "The service's user can write every declared path", finding.High, finding.Unknown, finding.None, "writing: "+blind),
		find("cache", "HSE-RES-001", "Memory is limited as declared", finding.High, finding.Unknown, finding.None, "the limit of memory could not be seen"),
		find("cache", "HSE-RES-002", "No swap beyond the memory limit", finding.Medium, finding.Unknown, finding.None, "the limit of swap could not be seen"),
		find("db", "HSE-FS-001", "Root file system is read-only", finding.High, finding.Drift, finding.Effective, "/ is mounted writable"),
		waived,
		find("db", "HSE-LOG-001", "Logs are rotated", finding.Medium, finding.Fail, finding.Applied, "driver json-file keeps everything & <all>"),
	}}
}

func proven() report.Document {
	d := observed()
	d.Findings = d.Findings[:2]
	return d
}

func TestGolden(t *testing.T) {
	lint := proven()
	lint.Kind = "Lint"
	bad := observed()
	bad.Kind = "Lint"
	text := func(d report.Document, o report.TextOptions) func(*bytes.Buffer) error {
		return func(b *bytes.Buffer) error { return report.Text(b, d, o) }
	}
	for name, write := range map[string]func(*bytes.Buffer) error{
		"evidence.txt":        text(observed(), report.TextOptions{}),
		"evidence-all.txt":    text(observed(), report.TextOptions{All: true}),
		"evidence-colour.txt": text(observed(), report.TextOptions{Colour: true}),
		"proven.txt":          text(proven(), report.TextOptions{}),
		"lint.txt":            text(lint, report.TextOptions{}),
		"lint-failed.txt":     text(bad, report.TextOptions{}),
		"nothing.txt":         text(report.Document{Kind: "Evidence", Subject: "shop"}, report.TextOptions{}),
		"evidence.json":       func(b *bytes.Buffer) error { return report.JSON(b, observed()) },
		"nothing.json":        func(b *bytes.Buffer) error { return report.JSON(b, report.Document{Kind: "Evidence", Subject: "shop"}) },
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := write(&b); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("../../testdata/golden/report", name)
			if *update {
				if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(b.Bytes(), want) {
				t.Errorf("got:\n%s\nwant (%v):\n%s", b.Bytes(), err, want)
			}
			if coloured := bytes.ContainsRune(b.Bytes(), 0x1b); coloured != (name == "evidence-colour.txt") {
				t.Errorf("has colours: %t", coloured)
			}
		})
	}
}

func TestJSONIsReadBack(t *testing.T) {
	var b bytes.Buffer
	if err := report.JSON(&b, observed()); err != nil {
		t.Fatal(err)
	}
	var got struct {
		APIVersion, Kind, Stack string
		Proven                  bool
		Summary                 map[string]int
		Findings                []finding.Finding
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.APIVersion != "hsectl/v1" || got.Kind != "Evidence" || got.Stack != "shop" || got.Proven || !reflect.DeepEqual(got.Findings, observed().Findings) {
		t.Errorf("got %+v", got)
	}
	want := map[string]int{"pass": 1, "fail": 1, "drift": 1, "waived": 1, "unknown": 5, "not applicable": 1}
	if !reflect.DeepEqual(got.Summary, want) {
		t.Errorf("summary %v", got.Summary)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestWritingFails(t *testing.T) {
	if err := report.Text(full{}, observed(), report.TextOptions{}); err == nil {
		t.Error("text: no error")
	}
	if err := report.JSON(full{}, observed()); err == nil {
		t.Error("JSON: no error")
	}
}
