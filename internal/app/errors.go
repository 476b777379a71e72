package app

import (
	"errors"
	"strings"

	"github.com/hsectl/hsectl/internal/deploy"
)

// UsageError is a mistake in how the program was called.
type UsageError struct {
	Err  error
	Hint string
}

// Error implements error.
func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *UsageError) Unwrap() error { return e.Err }

// MissingError lists what the stack takes from the environment and did not get.
type MissingError struct{ Lines []string }

// Error implements error.
func (e *MissingError) Error() string { return strings.Join(e.Lines, "\n") }

// ErrFindings ends a verb whose result has been printed and is not good enough.
var ErrFindings = errors.New("not proven")

// IsType tells whether an error, or one that it wraps, is of a type.
func IsType[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func asUnhealthy(err error) (*deploy.UnhealthyError, bool) {
	return errors.AsType[*deploy.UnhealthyError](err)
}

// ComposeHint says what to do about a Compose file that cannot be read.
func ComposeHint(err error, name string) string {
	if strings.Contains(err.Error(), "interpolation") || strings.Contains(err.Error(), "escape any $") {
		return "write $$ for each $ that begins no variable, such as those of a password hash"
	}
	return "check the file with Compose: docker compose -f " + name + " config"
}
