package engine

import (
	"fmt"
	"regexp"
	"strings"
)

// Count says how many of something there are.
func Count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// escape matches terminal escape sequences: CSI, OSC and the two-character ones (ECMA-48).
var escape = regexp.MustCompile("\x1b(\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(\x07|\x1b\\\\)?|[@-Z\\\\-_])")

// Clean strips escapes and control characters from one line that any program printed.
func Clean(line string) string {
	line = escape.ReplaceAllString(line, "")
	return strings.TrimRight(strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r < 0x20 || r >= 0x7f && r < 0xa0:
			return -1
		}
		return r
	}, line), " ")
}

// LastLines returns the last n lines of text from inside a container, without what could move a terminal's cursor.
func LastLines(text string, n int) []string {
	var out []string
	for line := range strings.Lines(text) {
		clean := Clean(line)
		if clean != "" {
			out = append(out, clean)
		}
	}
	return out[max(0, len(out)-n):]
}
