package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/app"
)

// What docs/tutorial.md shows is what happens: its two files and its commands are taken from the page, up to the engine.
func TestTutorial(t *testing.T) {
	page, err := os.ReadFile("../../docs/tutorial.md")
	if err != nil {
		t.Fatal(err)
	}
	files := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(page, -1)
	if len(files) != 2 {
		t.Fatalf("%d files", len(files))
	}
	t.Chdir(t.TempDir())
	write := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	step := func(code int, want string, args ...string) {
		t.Helper()
		if !strings.Contains(string(page), "hsectl "+strings.Join(args, " ")) {
			t.Errorf("the page has no command: hsectl %s", strings.Join(args, " "))
		}
		var said strings.Builder
		if got := run(t.Context(), args, app.Streams{In: strings.NewReader(""), Out: &said, Err: &said}); got != code || !strings.Contains(said.String(), want) {
			t.Errorf("hsectl %s: exit %d, wanted %d and %q in\n%s", strings.Join(args, " "), got, code, want, said.String())
		}
	}
	write("docker-compose.yml", files[0][1])
	step(exitFindings, "20 fail, 20 unknown", "lint", "docker-compose.yml")
	step(exitOK, "1 fail, 0 unknown", "init", "--from", "docker-compose.yml")
	write("hsectl.yaml", files[1][1])
	step(exitOK, "shop: clean", "lint")
	step(exitOK, "0 weaker", "review", "docker-compose.yml", "hsectl.yaml")
	step(exitOK, "docker-compose.yml", "generate", "--out", "build/")
}
