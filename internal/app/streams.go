package app

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// Streams are the program's input and outputs: results go to Out, progress and errors to Err.
type Streams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
}

// colour tells whether a writer is a terminal that wants colours: https://no-color.org.
func colour(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}

// Say prints a line of progress.
func (s Streams) Say(format string, args ...any) {
	fmt.Fprintf(s.Err, format+"\n", args...)
}
