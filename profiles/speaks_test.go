package profiles_test

import (
	"slices"
	"testing"

	"github.com/hsectl/hsectl/internal/profile"
)

// A preset's protocol is one in which may be asked, and the presets whose servers speak one that is known say so.
func TestProtocolsOfPresets(t *testing.T) {
	want := map[string]string{"postgres": "postgres", "mysql": "mysql", "mariadb": "mysql", "redis": "redis", "valkey": "redis"}
	for _, p := range presets(t) {
		s := p.Service.Speaks
		if s == nil {
			if want[p.Name] != "" {
				t.Errorf("%s does not say that it speaks %s", p.Name, want[p.Name])
			}
			continue
		}
		if s.Scheme != want[p.Name] || s.Port < 1 || s.Port > 65535 || !slices.Contains(profile.ReachSchemes(), s.Scheme) {
			t.Errorf("%s speaks %s on port %d, want %q", p.Name, s.Scheme, s.Port, want[p.Name])
		}
	}
}
