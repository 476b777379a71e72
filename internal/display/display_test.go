package display_test

import (
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/hsectl/hsectl/internal/display"
)

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0 services", 1: "1 service", 2: "2 services"} {
		if got := display.Count(n, "service"); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}

func TestShort(t *testing.T) {
	sum := strings.Repeat("0123456789abcdef", 4)
	for in, want := range map[string][2]string{
		"sha256:" + sum: {"sha256:0123456789ab", "0123456789ab"},
		sum:             {sum, "0123456789ab"},
		"shop-web-1":    {"shop-web-1", "shop-web-1"},
		"sha256:abc":    {"sha256:abc", "abc"},
		"":              {"", ""},
	} {
		if digest, id := display.Digest(in), display.ID(in); digest != want[0] || id != want[1] {
			t.Errorf("%q: %q, %q", in, digest, id)
		}
	}
}

// What a program printed says what it said, and moves no cursor.
func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain":              "plain",
		"  indented \t ":     "  indented",
		"a\tb":               "a b",
		"\x1b[31mred\x1b[0m": "red",
		"\x1b[2J\x1b[Htop":   "top",
		"x\x1b]0;title\x07y": "xy",
		"\x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\": "link",
		"a\x1bPq#0\x1b\\b":                         "ab",
		"a\x1b":                                    "a",
		"a\rb\bc\x00\x7f":                          "abc",
		"\x1b7saved\x1b8":                          "saved",
		"\u009b31mred":                             "31mred",
		"Größe 日本":                                 "Größe 日本",
	} {
		if got := display.Clean(in); got != want {
			t.Errorf("%q: %q, not %q", in, got, want)
		}
	}
	if got := display.Name(" \ta b\n"); got != "a b" {
		t.Errorf("%q", got)
	}
	if got := display.CleanLines("a\x1b[1m\n b\r\nc"); got != "a\n b\nc" {
		t.Errorf("%q", got)
	}
	if got := display.LastLines("one\n\n\x1b[0m\n two\r\nthree", 2); !slices.Equal(got, []string{" two", "three"}) {
		t.Errorf("%q", got)
	}
	if got := display.FirstLine("one\ntwo"); got != "one" {
		t.Errorf("%q", got)
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"a\x1b[31mb", "\x1b]0;x\x07", "\x1b\x1b[[0m0m", "\x9b\x1bP\u202e", "\x1b[\x1b[A", "\xff\x1b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := display.Clean(s)
		if strings.ContainsFunc(got, unicode.IsControl) || display.Clean(got) != got {
			t.Errorf("%q: %q", s, got)
		}
	})
}
