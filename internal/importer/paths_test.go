package importer

import "testing"

// A name that begins with two dots is no way out of a directory.
func TestPathsOfADirectory(t *testing.T) {
	c := checkout{dir: "/repository/deploy", root: "/repository"}
	for path, want := range map[string][2]string{
		"/repository/deploy":             {"./.", "./"},
		"/repository/deploy/conf":        {"./conf", "./conf"},
		"/repository/deploy/..data/conf": {"./..data/conf", "./..data/conf"},
		"/repository/deploy/.env":        {"./.env", "./.env"},
		"/repository/app":                {"/repository/app", "../app"},
		"/repository/deployed":           {"/repository/deployed", "../deployed"},
		"/elsewhere":                     {"/elsewhere", "/elsewhere"},
		"relative/path":                  {"relative/path", "relative/path"},
	} {
		if got := relative("/repository/deploy", path); got != want[0] {
			t.Errorf("relative: %s: %q", path, got)
		}
		if got := c.path(path); got != want[1] {
			t.Errorf("checkout: %s: %q", path, got)
		}
	}
}
