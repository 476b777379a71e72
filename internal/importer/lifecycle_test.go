package importer

import (
	"strings"
	"testing"
)

// The times of a health test stay those of the file. A time-out that is not set is the engine's, 30 s, and gives way to a
// shorter interval, because a profile has none that is longer.
func TestHealthTimes(t *testing.T) {
	for name, c := range map[string]struct{ written, want string }{
		"nothing written":       {"", "interval: 30s timeout: 30s"},
		"a short interval":      {", interval: 10s", "interval: 10s timeout: 10s"},
		"a long interval":       {", interval: 2m", "interval: 2m0s timeout: 30s"},
		"both":                  {", interval: 10s, timeout: 3s", "interval: 10s timeout: 3s"},
		"a test needs its time": {", interval: 5s, timeout: 20s", "interval: 20s timeout: 20s"},
	} {
		text := imported(t, "services:\n  a: {image: registry.example.com/a:1, healthcheck: {test: [CMD, /a, check]"+c.written+"}}\n")
		if got := strings.Join(strings.Fields(text), " "); !strings.Contains(got, c.want) {
			t.Errorf("%s: want %q in\n%s", name, c.want, text)
		}
	}
}

// Profiles of Compose have their own place. What is waited for and may not be there is passed through as it was.
func TestChoicesAreImported(t *testing.T) {
	text := imported(t, `services:
  web:
    image: nginx:1.30
    depends_on: {debug: {condition: service_started, required: false}}
  debug: {image: registry.example.com/debug:1, profiles: [debug, all-day]}
  batch:
    image: registry.example.com/batch:1
    profiles: [debug]
    depends_on: [debug]
`)
	got := strings.Join(strings.Fields(text), " ")
	for _, want := range []string{"profiles: [debug, all-day]", "passthrough: depends_on: debug: condition: service_started required: false", "- {condition: started, service: debug}"} {
		if !strings.Contains(got, want) {
			t.Errorf("want %q in\n%s", want, text)
		}
	}
}
