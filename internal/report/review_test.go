package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/review"
)

func hostile() []review.Review {
	text := "x|y\n<img src=z> `code` @everyone [link](http://z) ![pic](http://z) *b*"
	return []review.Review{{Stack: text, Diff: "```\n+" + text + "\n", Changes: []review.Change{{Service: "app", Direction: review.Weaker, Severity: finding.High, Rule: review.RuleGrant, Control: "HSE-CAP-001",
		What: "capability", New: text, Reason: text, Where: "dir:a/hsectl.yaml:7:3"}}}}
}

// What a pull request brings cannot break out of its cell, mention anybody, load anything or end the diff.
func TestMarkdownIsSafe(t *testing.T) {
	var b bytes.Buffer
	if err := ReviewMarkdown(&b, hostile()); err != nil {
		t.Fatal(err)
	}
	out := b.String()
	if !strings.HasPrefix(out, Marker+"\n") {
		t.Error("the marker is not the first line")
	}
	table, _, _ := strings.Cut(out, "<details>")
	for _, bad := range []string{"<img", "@everyone", "](http", "\n<"} {
		for _, line := range strings.Split(table, "\n")[1:] {
			visible := line
			for strings.Count(visible, "`") >= 2 { // what stands between back quotes is shown as it is
				before, rest, _ := strings.Cut(visible, "`")
				_, after, _ := strings.Cut(rest, "`")
				visible = before + after
			}
			if strings.Contains(visible, bad) && bad != "](http" || strings.Contains(visible, "[link](http") && !strings.Contains(visible, `\[link](http`) {
				t.Errorf("%q in %q", bad, line)
			}
		}
	}
	if strings.Count(out, "````") != 2 {
		t.Errorf("the fence of the diff is not longer than what is in it:\n%s", out)
	}
}

// A long diff is cut at a line, and said to be.
func TestMarkdownIsBounded(t *testing.T) {
	var b bytes.Buffer
	if err := ReviewMarkdown(&b, []review.Review{{Stack: "s", Diff: strings.Repeat("+a line of the diff\n", 10_000)}}); err != nil {
		t.Fatal(err)
	}
	if b.Len() > 60_000 || !strings.Contains(b.String(), "The rest is left out") {
		t.Errorf("%d bytes", b.Len())
	}
}

func TestSARIF(t *testing.T) {
	var b bytes.Buffer
	if err := ReviewSARIF(&b, hostile(), Sources{}); err != nil {
		t.Fatal(err)
	}
	var log sarif.Report
	if err := json.Unmarshal(b.Bytes(), &log); err != nil {
		t.Fatal(err)
	}
	run := log.Runs[0]
	r := run.Results[0]
	at := r.Locations[0].PhysicalLocation
	if *r.RuleID != review.RuleGrant || r.Level != "error" || *at.ArtifactLocation.URI != "./dir:a/hsectl.yaml" || *at.Region.StartLine != 7 || *at.Region.StartColumn != 3 ||
		len(run.Tool.Driver.Rules) != len(review.Rules()) || *run.Tool.Driver.Rules[r.RuleIndex].ID != *r.RuleID || r.PartialFingerprints["primaryLocationLineHash"] == "" {
		t.Errorf("got %+v", r)
	}
}

func TestPlaces(t *testing.T) {
	for where, want := range map[string][2]int{"a.yaml:7:3": {7, 3}, "a.yaml:7": {7, 0}, "a.yaml": {0, 0}, "C:/a.yaml:7:3": {7, 3}} {
		if file, line, column := place(where); !strings.HasSuffix(file, "a.yaml") || [2]int{line, column} != want {
			t.Errorf("%s is %s, %d, %d", where, file, line, column)
		}
	}
}

func TestEmptyOutputs(t *testing.T) {
	for name, write := range map[string]func(*bytes.Buffer) error{
		"markdown": func(b *bytes.Buffer) error { return ReviewMarkdown(b, nil) }, "json": func(b *bytes.Buffer) error { return ReviewJSON(b, nil) },
		"sarif": func(b *bytes.Buffer) error { return ReviewSARIF(b, nil, Sources{}) }, "json without changes": func(b *bytes.Buffer) error { return ReviewJSON(b, []review.Review{{Stack: "x"}}) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil || strings.Contains(b.String(), "null") {
			t.Errorf("%s: %v, %s", name, err, b.String())
		}
	}
}
