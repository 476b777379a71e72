// Package sanitize takes out of text what a reader does not see and a machine obeys: control characters and escape sequences,
// characters that change the direction of text or have no width, and the commands that pipelines read in the logs of their jobs.
//
// Each such character is replaced by its escape sequence of JSON, such as \u202e. So it can be seen in text, and a JSON document has
// the same values as before. All that hsectl prints goes through one Writer for each of its streams.
package sanitize

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// Text returns a text without what must not be printed. Line breaks and tabs stay.
func Text(text string) string {
	var s state
	return string(s.finish(s.append(nil, []byte(text))))
}

// Line is Text for one line: a line break or a tab in it is replaced as well, so that a value cannot look like a line of its own.
func Line(text string) string {
	return strings.NewReplacer("\n", escape('\n'), "\t", escape('\t')).Replace(Text(text))
}

// Hidden reports whether a character must not be printed.
func Hidden(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case r < 0x20, r >= 0x7f && r < 0xa0: // C0, DEL and C1
		return true
	case r == 0xad, r == 0x34f, r == 0x61c, r == 0x115f, r == 0x1160, r == 0x17b4, r == 0x17b5, r == 0x180e, r == 0x3164, r == 0xffa0, r == 0xfeff:
		return true // soft hyphen, joiners and fillers without a width, and the Arabic letter mark
	case r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2060 && r <= 0x206f:
		return true // of no width, separators of lines, embeddings, overrides, isolates
	case r >= 0xfff9 && r <= 0xfffb, r >= 0xe0000 && r <= 0xe0fff:
		return true // annotations and tags
	}
	return false
}

func escape(r rune) string {
	if r > 0xffff {
		a, b := utf16.EncodeRune(r)
		return fmt.Sprintf(`\u%04x\u%04x`, a, b)
	}
	return fmt.Sprintf(`\u%04x`, r)
}

// state is what has to be known of the text before: a command may be cut over several writes.
type state struct {
	partial []byte // of a character
	line    []byte // the end of the line so far, in lower case
	blank   bool   // there is more than blanks in the line before that end
	colours bool   // the sequences of our own colours pass
}

// tail is how much of a line must be remembered.
const tail = len("##teamcity")

// commands end in [ where GitHub, Azure DevOps and TeamCity look for them: anywhere in a line.
func commands() []string { return []string{"##", "##vso", "##teamcity"} }

// append appends the harmless form of data.
func (s *state) append(out, data []byte) []byte {
	if len(s.partial) > 0 {
		data = append(s.partial, data...)
		s.partial = nil
	}
	for len(data) > 0 {
		if sequence := s.own(data); sequence > 0 {
			out, data = append(out, data[:sequence]...), data[sequence:]
			continue
		}
		if !utf8.FullRune(data) {
			s.partial = append([]byte(nil), data...)
			return out
		}
		r, size := utf8.DecodeRune(data)
		data = data[size:]
		switch {
		case r == utf8.RuneError && size == 1:
			out = append(out, string(utf8.RuneError)...)
			s.note('?')
		case Hidden(r):
			out = append(out, escape(r)...)
			s.note('?')
		case s.commands(r):
			out = append(out, escape(r)...)
			s.note('?')
		default:
			out = utf8.AppendRune(out, r)
			s.note(r)
		}
	}
	return out
}

// commands reports whether a character completes the beginning of a command.
func (s *state) commands(r rune) bool {
	switch r {
	case ':': // GitHub takes :: at the beginning of a line, after blanks
		return !s.blank && strings.TrimLeft(string(s.line), " ") == ":"
	case '[':
		for _, command := range commands() {
			if strings.HasSuffix(string(s.line), command) {
				return true
			}
		}
	}
	return false
}

func (s *state) note(r rune) {
	switch {
	case r == '\n':
		s.line, s.blank = s.line[:0], false
		return
	case r >= 'A' && r <= 'Z':
		r += 'a' - 'A'
	case unicode.IsSpace(r): // GitHub takes off all that Unicode calls a space
		r = ' '
	case r >= utf8.RuneSelf:
		r = '?'
	}
	s.line = append(s.line, byte(r))
	if len(s.line) > tail {
		if first := s.line[0]; first != ' ' {
			s.blank = true
		}
		s.line = append(s.line[:0], s.line[1:]...)
	}
}

// own returns the length of one of our own colours at the beginning of data.
func (s *state) own(data []byte) int {
	if !s.colours || data[0] != 0x1b {
		return 0
	}
	for _, sequence := range []string{ansi.ResetStyle, ansi.SGR(ansi.AttrFaint), ansi.SGR(ansi.AttrRedForegroundColor), ansi.SGR(ansi.AttrGreenForegroundColor), ansi.SGR(ansi.AttrYellowForegroundColor)} {
		if strings.HasPrefix(string(data[:min(len(data), len(sequence))]), sequence) {
			return len(sequence)
		}
	}
	return 0
}

// finish appends what was kept for a character that never came.
func (s *state) finish(out []byte) []byte {
	if len(s.partial) > 0 {
		out = append(out, string(utf8.RuneError)...)
	}
	s.partial = nil
	return out
}

// Writer passes on what is written to it in its harmless form. It may be used by several goroutines.
type Writer struct {
	mu    sync.Mutex
	to    io.Writer
	state state
}

// NewWriter returns a writer to a stream of the program. With colours the sequences of our own colours pass.
func NewWriter(to io.Writer, colours bool) *Writer {
	return &Writer{to: to, state: state{colours: colours}}
}

// Write implements io.Writer.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.to.Write(w.state.append(nil, p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Command writes a command that the pipeline is to obey, such as ::group::, on a line of its own. Its parameters are part of it.
func (w *Writer) Command(prefix, text string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := state{line: []byte("command"), blank: true} // within a line
	out := s.append([]byte(prefix), []byte(text))
	if len(w.state.line) > 0 || w.state.blank {
		out = append([]byte("\n"), out...)
	}
	w.state.note('\n')
	_, err := w.to.Write(append(out, '\n'))
	return err
}

// Unwrap returns the stream that is written to: what draws on a terminal itself needs it.
func (w *Writer) Unwrap() io.Writer { return w.to }
