package generate_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/stack"
)

// written is a stack with one text in every place where a profile may have free text.
func written(text string) stack.Stack {
	return stack.Stack{Name: "shop", Services: []stack.Service{{
		Name: "app", Image: "example/app:1", Command: []string{"app", text}, Entrypoint: []string{"run", text},
		User: stack.User{UID: 1, GID: 1}, Limits: stack.Resources{CPUs: "1", Nano: 1e9, Memory: stack.Size{Bytes: 64 << 20, Text: "64M"}, PIDs: 10},
		OpenFiles: 10, Shutdown: stack.Shutdown{Signal: "SIGTERM", Grace: time.Second}, Restart: "no",
		Log:         stack.Log{Driver: "local", MaxSize: stack.Size{Bytes: 1 << 20, Text: "1m"}, MaxFiles: 1},
		Health:      &stack.Health{Test: []string{"CMD-SHELL", text}, Interval: time.Minute, Timeout: time.Second, Retries: 1},
		Environment: []stack.Variable{{Name: "TEXT", Value: text}}, Labels: []stack.Label{{Name: "text", Value: text}},
	}}}
}

// check wants the text to come out of Compose as it went into the profile.
func check(t *testing.T, text string) {
	t.Helper()
	file := render(t, written(text), generate.Source{Generator: "hsectl"})[0].Data
	app := load(t, file, map[string]string{"FOO": "leaked", "X": "leaked"}).Services["app"]
	if app.Environment["TEXT"] == nil {
		t.Fatalf("%q is nothing in\n%s", text, file)
	}
	got := map[string]string{
		"the environment": *app.Environment["TEXT"], "a label": app.Labels["text"], "the health test": app.HealthCheck.Test[1],
		"the command": app.Command[1], "the entry point": app.Entrypoint[1],
	}
	for place, value := range got {
		if value != text {
			t.Errorf("%s is %q, was %q", place, value, text)
		}
	}
}

func TestDollarsSurvive(t *testing.T) {
	for _, text := range []string{
		"$FOO", "${FOO}", "$$", "$$$", "$$FOO", "${X:-y}", "${X:?no}", "$", "5$", "a$b", "${", "${}", "$(date)", "\\$FOO", "'$FOO'", "%{FOO}",
		"yes", "no", "on", "null", "~", "1.0", "0x1F", "1_000", "2026-01-01", "", " ", " padded ", "a: b", "- a", "# not a comment", "a # b",
		"{a: b}", "[a]", "&a", "*a", "!!int 5", "|", ">", "\"", "'", "`", "line\nline", "line\n\n", "tab\there", "\\n", "ünïcödé 🦆", "<<", "=", "%TAG",
	} {
		check(t, text)
	}
}

// The default of a variable takes part in Compose's own syntax, and still means what was written.
func TestDollarsInDefaults(t *testing.T) {
	for _, text := range []string{"$FOO", "$$", "a$b", "${FOO", "a:-b", "a:?b", "5$", "{a", "\"quoted\"", "a b", "#x", "$"} {
		s := written("x")
		s.Services[0].Environment = []stack.Variable{{Name: "TEXT", Default: &text}}
		file := render(t, s, generate.Source{})[0].Data
		app := load(t, file, map[string]string{"FOO": "leaked"}).Services["app"]
		if got := *app.Environment["TEXT"]; got != text {
			t.Errorf("the default is %q, was %q", got, text)
		}
	}
}

// FuzzLiteral wants every text to survive YAML and Compose's interpolation.
func FuzzLiteral(f *testing.F) {
	for _, seed := range []string{"$FOO", "$$", "${X:-y}", "a\nb", "yes", "# x", "\\", "{{.}}", "\n0", "<<", " a\nb"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			t.Skip("a profile is UTF-8 text")
		}
		check(t, text)
	})
}
