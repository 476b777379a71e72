package policy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/policy"
)

// What looks like a secret, and what only speaks about one. No answer holds the value.
func TestLooksSecret(t *testing.T) {
	for name, want := range map[string]bool{"API_TOKEN=abc": true, "DB_PASSWORD=x": true, "PASSWORD_MIN_LENGTH=12": false, "TOKEN_FILE=/run/secrets/t": false,
		"KEY_ID=abc": false, "AUTH=true": false, "URL=postgres://u:p@db/x": true, "URL=postgres://db/x": false, "PATH=/bin": false} {
		key, value, _ := strings.Cut(name, "=")
		if policy.LooksSecret(policy.Variable{Name: key, Value: value}) != want {
			t.Errorf("%s: got %v", name, !want)
		}
	}
	if got := policy.SecretArguments([]string{"app", "--password", "x", "--token=y", "--verbose"}); !slices.Equal(got, []int{3, 4}) {
		t.Errorf("arguments: %v", got)
	}
}
