// Package display turns values into what a person reads on a terminal: counted nouns, the first line of many, short digests, and
// the text of others without what could move a cursor.
package display

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"
)

// Count says how many of something there are.
func Count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// FirstLine returns what comes before the first line break.
func FirstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// shown is how many digits of a digest tell it from all others that a person sees.
const shown = 12

// Digest returns a digest with its algorithm and its first digits; what is none stays as it is.
func Digest(digest string) string {
	algorithm, sum, ok := strings.Cut(digest, ":")
	if !ok || len(sum) < shown {
		return digest
	}
	return algorithm + ":" + sum[:shown]
}

// ID returns the first digits of an id of the engine, as docker ps shows it; a name stays as it is.
func ID(id string) string {
	sum := strings.TrimPrefix(id, "sha256:")
	if len(sum) == 64 {
		return sum[:shown]
	}
	return sum
}

// Clean returns one line that any program printed, without escape sequences of terminals and control characters.
func Clean(line string) string {
	return strings.TrimRight(strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case unicode.IsControl(r):
			return -1
		}
		return r
	}, ansi.Strip(line)), " ")
}

// Name is Clean of a name that comes from inside a container, or from an engine.
func Name(name string) string { return strings.TrimSpace(Clean(name)) }

// CleanLines is Clean of each line of a text.
func CleanLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = Clean(line)
	}
	return strings.Join(lines, "\n")
}

// LastLines returns the last n lines of a text that say something, each of them clean.
func LastLines(text string, n int) []string {
	var out []string
	for line := range strings.Lines(text) {
		if line = Clean(line); line != "" {
			out = append(out, line)
		}
	}
	return out[max(0, len(out)-n):]
}
