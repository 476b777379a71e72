package host

import (
	"strings"
	"testing"
)

func TestAddressesCarryNoCredentials(t *testing.T) {
	for address, want := range map[string]string{
		"https://example.com/x.git":                 "https://example.com/x.git",
		"https://me@example.com/x.git":              "https://example.com/x.git",
		"https://me:hunter2@example.com/x.git":      "https://example.com/x.git",
		"https://oauth2:hunter2@example.com:8443/x": "https://example.com:8443/x",
		"https://me:hun@ter2@example.com/x.git":     "https://example.com/x.git",
		"ssh://git@example.com/x.git":               "ssh://example.com/x.git",
		"https://example.com/a@b/x.git":             "https://example.com/a@b/x.git",
		"git@example.com:x.git":                     "git@example.com:x.git",
		"/srv/git/x.git":                            "/srv/git/x.git",
		"":                                          "",
	} {
		got := withoutCredentials(address)
		if got != want || strings.Contains(got, "ter2") {
			t.Errorf("%s becomes %s, want %s", address, got, want)
		}
	}
}
