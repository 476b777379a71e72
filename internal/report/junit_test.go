package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"testing"
)

// element is what the schema allows in one element.
type element struct {
	required, optional, children []string
	text                         bool
}

// junitSchema are the rules of the schema by which Jenkins accepts or refuses a file whole
// (github.com/jenkinsci/xunit-plugin, junit-10.xsd), as far as we write it. Other systems read the same names, and refuse nothing.
func junitSchema() map[string]element {
	message := element{optional: []string{"message", "type"}, text: true}
	return map[string]element{
		"testsuites": {optional: []string{"name", "time", "tests", "failures", "errors"}, children: []string{"testsuite"}},
		"testsuite": {required: []string{"name", "tests", "failures", "errors"}, optional: []string{"group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"},
			children: []string{"testsuite", "properties", "testcase", "system-out", "system-err"}},
		"testcase": {required: []string{"name"}, optional: []string{"time", "classname", "group"}, children: []string{"skipped", "error", "failure", "system-out", "system-err"}},
		"failure":  message, "error": message, "skipped": message,
		"system-out": {text: true},
	}
}

func TestJUnitKeepsTheSchema(t *testing.T) {
	for name, d := range map[string]Document{"example": example(), "empty": {Kind: "Lint", Subject: "shop"}} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := JUnit(&b, d); err != nil {
				t.Fatal(err)
			}
			for _, problem := range againstSchema(t, b.Bytes()) {
				t.Error(problem)
			}
		})
	}
	// The check itself can fail.
	for _, bad := range []string{`<testsuites skipped="1"/>`, `<testsuites><testcase name="x"/></testsuites>`, `<testsuites><testsuite name="x"/></testsuites>`,
		`<testsuites>text</testsuites>`, `<testsuite name="x" tests="one" failures="0" errors="0"/>`, `<report/>`} {
		if len(againstSchema(t, []byte(bad))) == 0 {
			t.Errorf("%s passes", bad)
		}
	}
}

// againstSchema returns what breaks the rules.
func againstSchema(t *testing.T, data []byte) []string {
	t.Helper()
	var out, path []string
	decoder := xml.NewDecoder(bytes.NewReader(data))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			out = append(out, badElement(token, path)...)
			path = append(path, token.Name.Local)
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.CharData:
			if len(path) > 0 && len(bytes.TrimSpace(token)) > 0 && !junitSchema()[path[len(path)-1]].text {
				out = append(out, "there is text in "+path[len(path)-1])
			}
		}
	}
}

var counts = regexp.MustCompile(`^(tests|failures|errors|skipped)$`)

func badElement(e xml.StartElement, path []string) []string {
	name := e.Name.Local
	rule, ok := junitSchema()[name]
	if !ok {
		return []string{"there is no element " + name}
	}
	var out []string
	if len(path) > 0 && !slices.Contains(junitSchema()[path[len(path)-1]].children, name) {
		out = append(out, path[len(path)-1]+" may not have "+name)
	}
	var seen []string
	for _, a := range e.Attr {
		seen = append(seen, a.Name.Local)
		if !slices.Contains(slices.Concat(rule.required, rule.optional), a.Name.Local) {
			out = append(out, name+" may not have the attribute "+a.Name.Local)
		}
		if _, err := strconv.Atoi(a.Value); counts.MatchString(a.Name.Local) && err != nil {
			out = append(out, name+"."+a.Name.Local+" is no number: "+a.Value)
		}
	}
	for _, want := range rule.required {
		if !slices.Contains(seen, want) {
			out = append(out, name+" lacks the attribute "+want)
		}
	}
	return out
}
