package yamldoc_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/yamldoc"
)

// pod is a document that is decoded.
type pod struct {
	Name  string         `yaml:"name"`
	Limit int            `yaml:"limit"`
	Args  []string       `yaml:"args"`
	Ports map[string]int `yaml:"ports"`
	On    *bool          `yaml:"on"`
	Owner owner          `yaml:"owner"`
}

// owner may be written as a bare name.
type owner struct {
	Name string `yaml:"name"`
	Mail string `yaml:"mail"`
}

func (o *owner) DecodeShort(n *yamldoc.Node) (bool, error) {
	if n.Kind != yamldoc.Scalar {
		return false, nil
	}
	if n.Value == "root" {
		return true, yamldoc.BadValue("name a person", "%q owns nothing", n.Value)
	}
	o.Name = n.Value
	return true, nil
}

func parse(t *testing.T, layer, text string) *yamldoc.Node {
	t.Helper()
	c := &yamldoc.Collector{}
	n := yamldoc.Parse(yamldoc.Source{File: "a.yaml", Layer: layer, Data: []byte(text)}, c)
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	return n
}

// report is all problems, with their hints.
func report(err error) string {
	var out []string
	for _, p := range yamldoc.Problems(err) {
		out = append(out, fmt.Sprintf("%s: %s (%s)", p.At, p.Message, p.Hint))
	}
	return strings.Join(out, "\n")
}

func TestDecode(t *testing.T) {
	c := &yamldoc.Collector{}
	d := yamldoc.NewDecoder(c)
	var got pod
	d.Decode(parse(t, "file", "name: &n web\nlimit: 3\nargs: [a, *n]\nports: {http: 80}\non: true\nowner: ann\n"), &got, "")
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	if got.Name != "web" || got.Limit != 3 || got.Args[1] != "web" || got.Ports["http"] != 80 || !*got.On || got.Owner.Name != "ann" {
		t.Errorf("got %+v", got)
	}
	for path, want := range map[string]string{"args[1]": "a.yaml:3:11", "ports.http": "a.yaml:4:15", "ports.http#key": "a.yaml:4:9", "owner.mail": "a.yaml:6:8"} {
		if o := d.Places.Origin(path); o.At.String() != want || o.Layer != "file" {
			t.Errorf("%s is at %s of %s, want %s", path, o.At, o.Layer, want)
		}
	}
}

