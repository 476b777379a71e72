package app

import (
	"fmt"

	"github.com/hsectl/hsectl/internal/display"
)

// Unanswered refuses a profile with open questions, and names each with its place: without the answers the stack may not start, or be
// weaker than it must be. With --accept-questions they are accepted.
func (l Loaded) Unanswered(s Streams, accepted bool) error {
	asked := map[string]bool{}
	for i, e := range l.Profile.Exceptions {
		about := e.Service + ": " + e.Question
		if e.Question == "" || asked[about] {
			continue
		}
		asked[about] = true
		if !accepted {
			s.Say("%s: open question: %s", l.Profile.Written(fmt.Sprintf("exceptions[%d].question", i)), about)
		}
	}
	open := display.Count(len(asked), "question")
	switch {
	case len(asked) == 0:
		return nil
	case accepted:
		s.Say("%s open, accepted: these settings stay as they were", open)
		return nil
	}
	return &UsageError{fmt.Errorf("%s of %s open; nothing was changed", open, l.Path),
		"fix each setting and drop its exceptions, write a reason: in place of the question:, or go on with --accept-questions"}
}
