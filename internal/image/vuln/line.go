package vuln

import (
	"cmp"
	"strings"
)

// maxLine is what fits beside a name in a terminal.
const maxLine = 120

// Line says in one short line what an advisory is about.
func (a Advisory) Line() string {
	text := cmp.Or(a.Summary, a.Details)
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	if runes := []rune(text); len(runes) > maxLine {
		text = strings.TrimSpace(string(runes[:maxLine-1])) + "…"
	}
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return -1
		}
		return c
	}, text)
}
