// Package redact takes the values of secrets out of text that people and programs read: log lines of containers, output of
// hooks, errors, events. It is pure.
//
// A value is found as it is, line by line, and in the forms in which programs print it: escaped for JSON, Go or a URL, in
// base64 at every alignment, and in hexadecimal. Line breaks and other control characters in the text are ignored, so a
// value that was wrapped is found too. Everything that any value covers is replaced: of two values that overlap, nothing of
// either is left.
//
// Two kinds of value cannot be found. A value shorter than MinLength occurs everywhere by accident: replacing it would
// destroy the text, so it stays, and Warning says so. A value that is unknown here cannot be looked for: the output of
// containers is then hidden, with the reason, by Lines, Output and Writer.
package redact

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// MinLength is the length in bytes below which a value, or a line of one, is not looked for.
const MinLength = 4

// Mark stands where a value stood, unless a value looks like it.
const Mark = "[secret]"

// Redactor knows values. The zero one knows none and changes nothing.
type Redactor struct {
	found   *needles
	short   bool
	missing []string
}

// New returns a redactor of values. Missing names the secrets whose values are unknown here.
func New(values, missing []string) Redactor {
	r := Redactor{missing: slices.Sorted(slices.Values(missing))}
	var forms []string
	for _, value := range values {
		trimmed := strings.TrimSpace(value)
		if plain, _ := normalise([]byte(trimmed)); len(plain) < MinLength {
			r.short = r.short || trimmed != ""
			continue
		}
		forms = append(forms, formsOf(value)...)
		forms = append(forms, formsOf(trimmed)...)
		if !strings.ContainsAny(trimmed, "\r\n") {
			continue
		}
		for line := range strings.FieldsFuncSeq(trimmed, func(c rune) bool { return c == '\r' || c == '\n' }) {
			if line = strings.TrimSpace(line); len(line) >= MinLength {
				forms = append(forms, formsOf(line)...)
			}
		}
	}
	if len(forms) > 0 {
		r.found = newNeedles(forms)
	}
	return r
}

// Text returns a text of this program without the values that are known.
func (r Redactor) Text(text string) string {
	if r.found == nil || text == "" {
		return text
	}
	s := scan{needles: r.found}
	return string(s.feed([]byte(text), true))
}

// Output is Text for what a container or a hook has printed: it is hidden where the value of any secret is unknown.
func (r Redactor) Output(text string) string {
	if len(r.missing) > 0 && text != "" {
		return r.Hidden(1 + strings.Count(strings.TrimSuffix(text, "\n"), "\n"))
	}
	return r.Text(text)
}

// Lines is Output for several lines. A value that goes on in the next line is found.
func (r Redactor) Lines(lines []string) []string {
	switch {
	case len(lines) == 0:
		return lines
	case len(r.missing) > 0:
		return []string{r.Hidden(len(lines))}
	}
	return strings.Split(r.Text(strings.Join(lines, "\n")), "\n")
}

// Error returns an error that prints without values, and is still every error that it was.
func (r Redactor) Error(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	clean := r.Text(text)
	if clean == text {
		return err
	}
	return &redactedError{clean, err}
}

// Holds reports whether a text holds a value that is known.
func (r Redactor) Holds(text string) bool { return r.Text(text) != text }

// Missing lists the secrets whose values are unknown, sorted.
func (r Redactor) Missing() []string { return slices.Clone(r.missing) }

// Warning says which values stay visible, or nothing. It is worth saying once.
func (r Redactor) Warning() string {
	if !r.short {
		return ""
	}
	return fmt.Sprintf("secret values shorter than %d characters are not hidden in output", MinLength)
}

// Writer passes on what is written to it as Output would print it, however the text is cut into writes. What may be the
// beginning of a value is kept until it is decided; Close writes the rest, and does not close w.
func (r Redactor) Writer(w io.Writer) io.WriteCloser {
	return &writer{to: w, redactor: r, scan: scan{needles: r.found}}
}

// Hidden says that so many lines are not shown, or all where the number is not known, and which unknown values could be in them. It
// is empty where all values are known.
func (r Redactor) Hidden(lines int) string {
	if len(r.missing) == 0 {
		return ""
	}
	what, values := fmt.Sprintf("%d lines", lines), "the values of "+strings.Join(r.missing, ", ")+" are"
	switch lines {
	case 0:
		what = "output"
	case 1:
		what = "1 line"
	}
	if len(r.missing) == 1 {
		values = "the value of " + r.missing[0] + " is"
	}
	return "[" + what + " hidden: " + values + " not known here]"
}

type redactedError struct {
	text string
	err  error
}

// Error implements error.
func (e *redactedError) Error() string { return e.text }

// Unwrap returns the error that was redacted.
func (e *redactedError) Unwrap() error { return e.err }

type writer struct {
	to       io.Writer
	redactor Redactor
	scan     scan
	said     bool
}

// Write implements io.Writer.
func (w *writer) Write(p []byte) (int, error) {
	if err := w.pass(p, false); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close implements io.Closer.
func (w *writer) Close() error { return w.pass(nil, true) }

func (w *writer) pass(p []byte, last bool) error {
	switch {
	case len(w.redactor.missing) > 0:
		if w.said || len(p) == 0 {
			return nil
		}
		w.said = true
		p = []byte(w.redactor.Hidden(0) + "\n")
	case w.scan.needles != nil:
		p = w.scan.feed(p, last)
	}
	if len(p) == 0 {
		return nil
	}
	_, err := w.to.Write(p)
	return err
}
