package sanitize_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/sanitize"
)

func TestText(t *testing.T) {
	for text, want := range map[string]string{
		"plain text\twith tab\nand line": "plain text\twith tab\nand line",
		"ünïcödé ✓ ❌ → 日本語":              "ünïcödé ✓ ❌ → 日本語",
		"\x1b[2J":                        `\u001b[2J`,
		"a\rb":                           `a\u000db`,
		"\u202egnp.exe":                  `\u202egnp.exe`,
		"zero\u200bwidth\ufeff":          `zero\u200bwidth\ufeff`,
		"tag \U000e0041":                 `tag \udb40\udc41`,
		"c1 \u009b31m":                   `c1 \u009b31m`,
		"bad \xff\x9b utf8":              "bad \ufffd\ufffd utf8",
		"::error::x":                     `:\u003aerror::x`,
		"  \t ::set-output name=a::b":    "  \t :" + `\u003aset-output name=a::b`,
		"a ::b:: c":                      "a ::b:: c",
		"x\n::add-mask::y":               "x\n:" + `\u003aadd-mask::y`,
		"##[error]x":                     `##\u005berror]x`,
		"a ##vso[task.x]":                `a ##vso\u005btask.x]`,
		"##VSO[x]":                       `##VSO\u005bx]`,
		"see ##TeamCity[x]":              `see ##TeamCity\u005bx]`,
		"##v\u00adso[x]":                 `##v\u00adso[x]`,
		"# title [x]":                    "# title [x]",
		"                ::error::far":   "                :" + `\u003aerror::far`,
		"x               ::error::far":   "x               ::error::far",
		"\u3000\u00a0::error::":          "\u3000\u00a0:" + `\u003aerror::`,
		"truncated \xe2\x80":             "truncated \ufffd",
		"[::]:80 and ::1":                "[::]:80 and ::1",
	} {
		if got := sanitize.Text(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
		if again := sanitize.Text(want); again != want {
			t.Errorf("%q is not stable: %q", want, again)
		}
	}
	if got := sanitize.Line("a\nb\tc"); got != `a\u000ab\u0009c` {
		t.Errorf("one line: %q", got)
	}
}

// dangerous is written in whatever pieces.
const dangerous = "ok\n ::error::x\n##vso[y]\x1b[1A\u202e\u2066 ##[group]z ##teamcity[w]\r\n\U000e0020\xff"

func TestWriterKnowsWhatWasBefore(t *testing.T) {
	want := sanitize.Text(dangerous)
	for size := 1; size < 9; size++ {
		var b bytes.Buffer
		w := sanitize.NewWriter(&b, false)
		for rest := []byte(dangerous); len(rest) > 0; rest = rest[min(size, len(rest)):] {
			if _, err := w.Write(rest[:min(size, len(rest))]); err != nil {
				t.Fatal(err)
			}
		}
		if b.String() != want {
			t.Errorf("pieces of %d: %q, want %q", size, b.String(), want)
		}
	}
}

func TestOwnColoursAndCommandsPass(t *testing.T) {
	var b bytes.Buffer
	w := sanitize.NewWriter(&b, true)
	fmt.Fprint(w, "\x1b[31mred\x1b[m \x1b[2J\n")
	if err := w.Command("::group::", "web\n::error::x\x1b"); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(w, "::endgroup::\n")
	want := "\x1b[31mred\x1b[m \\u001b[2J\n::group::web\n:\\u003aerror::x\\u001b\n:\\u003aendgroup::\n"
	if b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

func FuzzText(f *testing.F) {
	f.Add(dangerous)
	f.Add("::a::b\n##[x]")
	f.Fuzz(func(t *testing.T, text string) {
		got := sanitize.Text(text)
		for _, r := range got {
			if sanitize.Hidden(r) {
				t.Fatalf("%q has %U", got, r)
			}
		}
		for line := range strings.Lines(got) {
			lower := strings.ToLower(line)
			if strings.HasPrefix(strings.TrimSpace(line), "::") || strings.Contains(lower, "##[") || strings.Contains(lower, "##vso[") || strings.Contains(lower, "##teamcity[") {
				t.Fatalf("%q has a command", line)
			}
		}
		if sanitize.Text(got) != got {
			t.Fatalf("%q is not stable", got)
		}
		// A JSON document has the same values before and after.
		data, err := json.MarshalIndent(map[string]string{"key": text}, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		var before, after map[string]string
		if err := json.Unmarshal(data, &before); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(sanitize.Text(string(data))), &after); err != nil || after["key"] != before["key"] {
			t.Fatalf("%q became %q: %v", before["key"], after["key"], err)
		}
	})
}
