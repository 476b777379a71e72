package app

import (
	"fmt"

	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/yamldoc"
)

// Unanswered returns the open questions of the profile, each with its place, or nil where there is none: without the answers the
// stack may not start, or be weaker than it must be. Accepted are they with --accept-questions.
func (l Loaded) Unanswered(s Streams, accepted bool) error {
	var all yamldoc.Collector
	asked := map[string]bool{}
	for i, e := range l.Profile.Exceptions {
		about := e.Service + ": " + e.Question
		if e.Question == "" || asked[about] {
			continue
		}
		asked[about] = true
		all.Add(l.Profile.Written(fmt.Sprintf("exceptions[%d].question", i)), "", "open question: %s", about)
	}
	if len(asked) == 0 {
		return nil
	}
	if accepted {
		s.Say("%s accepted: the controls that they are about stay as they are", display.Count(len(asked), "open question"))
		return nil
	}
	all.Add(yamldoc.Position{File: l.Path}, "fix each setting and drop its exceptions, write a reason: in place of the question:, or go on with --accept-questions", "%s open", display.Count(len(asked), "question"))
	return all.Err()
}
