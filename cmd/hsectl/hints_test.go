package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/composefile"
	"github.com/hsectl/hsectl/internal/image"
	profileparser "github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/profiles"
)

// said is a text of the product that a person reads.
type said struct{ at, text string }

// texts returns every string of the product and of its presets.
func texts(t *testing.T) []said {
	t.Helper()
	var out []said
	for _, dir := range []string{"../../internal", "../../cmd", "../../generate"} {
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "/testdata/") {
				return err
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
					text, err := strconv.Unquote(l.Value)
					if err == nil {
						out = append(out, said{set.Position(l.Pos()).String(), text})
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range (profiles.Library{}).Presets() {
		p, err := profileparser.ReadPreset(name, profiles.Library{})
		if err != nil {
			t.Fatal(err)
		}
		for _, note := range p.Service.Notes {
			out = append(out, said{"preset " + name, note})
		}
	}
	return out
}

// typed finds what is to be typed: a command after a colon or a verb that says so, or at the beginning.
var typed = regexp.MustCompile(`(?:: |\brun |\bthen |&& |` + "`" + `|^  )hsectl ([a-z][^;()\n` + "`" + `|]*)`)

// Every command in a hint, a remedy or a piece of advice exists, with the flags that it is named with.
func TestHintsNameCommandsThatExist(t *testing.T) {
	checked := 0
	for _, s := range texts(t) {
		for _, m := range typed.FindAllStringSubmatch(s.text, -1) {
			command, _, _ := strings.Cut(m[1], ", ")
			command, _, _ = strings.Cut(command, " && ")
			words := strings.Fields(strings.NewReplacer("%s", "X", "%d", "1", "%q", "X").Replace(strings.TrimRight(command, ". ")))
			if slices.Contains([]string{"does", "is", "needs", "profile", "test", "title"}, words[0]) {
				continue // a sentence about hsectl
			}
			checked++
			if problem := unknownCommand(words); problem != "" {
				t.Errorf("%s: hsectl %s: %s", s.at, command, problem)
			}
		}
	}
	if checked < 60 {
		t.Errorf("only %d commands were found", checked)
	}
}

// fragment begins something that is to be written into a profile or a Compose file.
var fragment = regexp.MustCompile(`(?:\b(?:write|set|use|declare|add|or|and|then|with|, )|^) ?([a-z_]+(?:\.[a-z_]+)*): (\{|\[|true\b|false\b|"|[0-9]|on-failure|unless-stopped|non-blocking)`)

// value returns the YAML value that a text begins with: as far as its brackets close, or its word ends.
func value(text string) string {
	depth, quoted := 0, false
	for i, c := range text {
		switch {
		case c == '"':
			quoted = !quoted
			if !quoted && depth == 0 {
				return text[:i+1]
			}
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return text[:i+1]
			}
		case depth == 0 && strings.ContainsRune(" ,;)", c):
			return text[:i]
		}
	}
	return text
}

// places are where a key of a profile may stand.
func places(key, value string) []string {
	service := "image: \"example/web:1\", user: \"10001:10001\", limits: {cpus: \"0.5\", memory: 64M}, health: {command: [/app, health]}"
	head := "apiVersion: hsectl/v1\nkind: Profile\nname: shop\n"
	if outer, inner, ok := strings.Cut(key, "."); ok {
		key, value = outer, "{"+inner+": "+value+"}"
	}
	services := "services:\n  app: {" + service + "}\n"
	out := []string{head + key + ": " + value + "\n" + services}
	for _, s := range []string{key + ": " + value, "writable: [{path: /x, tmpfs: 16M, " + key + ": " + value + "}]"} {
		rest := service
		if strings.HasPrefix(s, "user:") || strings.HasPrefix(s, "health:") || strings.HasPrefix(s, "limits:") {
			rest = strings.Join(slices.DeleteFunc(strings.Split(service, ", "), func(one string) bool { return strings.HasPrefix(one, key+":") }), ", ")
		}
		out = append(out, head+"services:\n  app: {"+rest+", "+s+"}\n")
	}
	return append(out, head+"services:\n  app: {"+service+", networks: [front]}\nnetworks:\n  front: {"+key+": "+value+"}\n",
		head+"services:\n  app: {"+service+", writable: [{path: /x, volume: data}]}\nvolumes:\n  data: {"+key+": "+value+"}\n",
		head+"services:\n  app: {"+service+", writable: [{path: /x, volume: data}]}\n"+key+": "+value+"\n",
		head+"services:\n  app: {"+service+", depends_on: [{service: other, "+key+": "+value+"}]}\n  other: {"+service+"}\n",
		head+"services:\n  app: {"+service+"}\nmonitoring: {"+key+": "+value+"}\n")
}

// examples stand in place of what a text leaves to the reader.
var examples = strings.NewReplacer("NAME", "data", "DIRECTORY", "backups", "PORT", "8080", "NETWORK", "10.0.0.0/8", "SYSTEM", "borg", "uid:gid", "1000:1000", "REASON", "why", "…", "backups", "PATH", "/srv/x", "SERVICE", "app", "FILE", "x.pem")

// Every line of YAML in a hint, a remedy or a piece of advice is one that a profile or a Compose file takes.
func TestHintsAreValid(t *testing.T) {
	checked := 0
	for _, s := range texts(t) {
		for _, m := range fragment.FindAllStringSubmatchIndex(s.text, -1) {
			key, v := s.text[m[2]:m[3]], examples.Replace(value(s.text[m[4]:]))
			if strings.Contains(v, "%") || v == "" || strings.Count(v, "{") != strings.Count(v, "}") {
				continue // completed elsewhere
			}
			checked++
			var problem error
			valid := slices.ContainsFunc(places(key, v), func(text string) bool {
				_, err := profileparser.Parse([]byte(text), profileparser.Options{File: "hsectl.yaml", Library: profiles.Library{}, CheckImage: image.Check})
				if err != nil && problem == nil {
					problem = err
				}
				return err == nil
			})
			if !valid && !composeTakes(t, key, v) {
				t.Errorf("%s: %s: %s is in no file valid: %v", s.at, key, v, problem)
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d lines of YAML were found", checked)
	}
}

// composeTakes tells whether a key can stand in a service of a Compose file.
func composeTakes(t *testing.T, key, value string) bool {
	t.Helper()
	text := "name: shop\nservices:\n  app:\n    image: example/web:1\n    " + key + ": " + value + "\nvolumes: {data: {}}\n"
	_, err := composefile.Load(t.Context(), composefile.Source{Files: []string{"compose.yaml"}, Read: func(string, int64) ([]byte, error) { return []byte(text), nil }})
	return err == nil
}
