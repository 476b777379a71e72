package side

import "testing"

// A name that begins with two dots is no way out of a directory.
func TestPathsOfADirectory(t *testing.T) {
	c := checkout{dir: "/repository/deploy", root: "/repository"}
	for path, want := range map[string]string{
		"/repository/deploy":             "./",
		"/repository/deploy/conf":        "./conf",
		"/repository/deploy/..data/conf": "./..data/conf",
		"/repository/deploy/.env":        "./.env",
		"/repository/app":                "../app",
		"/repository/deployed":           "../deployed",
		"/elsewhere":                     "/elsewhere",
		"relative/path":                  "relative/path",
	} {
		if got := c.path(path); got != want {
			t.Errorf("checkout: %s: %q", path, got)
		}
	}
}
