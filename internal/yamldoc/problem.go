package yamldoc

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/go-multierror"
)

// Position is a place in a file. Line and Column count from 1; zero means unknown.
type Position struct {
	File   string
	Line   int
	Column int
}

// String returns file:line:column, leaving out what is unknown.
func (p Position) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Problem is one mistake in a document: where it is, what is wrong, and what to type instead.
type Problem struct {
	At      Position
	Message string
	Hint    string // empty when the message says it all
}

// Error implements error. The hint is left to the edge, which prints it on a line of its own.
func (p *Problem) Error() string { return p.At.String() + ": " + p.Message }

// Problems returns the problems that err carries, in the order of the file.
// It returns nil when err carries none.
func Problems(err error) []*Problem {
	var many *multierror.Error
	if !errors.As(err, &many) {
		var one *Problem
		if errors.As(err, &one) {
			return []*Problem{one}
		}
		return nil
	}
	var problems []*Problem
	for _, e := range many.Errors {
		if p, ok := errors.AsType[*Problem](e); ok {
			problems = append(problems, p)
		}
	}
	slices.SortStableFunc(problems, func(a, b *Problem) int {
		if c := strings.Compare(a.At.File, b.At.File); c != 0 {
			return c
		}
		if a.At.Line != b.At.Line {
			return a.At.Line - b.At.Line
		}
		return a.At.Column - b.At.Column
	})
	return problems
}

// Collector gathers problems, so that one run reports all of them.
type Collector struct {
	errs *multierror.Error
	seen map[Problem]bool
}

// Add notes a problem once: a mistake in the defaults would come up in every service.
func (c *Collector) Add(at Position, hint, format string, args ...any) {
	p := Problem{At: at, Message: oneLine(fmt.Sprintf(format, args...)), Hint: oneLine(hint)}
	if c.seen[p] {
		return
	}
	if c.seen == nil {
		c.seen = map[Problem]bool{}
	}
	c.seen[p] = true
	c.errs = multierror.Append(c.errs, &p)
}

// oneLine drops what could break a message or move a terminal's cursor: keys of a document may hold any character.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
}

// Err returns nil or all problems, printed one per line.
func (c *Collector) Err() error {
	if c.errs == nil {
		return nil
	}
	c.errs.ErrorFormat = func(errs []error) string {
		lines := make([]string, 0, len(errs))
		for _, p := range Problems(&multierror.Error{Errors: errs}) {
			lines = append(lines, p.Error())
		}
		return strings.Join(lines, "\n")
	}
	return c.errs
}

// valueError is a value that does not parse, with what to type instead.
type valueError struct{ message, hint string }

func (e *valueError) Error() string { return e.message }

// Hint returns what to type instead.
func (e *valueError) Hint() string { return e.hint }

// BadValue returns the error of a value that does not parse. The hint says what to type instead.
func BadValue(hint, format string, args ...any) error {
	return &valueError{message: fmt.Sprintf(format, args...), hint: hint}
}

// Hint returns what to type instead of the value that err is about, or nothing.
func Hint(err error) string {
	if h, ok := err.(interface{ Hint() string }); ok {
		return h.Hint()
	}
	return ""
}

// DidYouMean returns a hint naming the candidate closest to got, or all of them when none is close and the list is short.
func DidYouMean(got string, candidates []string) string {
	best, distance := "", 3
	for _, c := range candidates {
		if d := levenshtein.Distance(strings.ToLower(got), strings.ToLower(c), nil); d < distance {
			best, distance = c, d
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	if len(candidates) == 0 || len(candidates) > 42 {
		return ""
	}
	sorted := slices.Sorted(slices.Values(candidates))
	return "known here: " + strings.Join(sorted, ", ")
}
