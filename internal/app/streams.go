package app

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/hsectl/hsectl/internal/sanitize"
)

// Streams are the program's input and outputs: results go to Out, progress and errors to Err.
type Streams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
}

// Stream returns how the program writes to one of its streams: nothing that it prints, wherever that comes from, can control a
// terminal, hide or turn text around, or be taken for a command by a pipeline.
func Stream(f *os.File) io.Writer { return sanitize.NewWriter(f, term.IsTerminal(int(f.Fd()))) }

// Terminal returns the terminal behind a stream, for what draws on it.
func Terminal(stream any) (*os.File, bool) {
	if w, wrapped := stream.(interface{ Unwrap() io.Writer }); wrapped {
		stream = w.Unwrap()
	}
	f, ok := stream.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}

// colour tells whether a writer is a terminal that wants colours: https://no-color.org.
func colour(w io.Writer) bool {
	_, ok := Terminal(w)
	return ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// Say prints a line of progress.
func (s Streams) Say(format string, args ...any) {
	fmt.Fprintf(s.Err, format+"\n", args...)
}
