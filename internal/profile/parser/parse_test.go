package parser_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/internal/yamldoc"
	"github.com/hsectl/hsectl/profiles"
)

var update = flag.Bool("update", false, "rewrite the expected problems")

const testProfiles = "../../../testdata/profiles"

// options are those of a fixed day, so that exceptions neither expire nor come back while the tests grow old.
func options(file string) parser.Options {
	return parser.Options{
		File: file, Library: profiles.Library{},
		CheckImage: func(reference string) error {
			if strings.ContainsAny(reference, " \n") {
				return fmt.Errorf("image %q is not a reference", reference)
			}
			return nil
		},
	}
}

func parse(t *testing.T, text string) *profile.Profile {
	t.Helper()
	p, err := parser.Parse([]byte(text), options("hsectl.yaml"))
	if err != nil {
		t.Fatalf("the profile must be valid:\n%s", problems(err))
	}
	return p
}

// problems prints them as hsectl does.
func problems(err error) string {
	var b strings.Builder
	for _, p := range yamldoc.Problems(err) {
		fmt.Fprintln(&b, p.Error())
		if p.Hint != "" {
			fmt.Fprintf(&b, "  hint: %s\n", p.Hint)
		}
	}
	return b.String()
}

func files(t testing.TB, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(testProfiles, pattern))
	if err != nil || len(found) == 0 {
		t.Fatalf("no files for %s: %v", pattern, err)
	}
	return found
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Every invalid profile has next to it exactly what people are told about it.
func TestInvalidProfiles(t *testing.T) {
	for _, path := range files(t, "invalid-*.yaml") {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			p, err := parser.Parse(read(t, path), options(filepath.Base(path)))
			if err == nil || p != nil {
				t.Fatal("the profile was accepted")
			}
			got, want := problems(err), strings.TrimSuffix(path, ".yaml")+".want"
			if got == "" {
				t.Fatalf("the error carries no problems: %v", err)
			}
			if *update {
				if err := os.WriteFile(want, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if expected := string(read(t, want)); got != expected {
				t.Errorf("got:\n%s\nwant:\n%s", got, expected)
			}
		})
	}
}

func TestValidProfiles(t *testing.T) {
	for _, path := range append(files(t, "valid-*.yaml"), "../../../profiles/hse-digital.yaml") {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			if _, err := parser.Parse(read(t, path), options(filepath.Base(path))); err != nil {
				t.Errorf("refused:\n%s", problems(err))
			}
		})
	}
}

// A profile is never half right: whatever is wrong with it is said in one run, from top to bottom.
func TestProblemsComeTogetherInTheOrderOfTheFile(t *testing.T) {
	path := filepath.Join(testProfiles, "invalid-many.yaml")
	_, err := parser.Parse(read(t, path), options("many.yaml"))
	found := yamldoc.Problems(err)
	if len(found) < 9 {
		t.Errorf("only %d problems were found:\n%s", len(found), problems(err))
	}
	if !slices.IsSortedFunc(found, func(a, b *yamldoc.Problem) int {
		return (a.At.Line-b.At.Line)*1000 + a.At.Column - b.At.Column
	}) {
		t.Errorf("not in the order of the file:\n%s", problems(err))
	}
	// The error alone says the same, without hints.
	for _, p := range found {
		if !strings.Contains(err.Error(), p.Error()) {
			t.Errorf("the error does not say %q", p.Error())
		}
	}
}

// A file that is too large is refused before it is parsed, and the message does not repeat it.
func TestHugeFile(t *testing.T) {
	data := bytes.Repeat([]byte("# ten megabytes of nothing\n"), 10<<20/27)
	_, err := parser.Parse(data, options("huge.yaml"))
	found := yamldoc.Problems(err)
	if len(found) != 1 || !strings.Contains(found[0].Message, fmt.Sprint(len(data))) || found[0].Hint == "" {
		t.Errorf("got:\n%.500s", problems(err))
	}
}

// The largest file that is allowed may still be hostile: its cost is bounded by the values it stands for.
func TestHostileFiles(t *testing.T) {
	for name, text := range map[string]string{
		"many values":  "a: [" + strings.Repeat("1,", 1<<20) + "1]",
		"deep list":    strings.Repeat("[", 9000) + strings.Repeat("]", 9000),
		"deep mapping": strings.Repeat("{a: ", 9000) + strings.Repeat("}", 9000),
		"quadratic":    "a: &a " + strings.Repeat("x", 1<<20) + "\nb: [" + strings.Repeat("*a,", 1<<19) + "*a]",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parser.Parse([]byte(text), options("hostile.yaml"))
			if len(yamldoc.Problems(err)) == 0 {
				t.Errorf("accepted, or failed without a problem: %v", err)
			}
			for _, p := range yamldoc.Problems(err) {
				if len(p.Error()) > 1000 {
					t.Errorf("the message has %d bytes", len(p.Error()))
				}
			}
		})
	}
}

// A key may hold any character; a message is one line that cannot play tricks with a terminal.
func TestMessagesAreOneLine(t *testing.T) {
	_, err := parser.Parse([]byte(head+"services:\n  \"a\\n\\e[31mb\":\n    preset: redis\n    \"c\\rd\": 1\n    command: \"x\\ny\"\n"), options("hsectl.yaml"))
	found := yamldoc.Problems(err)
	if len(found) != 3 {
		t.Fatalf("want the name, the key and the command, got:\n%s", problems(err))
	}
	for _, p := range found {
		if strings.ContainsAny(p.Message+p.Hint, "\n\r\x1b") {
			t.Errorf("not one line: %q, %q", p.Message, p.Hint)
		}
	}
}

// However much is wrong, saying so takes time in proportion to it.
func TestManyMistakes(t *testing.T) {
	var b strings.Builder
	b.WriteString(head + "services:\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "  s%d: {preset: redis, nonsense%d: 1, limits: {memory: lots}, restart: never, depends_on: [missing]}\n", i, i)
	}
	_, err := parser.Parse([]byte(b.String()), options("hsectl.yaml"))
	if got := len(yamldoc.Problems(err)); got != 4000 {
		t.Errorf("got %d problems, want 4000", got)
	}
}
