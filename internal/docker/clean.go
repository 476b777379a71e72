package docker

import (
	"regexp"
	"strings"
)

// escape matches terminal escape sequences: CSI, OSC and the two-character ones (ECMA-48).
var escape = regexp.MustCompile("\x1b(\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(\x07|\x1b\\\\)?|[@-Z\\\\-_])")

// Clean strips escapes and control characters from one line that any program printed.
func Clean(line string) string { return clean(line) }

// clean strips escapes and control characters from one line.
func clean(line string) string {
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
