package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/app"
)

// referenceSecrets are what the test looks for everywhere they must not be.
var referenceSecrets = map[string]string{
	"JWT_SECRET": "jwt-b2f1c7d05a9e4c3f", "REFRESH_SECRET": "refresh-77aa0d1e6b5c4f",
	"DATABASE_PASSWORD": "database-19c3e8f2d4", "REDIS_PASSWORD": "redis-5e0b7a91c6d8",
}

// cli runs the program as a user would and returns what it printed.
func cli(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(t.Context(), args, app.Streams{In: strings.NewReader(""), Out: &out, Err: &err})
	for name, value := range referenceSecrets {
		if strings.Contains(out.String()+err.String(), value) {
			t.Errorf("hsectl %s prints the value of %s", strings.Join(args, " "), name)
		}
	}
	return code, out.String(), err.String()
}

func mustCLI(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	code, stdout, stderr := cli(t, args...)
	if code != exitOK {
		t.Fatalf("hsectl %s: exit %d\n%s\n%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout, stderr
}
