package importer

import "testing"

// A name that begins with two dots is no way out of a directory.
func TestPathsOfADirectory(t *testing.T) {
	for path, want := range map[string]string{
		"/repository/deploy":             "./.",
		"/repository/deploy/conf":        "./conf",
		"/repository/deploy/..data/conf": "./..data/conf",
		"/repository/deploy/.env":        "./.env",
		"/repository/app":                "/repository/app",
		"/repository/deployed":           "/repository/deployed",
		"/elsewhere":                     "/elsewhere",
		"relative/path":                  "relative/path",
	} {
		if got := relative("/repository/deploy", path); got != want {
			t.Errorf("relative: %s: %q", path, got)
		}
	}
}
