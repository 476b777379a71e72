package app

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/charmbracelet/x/ansi"

	"github.com/hsectl/hsectl/internal/sanitize"
)

// live shows one line for each subject on a terminal, and writes it anew when something happens to it. It uses only
// what every terminal has: cursor up, erase line, and carriage return.
type live struct {
	out   io.Writer
	width int
	rows  []string // subjects, in the order in which they were first heard of
	text  map[string]string
	drawn int // lines on the screen
}

// newLive returns a view for a terminal, or nil where lines are better: in files, pipelines and on dumb terminals.
func newLive(w io.Writer) *live {
	f, ok := Terminal(w)
	if !ok || os.Getenv("TERM") == "dumb" || os.Getenv("CI") != "" {
		return nil
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width < 20 {
		return nil
	}
	return &live{out: f, width: width, text: map[string]string{}}
}

// set changes the line of a subject.
func (l *live) set(subject, text string, since time.Duration) {
	if !slices.Contains(l.rows, subject) {
		l.rows = append(l.rows, subject)
	}
	l.text[subject] = sanitize.Line(fmt.Sprintf("%6.1fs  %-28s %s", since.Seconds(), subject, text))
	l.draw()
}

// above prints a line that stays, over the view.
func (l *live) above(text string) {
	l.erase()
	fmt.Fprintln(l.out, sanitize.Text(text))
	l.draw()
}

func (l *live) draw() {
	l.erase()
	var b strings.Builder
	for _, subject := range l.rows {
		b.WriteString(ansi.Truncate(l.text[subject], l.width-1, "") + "\n")
	}
	l.drawn = len(l.rows)
	fmt.Fprint(l.out, b.String())
}

func (l *live) erase() {
	fmt.Fprint(l.out, strings.Repeat(ansi.CursorUp(1)+"\r"+ansi.EraseEntireLine, l.drawn))
	l.drawn = 0
}
