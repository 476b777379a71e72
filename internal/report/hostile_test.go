package report

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/review"
	"github.com/hsectl/hsectl/internal/sanitize"
)

// FuzzFormats writes values that may be anything in every format, as the program prints it.
func FuzzFormats(f *testing.F) {
	f.Add("plain")
	var hidden strings.Builder
	for r := rune(0); r < 0x10ffff; r++ {
		if sanitize.Hidden(r) && (r < 0xe0000 || r%97 == 0) {
			hidden.WriteRune(r)
		}
	}
	f.Add(hidden.String())
	f.Add("a\n::error::b\x1b[2J\u202e![x](https://evil.example/p.png) <img src=x> @all ##vso[task] [y](javascript:z) www.evil.example #12 \\| `` ``` \\")
	f.Add("\u200b\r\t| x | ~~~\n# head\n/close\n<!-- hsectl review -->")
	f.Fuzz(func(t *testing.T, value string) {
		d := Document{Kind: "Verify", Subject: value, Made: time.Unix(0, 0), Profile: value, Tool: value, Engine: value, Findings: []finding.Finding{
			{Subject: value, Control: "HSE-FS-001", Title: value, Severity: finding.High, Status: finding.Fail, Tier: finding.Declared, Detail: value, Where: value, Remedy: value, Owner: value},
			{Subject: value, Control: value, Title: value, Status: finding.Waived, Detail: value, Waiver: &finding.Waiver{Reason: value, Owner: value, Expires: value}},
			{Subject: "b", Control: value, Status: finding.Unknown, Detail: value}, {Subject: "b", Control: "x", Status: finding.Advice, Detail: value, Remedy: value},
		}}
		d.Before = &Snapshot{Findings: []finding.Finding{{Subject: value, Control: value, Status: finding.Pass, Title: value}}}
		for _, format := range Formats() {
			var raw, b bytes.Buffer
			if err := Write(&raw, format, d, TextOptions{All: true}); err != nil {
				t.Fatal(err)
			}
			if _, err := sanitize.NewWriter(&b, false).Write(raw.Bytes()); err != nil {
				t.Fatal(err)
			}
			harmless(t, format, b.String())
			if format == "markdown" {
				inert(t, raw.String())
			}
		}
		r := review.Review{Stack: value, Diff: value, Changes: []review.Change{{Service: value, Owner: value, Direction: review.Weaker, Severity: finding.High, Rule: review.RuleControl,
			Control: value, What: value, Old: value, New: value, Reason: value, Key: value, Where: value}}}
		for _, format := range ReviewFormats() {
			var raw, b bytes.Buffer
			if err := WriteReviews(&raw, format, []review.Review{r}, Sources{Root: "/repository", Dir: "/repository"}); err != nil {
				t.Fatal(err)
			}
			if _, err := sanitize.NewWriter(&b, false).Write(raw.Bytes()); err != nil {
				t.Fatal(err)
			}
			harmless(t, format, b.String())
			if format == "markdown" {
				text, _, _ := strings.Cut(raw.String(), "<details><summary>What is rendered")
				inert(t, strings.TrimPrefix(text, Marker))
			}
		}
	})
}

func harmless(t *testing.T, format, text string) {
	t.Helper()
	for _, r := range text {
		if sanitize.Hidden(r) {
			t.Fatalf("%s has %U", format, r)
		}
	}
	for line := range strings.Lines(text) {
		lower := strings.ToLower(line)
		if strings.HasPrefix(strings.TrimSpace(line), "::") || strings.Contains(lower, "##[") || strings.Contains(lower, "##vso[") || strings.Contains(lower, "##teamcity[") {
			t.Fatalf("%s has a command: %q", format, line)
		}
	}
}

// inert wants no picture, no tag of HTML but our own, and no link, outside of code.
func inert(t *testing.T, text string) {
	t.Helper()
	text = strings.ReplaceAll(text, "<!-- -->", "")
	for _, own := range []string{"<details><summary>", "</summary>", "</details>"} {
		text = strings.ReplaceAll(text, own, "")
	}
	for line := range strings.Lines(text) {
		code := false
		for i := 0; i < len(line); i++ {
			rest := line[i:]
			switch {
			case !code && line[i] == '\\':
				i++ // escapes the next one
			case line[i] == '`':
				code = !code
			case code:
			case line[i] == '<', line[i] == '[', line[i] == '!', strings.HasPrefix(rest, "://"), strings.HasPrefix(strings.ToLower(rest), "www."):
				t.Fatalf("markup at %q of %q", rest, line)
			}
		}
		if code {
			t.Fatalf("code that does not end: %q", line)
		}
	}
}
