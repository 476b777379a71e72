package parser_test

import (
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/internal/yamldoc"
)

// FuzzParse wants an answer to any file: a valid profile, or problems that each have a place and one line.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"invalid-*.yaml", "valid-*.yaml"} {
		for _, path := range files(f, pattern) {
			f.Add(read(f, path))
		}
	}
	f.Add(read(f, "../../../profiles/hse-digital.yaml"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parser.Parse(data, options("fuzz.yaml"))
		if (p == nil) == (err == nil) {
			t.Fatalf("got %v and %v", p, err)
		}
		if err == nil {
			return
		}
		found := yamldoc.Problems(err)
		if len(found) == 0 {
			t.Fatalf("an error without problems: %v", err)
		}
		for _, problem := range found {
			if problem.At.File != "fuzz.yaml" || problem.At.Line < 1 {
				t.Errorf("%s is not a place in the file: %s", problem.At, problem.Message)
			}
			if problem.Message == "" || strings.ContainsAny(problem.Message+problem.Hint, "\n\r\x1b") {
				t.Errorf("not one line: %q, %q", problem.Message, problem.Hint)
			}
		}
	})
}