// All mistakes come at once, each with its place and what to type instead.
func TestDecodeReportsEverything(t *testing.T) {
	c := &yamldoc.Collector{}
	d := yamldoc.NewDecoder(c)
	d.Decode(parse(t, "file", "naem: web\nlimit: many\nargs: one\nports: [80]\nowner: root\n"), &pod{}, "")
	want := `a.yaml:1:1: unknown key "naem" at the top level (did you mean name?)
a.yaml:2:8: limit must be a whole number, not a string ()
a.yaml:3:7: args must be a list, not a string (write it as a list: ["one"])
a.yaml:4:8: ports must be a mapping, not a list ()
a.yaml:5:8: owner: "root" owns nothing (name a person)`
	if got := report(c.Err()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if !d.Failed["limit"] || d.Failed["name"] {
		t.Errorf("failed: %v", d.Failed)
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                    "a.yaml:1:1: the file is empty (write something)",
		"a: 1\na: 2\n":        `a.yaml:2:1: the key "a" is already set in line 1 (keep one of the two)`,
		"a: 1\n---\nb: 2\n":   "a.yaml:2:1: a second YAML document starts here (keep one document per file)",
		"a: *b\n":             `a.yaml:1:4: anchor "b" not found (define it before its use with &b)`,
		"a:\n\tb: 1\n":        "a.yaml:2:1: a tab is used for indentation; YAML allows spaces only (replace the tab by two spaces)",
		"a: &a [*a]\n":        "",
		"? [a, b]\n: 1\nc: 2": "a.yaml:1:3: a key must be a plain word, not a list ()",
		"<<: 1\na: 2":         `a.yaml:1:5: a merge key (<<) needs a mapping, not "1" ()`,
	} {
		c := &yamldoc.Collector{}
		yamldoc.Parse(yamldoc.Source{File: "a.yaml", Data: []byte(text), Empty: "write something"}, c)
		if got := report(c.Err()); want != "" && got != want || got == "" {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func TestMerge(t *testing.T) {
	m := yamldoc.Merger{
		Lists: func(path string) yamldoc.Identity {
			return map[string]yamldoc.Identity{"ports": yamldoc.ByName("name"), "mounts": yamldoc.ByField("path")}[path]
		},
		Exclusive: func(path string) [][]string {
			if path == "test" {
				return [][]string{{"http", "tcp"}}
			}
			return nil
		},
	}
	weak := parse(t, "weak", "ports: [a, {name: b, n: 1}]\nmounts: [{path: /x, n: 1}]\ncommand: [a]\ntest: {http: 1, every: 2}\nenv: {A: 1, B: 2}\ngone: 1\n")
	strong := parse(t, "strong", "ports: [{name: b, n: 2}]\nmounts: [{path: /y}]\ncommand: [b]\ntest: {tcp: 3}\nenv: !override {C: 3}\ngone: !reset 0\nenough:\n")
	merged := m.Merge(weak, strong, "")
	for path, want := range map[string]string{
		"ports": "[a, {name: b, n: 2}]", "mounts": "[{path: /x, n: 1}, {path: /y}]", "command": "[b]",
		"test": "{every: 2, tcp: 3}", "env": "{C: 3}", "gone": yamldoc.Reset,
	} {
		n, ok := merged.Find(path)
		if !ok || n.Flow() != want {
			t.Errorf("%s: got %s, want %s", path, n.Flow(), want)
		}
	}
	if n, _ := merged.Find("command"); n.Layer != "strong" || n.Overrides.Layer != "weak" || n.Overrides.Flow() != "[a]" {
		t.Errorf("the command does not remember what it took the place of: %+v", n)
	}
	if n, _ := merged.Prune("", func(string) bool { return false }).Find("gone"); n != nil {
		t.Errorf("what was reset is still there: %s", n.Flow())
	}
	if again, _ := weak.Find("env"); again.Flow() != "{A: 1, B: 2}" {
		t.Errorf("merging changed the weaker layer: %s", again.Flow())
	}
}

func TestSet(t *testing.T) {
	keys, ok := yamldoc.SplitPath(`services.app."a.b"`)
	if !ok || strings.Join(keys, "|") != "services|app|a.b" {
		t.Fatalf("got %q, %v", keys, ok)
	}
	for _, path := range []string{"", "a..b", ".a", `a."b`} {
		if keys, ok := yamldoc.SplitPath(path); ok {
			t.Errorf("%q is taken as %q", path, keys)
		}
	}
	c := &yamldoc.Collector{}
	at := yamldoc.Position{File: "--set a.b=[1]"}
	n, ok := yamldoc.Set([]string{"a", "b"}, "[1]", at, "flag", c).Find("a.b")
	if !ok || n.Flow() != "[1]" || n.At != at || n.Items[0].Layer != "flag" || n.Directive != yamldoc.Override {
		t.Errorf("got %+v", n)
	}
	if yamldoc.Set([]string{"a"}, "[", at, "flag", c) != nil || report(c.Err()) != "--set a.b=[1]: the value is not YAML (put the value in quotes)" {
		t.Errorf("got %s", report(c.Err()))
	}
}

func TestSubstitute(t *testing.T) {
	set := yamldoc.Lookup(func(name string) (string, bool) {
		v, ok := map[string]string{"A": "1", "EMPTY": ""}[name]
		return v, ok
	})
	for text, want := range map[string]string{
		"x${A}y${A}": "x1y1", "$${A} $A": "${A} $A", "${B:-2}": "2", "${EMPTY:-3}": "3", "${A:?why}": "1",
		"${B}": "the variable B is not set", "${B:?ask ops}": "the variable B is not set: ask ops", "${a-b}": "${a-b} is not a variable",
	} {
		got, err := set.Substitute(text)
		if err != nil {
			if got = err.Error(); yamldoc.Hint(err) == "" {
				t.Errorf("%q: no hint", text)
			}
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	if _, err := yamldoc.Lookup(nil).Substitute("${A}"); err == nil {
		t.Error("nothing gave A a value")
	}
}

func TestPlain(t *testing.T) {
	got := fmt.Sprintf("%#v", parse(t, "", "[1, 1.5, true, text, '1', null, {a: [0x10]}]").Plain())
	if want := `[]interface {}{1, 1.5, true, "text", "1", interface {}(nil), map[string]interface {}{"a":[]interface {}{16}}}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestProblemsOfOtherErrors(t *testing.T) {
	one := &yamldoc.Problem{At: yamldoc.Position{File: "a.yaml", Line: 3}, Message: "wrong"}
	if got := yamldoc.Problems(fmt.Errorf("loading: %w", one)); len(got) != 1 || got[0] != one {
		t.Errorf("a single problem: got %v", got)
	}
	if got := yamldoc.Problems(errors.New("disk full")); got != nil {
		t.Errorf("an error of another kind: got %v", got)
	}
	if got := yamldoc.Problems(nil); got != nil {
		t.Errorf("no error: got %v", got)
	}
}

func TestPositionString(t *testing.T) {
	for want, at := range map[string]yamldoc.Position{
		"a.yaml":     {File: "a.yaml"},
		"a.yaml:3":   {File: "a.yaml", Line: 3},
		"a.yaml:3:7": {File: "a.yaml", Line: 3, Column: 7},
	} {
		if got := at.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// FuzzParse wants a tree or problems for any bytes; each problem has a place and one line. What is read can be merged with
// itself, looked through and decoded.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"a: 1", "a: &x {b: 1}\nc: {<<: *x}", "- !reset 1\n- !override [a]", "a: |\n  x\n", "? [a]\n: 1", "\xff", "a: \x1b"} {
		f.Add([]byte(seed))
	}
	m := yamldoc.Merger{Lists: func(string) yamldoc.Identity { return yamldoc.ByName("name") }, Exclusive: func(string) [][]string { return [][]string{{"a", "b"}} }}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := &yamldoc.Collector{}
		n := yamldoc.Parse(yamldoc.Source{File: "a.yaml", Data: data, Empty: "write"}, c)
		if n == nil && c.Err() == nil {
			t.Fatal("neither a tree nor a problem")
		}
		for _, p := range yamldoc.Problems(c.Err()) {
			if p.At.Line < 1 || p.Message == "" || strings.ContainsAny(p.Message+p.Hint, "\n\r\x1b") {
				t.Errorf("no place, or not one line: %s %q %q", p.At, p.Message, p.Hint)
			}
		}
		if n == nil {
			return
		}
		merged := m.Merge(n, n.Relayer("", "again"), "")
		merged.Leaves("", func(leaf *yamldoc.Node, _ string) { _, _ = leaf.Flow(), leaf.Plain() })
		yamldoc.NewDecoder(c).Decode(merged, &pod{}, "")
	})
}
