package app

import (
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
)

// The view writes each line anew in its place, cuts what is wider than the terminal, and lets other lines pass above it.
func TestLive(t *testing.T) {
	var out strings.Builder
	l := &live{out: &out, width: 44, text: map[string]string{}}
	l.set("web", "created", time.Second)
	l.set("api", "created", time.Second)
	l.set("web", "a state that is longer than the line", 2*time.Second)
	l.above("a log line")
	if got, want := screen(out.String()), "a log line\n   2.0s  web                          a sta\n   1.0s  api                          creat\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// screen plays what was written to a terminal and returns what is left on it.
func screen(written string) string {
	var lines []string
	for _, part := range strings.SplitAfter(written, "\n") {
		for strings.HasPrefix(part, ansi.CursorUp(1)+"\r"+ansi.EraseEntireLine) {
			part = strings.TrimPrefix(part, ansi.CursorUp(1)+"\r"+ansi.EraseEntireLine)
			lines = lines[:len(lines)-1]
		}
		if part != "" {
			lines = append(lines, part)
		}
	}
	return strings.Join(lines, "")
}
