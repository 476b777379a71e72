package profiles_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/profile"
)

// Each preset whose program keeps a password in its data says which variable that is, how it is changed, and how a client logs
// in. Secrets that are read at each start are listed here, and nowhere else.
func TestFirstStartSecrets(t *testing.T) {
	changed := map[string][]string{ // entries that a deploy changes in the program
		"postgres":      {"password"},
		"mariadb":       {"root_password", "password"},
		"mysql":         {"root_password", "password"},
		"rabbitmq":      {"default_pass"},
		"grafana":       {"admin_password"},
		"mongo":         {"root_password"},
		"elasticsearch": {"password"},
	}
	refused := map[string][]string{ // entries that nothing changes
		"postgres":      {"names"},
		"mariadb":       {"others"},
		"mysql":         {"others"},
		"mongo":         {"username"},
		"elasticsearch": {"keystore_password"},
	}
	everyStart := map[string]string{"minio": "MINIO_ROOT_", "postgres-exporter": "DATA_SOURCE_"}
	for _, p := range presets(t) {
		s := p.Service
		var known, changes, refuses []string
		for _, f := range s.FirstStart {
			known = append(known, f.Env...)
			if f.Change == "" {
				refuses = append(refuses, f.Name)
			} else {
				changes = append(changes, f.Name)
			}
			if f.Change != "" && (!reads(f.Login) || !reads(f.Change)) {
				t.Errorf("%s: %s does not take values from standard input", p.Name, f.Name)
			}
			if !slices.ContainsFunc(s.Writable, func(w profile.Writable) bool { return w.Volume != "" && w.Path == f.Data }) {
				t.Errorf("%s: %s is about data in %s, which is no volume", p.Name, f.Name, f.Data)
			}
		}
		if !slices.Equal(changes, changed[p.Name]) || !slices.Equal(refuses, refused[p.Name]) {
			t.Errorf("%s: changes %v and refuses %v, want %v and %v", p.Name, changes, refuses, changed[p.Name], refused[p.Name])
		}
		for _, variable := range s.SecretFiles {
			prefix := everyStart[p.Name]
			if !slices.Contains(known, variable) && (prefix == "" || !strings.HasPrefix(variable, prefix)) {
				t.Errorf("%s: %s is neither read at the first start only, nor listed as read at each start", p.Name, variable)
			}
		}
		delete(changed, p.Name)
	}
	if len(changed) > 0 {
		t.Errorf("no preset is named %v", slices.Collect(maps.Keys(changed)))
	}
}

// reads tells whether a program takes values from its standard input.
func reads(program string) bool {
	return strings.Contains(program, "IFS= read -r ") || strings.Contains(program, "readFileSync(0,")
}
